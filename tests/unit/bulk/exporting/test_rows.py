"""`rows`: a row for every voucher and every order without one, and a reason for every code that is missing."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async.bulk import Delivery, LedgerLine, LineState
from xoxo_async.bulk.exporting.columns import ExportRow, LinkRow
from xoxo_async.bulk.exporting.rows import MissingCodes, RowMaker
from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Evidence, PackedLine
from xoxo_async.bulk.ledger.vouchers import StoredCode

BODY = '{"productId":1001,"quantity":2,"denomination":"500.50","poNumber":"PO-1","email":"a@example.com"}'
CODES = (StoredCode("SBX-AAAA-0001", pin="4711", amount="500"), StoredCode("SBX-AAAA-0002"))


def line(state: LineState = LineState.PLACED, **given: Any) -> LedgerLine:
    plain: dict[str, Any] = {"delivery": Delivery.DELIVERED, "order_id": 7, "held": 2, "error": ""}
    fields = {**plain, **given}
    return LedgerLine(seq=3, key="k", po_number="PO-1", digest="d", body=BODY, row=1, epoch=1, state=state, **fields)


def made(
    order: LedgerLine, codes: tuple[StoredCode, ...] = (), *, reveal: bool = False, fetches: bool = True, **given: Any
) -> tuple[list[ExportRow], RowMaker]:
    maker = RowMaker(reveal=reveal, fetches=fetches, clean=str.upper)
    plain: dict[str, Any] = {"packed": (), "not_fetched": {}}
    rows = maker.rows_of(order, codes, **{**plain, **given})
    return [one.row for one in rows], maker


def test_each_voucher_has_a_row() -> None:
    """What was ordered, and the code, masked; a long one keeps its end."""
    (first, second), maker = made(line(), CODES)
    assert (first.key, first.order_id, first.state, first.delivery) == ("k", 7, "placed", "delivered")
    assert (first.product_id, first.denomination, first.quantity) == (1001, "500.50", 2)
    assert (first.code, first.pin, second.code, second.pin) == ("****0001", "****", "****0002", "")
    assert Decimal(first.amount) == 500
    assert (maker.exported.rows, maker.exported.codes, maker.exported.missing) == (2, 2, 0)


def test_revealed_codes_are_exact() -> None:
    """As the vendor wrote them; those that a spreadsheet would run are counted."""
    (row,), maker = made(line(held=1), (StoredCode("=1+1"),), reveal=True)
    assert (row.code, maker.exported.formulas) == ("=1+1", 1)


def test_an_order_without_a_code_has_a_row() -> None:
    """Its error is made fit to be shown."""
    (row,), maker = made(line(LineState.REJECTED, delivery=Delivery.NONE, order_id=None, held=0, error="no such"))
    assert (row.state, row.code, row.error, row.order_id) == ("rejected", "", "NO SUCH", None)
    assert (maker.exported.rows, maker.exported.codes, maker.exported.missing) == (1, 0, 0)


@pytest.mark.parametrize(
    ("order", "given", "why"),
    [
        (line(LineState.UNKNOWN, delivery=Delivery.NONE, held=0), {}, "it is in doubt (unknown)"),
        (line(LineState.MANUAL, delivery=Delivery.NONE, held=0), {}, "it is in doubt (manual)"),
        (line(delivery=Delivery.PENDING, held=0), {}, "still to be delivered"),
        (line(), {}, "keeps no codes, and --reveal fetches them"),
        (line(), {"reveal": True, "fetches": False}, "no client was given"),
        (line(), {"reveal": True}, "the vendor gave 0 of 2 codes"),
        (line(), {"reveal": True, "not_fetched": {3: "another one"}}, "another one"),
        (line(delivery=Delivery.CANCELLED, held=0), {}, ""),
        (line(held=0), {}, ""),
        (line(LineState.PLANNED, delivery=Delivery.NONE, held=0), {}, ""),
    ],
)
def test_a_missing_code_has_a_reason(order: LedgerLine, given: dict[str, Any], why: str) -> None:
    """None where no code is to come: cancelled, delivered without one, not sent."""
    _rows, maker = made(order, **given)
    assert maker.exported.missing == bool(why)
    assert [why in missing.why for missing in maker.exported.missing_rows] == [True] * bool(why)


def test_waiting_and_unsent_rows_are_counted() -> None:
    """An order that waits counts once; a planned row is no order yet."""
    _rows, waiting = made(line(delivery=Delivery.PENDING, held=0))
    _rows, planned = made(line(LineState.PLANNED, delivery=Delivery.NONE, held=0))
    assert (waiting.exported.waiting, planned.exported.not_sent) == (1, 1)


def test_the_first_missing_rows_are_named() -> None:
    """Twenty of them; all are counted."""
    maker = RowMaker(reveal=False, fetches=True, clean=str)
    for number in range(25):
        order = msgspec.structs.replace(line(), key=f"k{number}")
        list(maker.rows_of(order, (), (), not_fetched={}))
    assert (maker.exported.missing, len(maker.exported.missing_rows)) == (25, 20)
    assert isinstance(maker.exported.missing_rows[0], MissingCodes)


def test_lines_of_a_pack_have_their_own_codes() -> None:
    """Dealt from the front: the first is delivered while the second waits."""
    order = msgspec.structs.replace(line(delivery=Delivery.PENDING, held=1), lines=2)
    body = BODY.replace('"quantity":2', '"quantity":1')
    packed = [
        PackedLine(pack=3, first=place, pieces=1, key=key, po_number=f"PO-{key}", digest="d", body=body, row=place)
        for place, key in enumerate("ab")
    ]
    (first, second), maker = made(order, CODES[:1], packed=packed)
    assert (first.key, first.code, first.delivery) == ("a", "****0001", "delivered")
    assert (second.key, second.code, second.delivery) == ("b", "", "pending")
    assert [missing.key for missing in maker.exported.missing_rows] == ["b"]


@pytest.mark.parametrize(
    ("order", "codes", "lacks"),
    [
        (line(), CODES, ["", ""]),
        (line(), (), ["this ledger keeps no codes, and --reveal fetches them"]),
        (line(held=0), (), [""]),
        (line(LineState.PLANNED, delivery=Delivery.NONE, held=0), (), ["it is not sent yet"]),
        (line(LineState.REJECTED, delivery=Delivery.NONE, held=0, error="no"), (), ["it is rejected: NO"]),
        (line(LineState.CANCELLED, delivery=Delivery.NONE, held=0), (), ["it is withdrawn"]),
        (line(delivery=Delivery.CANCELLED, held=0), (), ["the vendor cancelled its delivery"]),
        (line(delivery=Delivery.CANCELLING, held=0), (), ["it is not known whether it was cancelled"]),
        (line(delivery=Delivery.PENDING, held=1), CODES[:1], ["its codes are still to be delivered"]),
    ],
)
def test_a_row_says_what_it_lacks(order: LedgerLine, codes: tuple[StoredCode, ...], lacks: list[str]) -> None:
    """For the sheet of what is missing: each row without all of its codes has one reason; a top-up lacks none."""
    maker = RowMaker(reveal=False, fetches=True, clean=str.upper)
    assert [made.lacks for made in maker.rows_of(order, codes, (), not_fetched={})] == lacks


@pytest.mark.parametrize(
    ("kind", "order", "codes", "lacks"),
    [
        (JobKind.LINKS, line(), CODES, ["", ""]),
        (JobKind.LINKS, line(delivery=Delivery.PENDING, held=1), CODES[:1],
         ["the ledger has 1 of 2 links, and no call gives the others"]),
        (JobKind.LINKS, line(held=0), (), ["the ledger has 0 of 2 links, and no call gives the others"]),
        (JobKind.POINTS, line(held=0), (), [""]),
        (JobKind.POINTS, line(delivery=Delivery.CANCELLED, held=0), (), ["its points were cancelled"]),
        (JobKind.LINK_MAILS, line(LineState.MANUAL, delivery=Delivery.NONE, held=0), (), ["it is in doubt (manual)"]),
    ],
)  # fmt: skip
def test_other_kinds_say_what_they_lack(
    kind: JobKind, order: LedgerLine, codes: tuple[StoredCode, ...], lacks: list[str]
) -> None:
    """A row that a person counts as done has no links here. Links that did not come are not waited for."""
    maker = RowMaker(reveal=True, fetches=True, clean=str.upper, kind=kind)
    assert [made.lacks for made in maker.rows_of(order, codes, (), not_fetched={})] == lacks
    assert (maker.exported.waiting, maker.exported.missing) == (
        0,
        0 if lacks[0] in {"", "its points were cancelled"} else 1,
    )


@pytest.mark.parametrize(
    ("evidence", "charged", "links", "value"),
    [
        (Evidence.ANSWERED_DONE, "200", 2, "100"),
        (Evidence.ANSWERED_DONE, "100", 1, "100"),
        (Evidence.ANSWERED_DONE, "200", 1, "200"),  # the answer says another value than the campaign
        (Evidence.PERSON_CLOSED, "200", 1, "100"),
        (Evidence.PERSON_CLOSED, "200", 0, "100"),
        (Evidence.PERSON_CLOSED, "100", 1, "100"),  # closed by an older version: the charge is of the links that came
        (Evidence.PERSON_PLACED, "200", 1, "100"),
        (Evidence.PERSON_PLACED, None, 0, "100"),
    ],
)
def test_the_value_is_of_one_link(evidence: Evidence, charged: str | None, links: int, value: str) -> None:
    """Also where a person closed a row that got fewer links than it asked for: then the charge is of all of them."""
    known: dict[str, Any] = {"amount_charged": charged and Decimal(charged), "currency": "INR" if charged else ""}
    order = line(evidence=evidence, worth=units(Decimal(200)), held=links, **known)
    maker = RowMaker(reveal=True, fetches=True, clean=str.upper, kind=JobKind.LINKS, unit="INR")
    rows = [one.row for one in maker.rows_of(order, CODES[:links], (), not_fetched={})]
    assert {(row.value, row.currency) for row in rows if isinstance(row, LinkRow)} == {(value, "INR")}


def test_a_row_has_its_tag() -> None:
    """From the request; empty without one."""
    tagged = msgspec.structs.replace(line(), body=BODY.replace('"email"', '"tag":"spring","email"'))
    assert (made(tagged)[0][0].tag, made(line())[0][0].tag) == ("spring", "")
