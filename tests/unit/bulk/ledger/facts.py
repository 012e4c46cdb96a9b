"""Planned lines, facts about them and voucher codes, as the tests of every ledger want them."""

import hashlib
from decimal import Decimal

import msgspec
from hypothesis import strategies as st

from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, PlannedLine
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.services.orders import PLACE_ORDER
from xoxo_async.services.orders.requests import place_order


def planned(number: int, pieces: int = 1, value: int = 100, room: int = 10, tag: str | None = None) -> PlannedLine:
    """Return a line that may share an order, or with `room=0` one that travels alone."""
    request = place_order(
        product_id=1001, denomination=value, quantity=pieces, po_number=f"po-{number}-{value}", tag=tag
    )
    body = PLACE_ORDER.encode_request(request)
    return PlannedLine(
        key=f"k{number}",
        po_number=request.po_number,
        digest=hashlib.sha256(body).hexdigest(),
        request=body,
        row=number + 1,
        worth=Decimal(value * pieces),
        pieces=pieces,
        room=room,
        order=request,
    )


def alone(*numbers: int) -> list[PlannedLine]:
    """Return lines worth 100 each that share no order."""
    return [planned(number, room=0) for number in numbers]


def packable(*numbers: int) -> list[PlannedLine]:
    """Return lines worth 100 each, of which ten fit into one order."""
    return [planned(number) for number in numbers]


def fact(line: LedgerLine, evidence: Evidence, charged: int | None = None, currency: str = "INR") -> Change:
    """Return a fact about a line; an answer that placed it names its order by the line's number."""
    return Change(
        seq=line.seq,
        evidence=evidence,
        epoch=line.epoch,
        order_id=line.seq if evidence is Evidence.ANSWERED_PLACED else None,
        delivery=Delivery.DELIVERED if evidence is Evidence.ANSWERED_PLACED else Delivery.NONE,
        amount_charged=None if charged is None else Decimal(charged),
        currency=currency,
    )


def codes(*names: str) -> bytes:
    """Return codes as a ledger keeps them."""
    return msgspec.json.encode([{"code": name, "pin": "1"} for name in names])


FORMS = st.builds(
    lambda card, form, pin: StoredCode(form(card), f"pin of {card}" if pin else ""),
    st.sampled_from(["AAAA1111", "BBBB1111", "CCCC2222", "DDDD2222", "EEEE3333", "FFFF3333"]),
    st.sampled_from(
        [str, str, lambda card: f"****{card[-4:]}", lambda card: f"XXXX-{card[-4:]}", lambda card: f" {card}"]
    ),
    st.booleans(),
)
"""Vouchers of six cards, each in one of the forms in which answers list it."""
