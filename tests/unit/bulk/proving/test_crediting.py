"""`crediting`: rows of a ledger without keys beside the rows of the payment report, in a notebook."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.proving.books import SCOPE
from tests.unit.bulk.proving.unkeyed import decided, fact, lost, paid, planned, resent, sent
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Evidence
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.proving.crediting import (
    CreditBooks,
    credit_cases,
    credits_charged,
    find_loose,
    named_by,
    paid_for,
    rate_and_step,
    read_credits,
)
from xoxo_async.bulk.proving.facts import credit_facts
from xoxo_async.bulk.proving.notebook import Notebook, Range
from xoxo_async.bulk.proving.wallet import payment_facts
from xoxo_async.services.account.replies import Payment

pytestmark = pytest.mark.anyio

POINTS, LINKS = JobKind.POINTS, JobKind.LINKS
CENT = Decimal("0.01")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(tmp_path / "l.db") as opened:
        yield opened


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notebook]:
    with Notebook(tmp_path / "notes") as opened:
        yield opened


async def read(ledger: SqliteLedger, notes: Notebook, kind: JobKind, *payments: Payment) -> CreditBooks:
    """Read a ledger, and a report of some rows."""
    books = await read_credits(ledger, notes, kind, lambda _what, _done: None)
    rows = [(f"{number}", payment_facts(payment)) for number, payment in enumerate(payments)]
    notes.add_payments(Range("2026-03-09", "2026-03-11", 0), rows, 1, done=True)
    return books


async def test_each_credit_has_its_payment(ledger: SqliteLedger, notes: Notebook) -> None:
    """By its id, whatever letters stand before it; a voucher's row with the same number is of an order."""
    await sent(ledger, POINTS, 3)
    payments = [
        paid("REF901", "10"), paid("902", "20"), paid("902", "20", "Refunded"),
        paid("REF903", "77", "Brand Vouchers Issued"), paid("REF777", "5"), paid("FUND", "1", "Funds added"),
    ]  # fmt: skip
    await read(ledger, notes, POINTS, *payments)
    cases = list(credit_cases(notes, POINTS))
    assert [(one.reference, one.worth, one.rows, one.paid, one.refunded) for one in cases] == [
        ("901", 100, 1, 10, 0), ("902", 200, 1, 20, 20), ("903", 300, 0, 0, 0),
    ]  # fmt: skip
    named = named_by(notes, POINTS, SCOPE)
    assert (named.all, named.found, named.placed, named.loose, named.loose_sum) == (3, 2, 3, 1, 5)
    assert paid_for(notes, POINTS) == (30, 20)
    assert credits_charged(notes) == 600
    assert rate_and_step(notes, POINTS) == (Decimal("0.1"), 2, CENT)


async def test_a_batch_is_one_payment_of_many_rows(ledger: SqliteLedger, notes: Notebook) -> None:
    """The journal has the batch that each answer named."""
    await sent(ledger, LINKS, 5, batch=3)
    await read(ledger, notes, LINKS, paid("B1", "2497.5", "Links issued"), paid("B9", "9", "Links issued"))
    cases = list(credit_cases(notes, LINKS))
    assert [(one.reference, one.worth, one.paid) for one in cases] == [
        *[("B1", 30, Decimal("2497.5"))] * 3, *[("B2", 20, 0)] * 2,
    ]  # fmt: skip
    named = named_by(notes, LINKS, SCOPE)
    assert (named.all, named.found, named.loose) == (2, 1, 1)
    assert rate_and_step(notes, LINKS) == (Decimal("83.25"), 1, CENT)


@pytest.mark.parametrize(
    ("amounts", "rate", "fits", "step"),
    [
        ("100:10 200:20 300:30 400:40", "0.1", 4, "0.01"),
        ("100:10 200:20 300:30 400:41", "0.1", 3, "0.01"),  # one amount is wrong, and it is no rounding
        ("100:10 100:10 100:11", "0.1", 2, "0.01"),
        ("100:33 200:67 300:100 400:133", "0.333", 4, "1"),
        ("100:1 100:1 100:1 100:1 500:6 1000:12", "0.012", 6, "1"),  # many rows of one amount show no price
        ("100:1 100:1 500:6 1000:12.5", "0.01", 2, "0.01"),
        ("100:10 200:25", "0.1", 1, "0.01"),
        ("", "None", 0, "0.01"),
    ],
)
async def test_amounts_are_rounded_by_the_price(
    ledger: SqliteLedger, notes: Notebook, amounts: str, rate: str, fits: int, step: str
) -> None:
    """Whole amounts alone do not say so: they are exact where the price gives no row a fraction."""
    await sent(ledger, POINTS, 1)
    (known,) = [credit_facts(line, POINTS) async for line in ledger.lines()]
    pairs = [(Decimal(points), amount) for points, amount in (pair.split(":") for pair in amounts.split())]
    await read(ledger, notes, POINTS, *[paid(f"{5000 + at}", amount) for at, (_points, amount) in enumerate(pairs)])
    notes.add_credits(
        known._replace(seq=at, reference=f"{4998 + at}", worth=worth) for at, (worth, _amount) in enumerate(pairs, 2)
    )
    found = rate_and_step(notes, POINTS)
    assert (str(found[0]), found[1], str(found[2])) == (rate, fits, step)


async def test_cancellations_have_their_time(ledger: SqliteLedger, notes: Notebook) -> None:
    """The latest fact about each; a job without one has none."""
    one, two = await sent(ledger, POINTS, 2)
    assert (await read(ledger, notes, POINTS)).cancelled_at == 0
    for evidence in (Evidence.CANCEL_ASKED, Evidence.CANCEL_DONE):
        about = Change(seq=one.seq, evidence=evidence, epoch=one.epoch, order_id=one.order_id, reason="left")
        await ledger.record([about])
    last = (await read(ledger, notes, POINTS)).cancelled_at
    assert last == max([row.at async for row in ledger.journal()])
    at = {case.line.key: case.cancelled_at for case in credit_cases(notes, POINTS)}
    assert at == {one.key: last, two.key: None}
    assert credits_charged(notes) == 200


async def test_loose_rows_are_found_by_amount_and_day(ledger: SqliteLedger, notes: Notebook) -> None:
    """Of the row's own days, and of points; rows that name a credit of the ledger are not loose."""
    (line,) = await sent(ledger, POINTS, 1)
    rows = [("901", "10"), ("X1", "10"), ("X2", "10.01"), ("X6", "99")]
    others = [paid("X3", "10", day="2026-03-14"), paid("X4", "10", "Links issued"), paid("X5", "10", "Refunded")]
    await read(ledger, notes, POINTS, *[paid(reference, amount) for reference, amount in rows], *others)
    assert named_by(notes, POINTS, SCOPE).loose == 3
    find = find_loose(notes, SCOPE, CENT)
    (case,) = credit_cases(notes, POINTS)
    sent_then = msgspec.structs.replace(case.line, first_sent_at=SCOPE.now - 60, last_sent_at=SCOPE.now - 60)
    assert line.order_id == 901
    assert find(sent_then, Decimal(10)) == (1, ("X1 of 2026-03-10",))
    assert find(sent_then, Decimal(11)) == (0, ())
    assert find(sent_then, None) == (3, ("X1 of 2026-03-10", "X2 of 2026-03-10", "X6 of 2026-03-10"))


async def test_only_a_person_has_rows_sent_again(ledger: SqliteLedger, notes: Notebook) -> None:
    """A second attempt alone is none: the first one was not processed. Nor is a decision that no send followed."""
    await planned(ledger, POINTS, 3)
    (first,) = await ledger.claim(1)
    await ledger.record([fact(first, Evidence.NOT_PROCESSED)])
    await lost(ledger, 3)
    await decided(ledger, Evidence.PERSON_PLACED, "k1")
    await resent(ledger, "k2", 902)
    await decided(ledger, Evidence.PERSON_RESEND, "k3")
    await decided(ledger, Evidence.LATE_PROOF, "k3", order_id=903)
    assert [(line.attempts, line.state) async for line in ledger.lines()] == [
        (2, "placed"), (2, "placed"), (1, "placed"),
    ]  # fmt: skip
    assert not (await read(ledger, notes, POINTS)).restored
    assert {one.line.key: one.resent for one in credit_cases(notes, POINTS)} == {"k1": False, "k2": True, "k3": False}


async def test_another_ledger_may_have_sent_first(ledger: SqliteLedger, notes: Notebook) -> None:
    """Then this ledger's only send is the row's second one, and the days that were read are the bound."""
    await planned(ledger, POINTS, 1)
    await ledger.restored(reason="the other one is lost")
    await lost(ledger)
    await resent(ledger, "k1", 901)
    books = await read(ledger, notes, POINTS, paid("X1", "10"), paid("X2", "10", day="2026-03-12"))
    (case,) = credit_cases(notes, POINTS)
    assert (books.restored, case.resent) == (True, True)
    named_by(notes, POINTS, SCOPE)
    assert find_loose(notes, SCOPE, CENT)(case.line, Decimal(10)) == (0, ())
    assert find_loose(notes, SCOPE, CENT, restored=True)(case.line, Decimal(10)) == (1, ("X1 of 2026-03-10",))
