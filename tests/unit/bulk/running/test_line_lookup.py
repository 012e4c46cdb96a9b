"""`line_lookup`: which fact follows from what the vendor says about one line."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.running.vendors import PENDING, Vendor, line_of, order, passing, reconciler, sent
from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.services.orders import Order, OrderSummary

pytestmark = pytest.mark.anyio


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Return a vendor that has no order; waiting moves its clock and takes no time."""
    return passing(Vendor(), monkeypatch)


@pytest.fixture
async def ledger(tmp_path: Path, vendor: Vendor) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger that goes by the vendor's clock."""
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: vendor.now) as ledger:
        yield ledger


async def test_without_resending_the_history_decides(vendor: Vendor, ledger: SqliteLedger) -> None:
    """With `never` the days around the sends are read; a row absent there too is left to a person, with the reason."""
    await sent(ledger)
    await reconciler(vendor, ledger, resend="never").settle()
    line = await line_of(ledger)
    assert line.state is LineState.MANUAL
    assert vendor.days == [(date(2027, 1, 14), date(2027, 1, 16))]
    journal = [row.reason async for row in ledger.journal()]
    assert journal[-1] == "no look-up and no history has it"


async def test_an_order_only_the_history_has_is_placed(vendor: Vendor, ledger: SqliteLedger) -> None:
    """It is the one reply with the poNumber in it; the order is then read by its id."""
    (line,) = await sent(ledger)
    vendor.history = [
        OrderSummary(order_id=5, po_number="another"),
        OrderSummary(order_id=900, po_number=line.po_number),
    ]
    vendor.by_id[900] = order("C-1")
    await reconciler(vendor, ledger, resend="never").settle()
    assert (await line_of(ledger)).state is LineState.PLACED


async def test_a_different_order_is_left_to_a_person(vendor: Vendor, ledger: SqliteLedger) -> None:
    """It is named, and neither adopted nor sent again."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = order(quantity=5)
    await reconciler(vendor, ledger).settle()
    found = await line_of(ledger)
    assert (found.state, found.order_id, found.codes) == (LineState.MANUAL, None, None)
    assert found.error.startswith(
        "order 900 has this poNumber, but its quantity is 5, not 1. The vendor has: order 900"
    )


async def test_an_answer_to_another_look_up_is_repeated(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Its connection is closed, what it answered before is in doubt, and another connection has the row's own order."""
    (line,) = await sent(ledger)
    stray, own = order(quantity=5), order("C-1")
    answers = [stray, own]

    async def find(po_number: str) -> Order | None:
        return answers.pop(0)

    vendor.find = find  # type: ignore[method-assign]
    await reconciler(vendor, ledger).settle()
    assert vendor.distrusted == [(900, line.po_number)]
    assert (await line_of(ledger)).state is LineState.PLACED


async def test_a_line_sent_five_times_needs_a_person(vendor: Vendor, ledger: SqliteLedger) -> None:
    """After five sends of an absent line, a person decides."""
    (line,) = await sent(ledger)
    for _ in range(4):
        await reconciler(vendor, ledger).settle()
        (line,) = await ledger.claim(1)
        await ledger.record([Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)])
    await reconciler(vendor, ledger).settle()
    assert ((await line_of(ledger)).state, line.attempts) == (LineState.MANUAL, 5)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (errors.DecodeError("pages 2 to 11 bring mostly what was there before"), "could be read: pages 2 to 11 bring"),
        (errors.ServerError("500", error_id="PLE10023"), "its look-ups fail: 500"),
        (
            errors.RateLimitedError("slow down", retry_after_s=3600).located(operation="getOrderHistory", attempts=1),
            "slow down",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_an_unreadable_history_leaves_it_to_a_person(
    vendor: Vendor, ledger: SqliteLedger, ends: errors.XoxoError, told: str
) -> None:
    """A history that has no end or keeps failing proves nothing, and the reason names that."""
    await sent(ledger)
    vendor.history_ends = ends
    settling = reconciler(vendor, ledger, resend="never")
    await settling.settle()
    line = await line_of(ledger)
    journal = [row.reason async for row in ledger.journal()]
    assert (line.state, settling.pause) == (LineState.MANUAL, Pause.NONE)
    assert told in journal[-1]


async def test_the_history_is_read_once_for_all_lines(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Otherwise each of a hundred lines would read the same thousand pages."""
    lines = await sent(ledger, 30)
    vendor.history = [OrderSummary(order_id=n, po_number=line.po_number) for n, line in enumerate(lines, 1)]
    for n, _ in enumerate(lines, 1):
        vendor.by_id[n] = order("C-1", order_id=n)
    await reconciler(vendor, ledger, resend="never").settle()
    assert (len(vendor.days), (await ledger.counts()).states) == (1, {LineState.PLACED: 30})


async def test_the_zone_is_asked_of_few_orders(vendor: Vendor, ledger: SqliteLedger) -> None:
    """If the first orders cannot be read, no more are tried, and the lines go to a person."""
    await ledger.plan("march", each(planned(number, room=0) for number in range(60)))
    lines = await ledger.claim(60)
    facts = [
        Change(seq=one.seq, epoch=one.epoch, evidence=Evidence.ANSWERED_PLACED, order_id=one.seq) for one in lines[10:]
    ]
    facts += [Change(seq=one.seq, epoch=one.epoch, evidence=Evidence.REFUSED_UNCLEAR) for one in lines[:10]]
    await ledger.record(facts)
    for line in lines[:10]:
        vendor.by_po_number[line.po_number] = order(
            "C-1", order_id=900 + line.seq, order_date_="2027-01-15T08:00:00.000Z"
        )
    await reconciler(vendor, ledger).settle()
    assert (await ledger.counts()).states[LineState.MANUAL] == 10
    assert len(vendor.looked_at) == 10 + 9


@pytest.mark.parametrize(
    ("answer", "failed"),
    [(order(), False), (errors.NotFoundError("lags"), False), (errors.ConnectError("refused"), True)],
)
async def test_a_line_without_news_stays_as_it_is(
    vendor: Vendor, ledger: SqliteLedger, answer: Order | errors.XoxoError, failed: bool
) -> None:
    """No codes yet, not to be found, not to be reached: nothing is unsaid, and only the last of them is a failure."""
    await sent(ledger, **PENDING)
    before = await line_of(ledger)
    vendor.by_id[900] = answer
    settling = reconciler(vendor, ledger)
    await settling.refresh_pending()
    assert await line_of(ledger) == before
    assert (settling.failure is answer) == failed


async def test_the_codes_of_another_order_are_never_taken(vendor: Vendor, ledger: SqliteLedger) -> None:
    """A person may have named the wrong one: the row says so, and holds none of its codes."""
    await sent(ledger, **PENDING)
    vendor.by_id[900] = order("C-1", quantity=5)
    await reconciler(vendor, ledger).refresh_pending()
    line = await line_of(ledger)
    assert (line.codes, line.held, line.delivery) == (None, 0, Delivery.PENDING)
    assert line.error == "order 900 is not this row's: its quantity is 5, not 1"
