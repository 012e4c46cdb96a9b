"""Lines that are real orders, and what is told of them: for tests of what a ledger adds up."""

import hashlib
from decimal import Decimal
from typing import Any

from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, PlannedLine
from xoxo_async.services.orders import PLACE_ORDER
from xoxo_async.services.orders.requests import place_order


def wish(number: int, kept: dict[str, str] | None = None, **order: Any) -> PlannedLine:
    """Return a line that travels alone, with kept columns."""
    fields = {"product_id": 1001, "denomination": 100, "po_number": f"po-{number}"} | order
    request = place_order(**fields)
    body = PLACE_ORDER.encode_request(request)
    return PlannedLine(
        key=f"k{number}",
        po_number=request.po_number,
        digest=hashlib.sha256(body).hexdigest(),
        request=body,
        row=number,
        worth=Decimal(120),
        pieces=request.quantity,
        kept=encode_kept(kept or {}),
    )


def fact(line: LedgerLine, evidence: Evidence, **other: Any) -> Change:
    """Return a fact about a line."""
    return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, **other)


def proof(line: LedgerLine, charged: str = "99.50", delivery: Delivery = Delivery.DELIVERED) -> Change:
    """Return the answer that placed a line."""
    return fact(
        line,
        Evidence.ANSWERED_PLACED,
        order_id=1000 + line.row,
        delivery=delivery,
        amount_charged=Decimal(charged),
        currency="INR",
    )
