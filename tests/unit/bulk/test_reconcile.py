"""`reconcile`: what is unknown is looked up until it is placed, free to send again, or a person's; nothing is sent."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledgers import each
from tests.unit.bulk.test_packing import planned
from xoxo_async import errors
from xoxo_async.bulk.ledger import Change, Delivery, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.bulk.progress import Progress
from xoxo_async.bulk.reconcile import Reconciler
from xoxo_async.services.orders import Order, OrderSummary, VoucherCode
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


class Vendor:
    """The vendor's books behind a client that has no way to place; time that passes only by waiting for a look-up."""

    def __init__(self) -> None:
        self.orders = self
        self.by_po_number: dict[str, Order | errors.XoxoError] = {}
        self.by_id: dict[int, Order | errors.XoxoError] = {}
        self.history: list[OrderSummary] = []
        self.looked_at: list[float] = []
        self.days: list[tuple[date, date]] = []
        self.at_once = self.most_at_once = 0
        self.now = NOW

    async def find(self, po_number: str) -> Order | None:
        self.looked_at.append(self.now - NOW)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.sleep(0)
        self.at_once -= 1
        answer = self.by_po_number.get(po_number)
        if isinstance(answer, errors.XoxoError):
            raise answer
        return answer

    async def get(self, *, order_id: int) -> Order:
        self.looked_at.append(self.now - NOW)
        answer = self.by_id.get(order_id, errors.NotFoundError("no", error_id="PLE10016"))
        if isinstance(answer, errors.XoxoError):
            raise answer
        return answer

    async def iterate_history(self, start: date, end: date) -> AsyncIterator[OrderSummary]:
        self.days.append((start, end))
        for summary in self.history:
            yield summary


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Return a vendor that has no order; waiting moves its clock and takes no time."""
    vendor, wait = Vendor(), anyio.move_on_after

    def pass_s(seconds: float) -> anyio.CancelScope:
        vendor.now += seconds
        return wait(0)

    monkeypatch.setattr(anyio, "move_on_after", pass_s)
    return vendor


@pytest.fixture
async def ledger(tmp_path: Path, vendor: Vendor) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger that goes by the vendor's clock."""
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: vendor.now) as ledger:
        yield ledger


async def sent(ledger: SqliteLedger, count: int = 1, **end: Any) -> list[LedgerLine]:
    """Send lines; their answers are lost, unless they end otherwise."""
    await ledger.plan("march", each(planned(number, room=0) for number in range(count)))
    facts = {"evidence": Evidence.OUTCOME_LOST, **end}
    return await ledger.record([Change(seq=line.seq, epoch=line.epoch, **facts) for line in await ledger.claim(count)])


def reconciler(
    vendor: Vendor,
    ledger: SqliteLedger,
    *,
    progress: Progress | None = None,
    stopped: anyio.Event | None = None,
    **rules: Any,
) -> Reconciler:
    """Return one that believes two absences, ten seconds apart, from 150 s after the send."""
    return Reconciler(
        vendor,  # type: ignore[arg-type]
        ledger,
        Rules(**{"spacing_s": 10.0, **rules}),
        progress=progress or Progress(),
        stopped=stopped or anyio.Event(),
        wall=lambda: vendor.now,
    )


async def line_of(ledger: SqliteLedger) -> LedgerLine:
    (line,) = [line async for line in ledger.lines(with_codes=True)]
    return line


def order(*codes: str, **fields: Any) -> Order:
    vouchers = tuple(VoucherCode(product_id=1001, voucher_code_=Secret(code)) for code in codes)
    return Order(**{"order_id": 900, "vouchers": vouchers, "amount_charged": Decimal(95), **fields})


async def test_an_order_found_is_placed_at_the_first_look(vendor: Vendor, ledger: SqliteLedger) -> None:
    """That look is at once: it can only bring good news, codes and charge included."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = order("C-1")
    progress = Progress()
    await reconciler(vendor, ledger, progress=progress).settle()
    found = await line_of(ledger)
    assert (found.state, found.order_id, found.amount_charged, found.held) == (LineState.PLACED, 900, 95, 1)
    assert progress.placed == 1
    assert vendor.looked_at == [0]


async def test_an_absence_counts_late_and_twice_and_frees_the_line(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Not before the vendor has had its time, and spaced; then the line may be sent again, under the same poNumber."""
    (line,) = await sent(ledger)
    await reconciler(vendor, ledger).settle()
    free = await line_of(ledger)
    assert (free.state, free.po_number) == (LineState.PLANNED, line.po_number)
    assert vendor.looked_at == [0, 150, 160]


async def test_where_nothing_is_sent_again_the_history_has_the_last_word(vendor: Vendor, ledger: SqliteLedger) -> None:
    """With `never` the days around the sends are read; absent there too, the line is a person's, and why is told."""
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


async def test_another_order_under_its_po_number_is_a_persons_matter(vendor: Vendor, ledger: SqliteLedger) -> None:
    """It is named, and neither adopted nor sent again."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = order(quantity=5)
    await reconciler(vendor, ledger).settle()
    found = await line_of(ledger)
    assert (found.state, found.order_id, found.codes) == (LineState.MANUAL, None, None)
    assert found.error.startswith(
        "order 900 has this poNumber, but its quantity is 5, not 1. The vendor has: order 900"
    )


async def test_a_line_sent_five_times_in_vain_is_a_persons_matter(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Another send will not mend what five did not."""
    (line,) = await sent(ledger)
    for _ in range(4):
        await reconciler(vendor, ledger).settle()
        (line,) = await ledger.claim(1)
        await ledger.record([Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)])
    await reconciler(vendor, ledger).settle()
    assert ((await line_of(ledger)).state, line.attempts) == (LineState.MANUAL, 5)


@pytest.mark.parametrize(
    ("error", "looks"),
    [(errors.ConnectError("refused"), [150, 152, 156]), (errors.CredentialsRejectedError("not you"), [150])],
)
async def test_look_ups_that_fail_end_the_settling_and_say_why(
    vendor: Vendor, ledger: SqliteLedger, error: errors.XoxoError, looks: list[int]
) -> None:
    """After three times, ever farther apart; dead credentials at once. The line stays unknown."""
    (line,) = await sent(ledger)
    vendor.now += 150
    vendor.by_po_number[line.po_number] = error
    settling = reconciler(vendor, ledger)
    await settling.settle()
    assert (settling.failure, vendor.looked_at) == (error, looks)
    assert (await line_of(ledger)).state is LineState.UNKNOWN


async def test_one_look_up_that_fails_holds_up_no_other_line(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The others are settled, and this one is looked at again."""
    first, second = await sent(ledger, 2)
    vendor.by_po_number = {first.po_number: errors.ConnectError("refused"), second.po_number: order("C-1")}
    await reconciler(vendor, ledger).settle()
    states = {line.key: line.state async for line in ledger.lines()}
    assert states == {first.key: LineState.UNKNOWN, second.key: LineState.PLACED}


async def test_no_more_than_eight_look_ups_are_under_way(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The allowance is shared with everything else on the client."""
    for line in await sent(ledger, 40):
        vendor.by_po_number[line.po_number] = order(order_id=1000 + line.seq)
    await reconciler(vendor, ledger).settle()
    assert (vendor.most_at_once, (await ledger.counts()).pending) == (8, 40)


async def test_once_stopped_nothing_is_looked_up(vendor: Vendor, ledger: SqliteLedger) -> None:
    """What is left stays unknown."""
    await sent(ledger)
    stopped = anyio.Event()
    stopped.set()
    await reconciler(vendor, ledger, stopped=stopped).settle()
    assert (vendor.looked_at, (await line_of(ledger)).state) == ([], LineState.UNKNOWN)


PENDING: dict[str, Any] = {"evidence": Evidence.ANSWERED_PLACED, "order_id": 900, "delivery": Delivery.PENDING}


async def test_late_codes_are_collected_by_one_look(vendor: Vendor, ledger: SqliteLedger) -> None:
    """A line that waits for its codes is looked at by its order id; one that has them is not."""
    await sent(ledger, **PENDING)
    vendor.by_id[900] = order("C-1")
    settling = reconciler(vendor, ledger)
    await settling.refresh_pending()
    line = await line_of(ledger)
    assert (line.delivery, line.held) == (Delivery.DELIVERED, 1)
    await settling.refresh_pending()
    assert len(vendor.looked_at) == 1


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
