"""`reconcile`: what is unknown is looked up until it is placed, free to send again, or a person's; nothing is sent."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import RateLimits, errors
from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.running.circuit import PROBE_PO_NUMBER
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.lookups import LookUps
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.reconcile import Reconciler
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.pacing import Pacer
from xoxo_async.services.orders import Order, OrderSummary, VoucherCode
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


class Vendor:
    """The vendor's books behind a client that has no way to place; time that passes only by waiting for a look-up."""

    def __init__(self) -> None:
        self.orders = self.dispatcher = self
        self.pacer = Pacer(RateLimits.unlimited())
        self.authorise: Callable[[], Awaitable[object]] = lambda: anyio.sleep(0)
        self.probe: errors.XoxoError | None = None
        self.by_po_number: dict[str, Order | errors.XoxoError] = {}
        self.by_id: dict[int, Order | errors.XoxoError] = {}
        self.history: list[OrderSummary] = []
        self.history_ends: errors.XoxoError | None = None
        self.looked_at: list[float] = []
        self.days: list[tuple[date, date]] = []
        self.at_once = self.most_at_once = 0
        self.now = NOW
        self.progress = Progress()
        self.told: list[str] = []
        self.distrusted: list[tuple[int, str]] = []

    def distrust(self, order_id: int, po_number: str) -> None:
        self.distrusted.append((order_id, po_number))

    async def find(self, po_number: str) -> Order | None:
        if po_number == PROBE_PO_NUMBER:
            if self.probe is not None:
                raise self.probe
            return None
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
        if self.history_ends is not None:
            raise self.history_ends


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Return a vendor that has no order; waiting moves its clock and takes no time."""
    vendor, wait = Vendor(), anyio.move_on_after

    def pass_s(seconds: float) -> anyio.CancelScope:
        if vendor.progress.wait:
            vendor.told.append(vendor.progress.wait)
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
    stopped: anyio.Event | None = None,
    **rules: Any,
) -> Reconciler:
    """Return one that believes two absences, ten seconds apart, from 150 s after the send."""
    wall, settling = lambda: vendor.now, Rules(**{"spacing_s": 10.0, **rules})
    end = stopped or anyio.Event()
    looks = LookUps(vendor, progress=vendor.progress, stopped=end, pause_limit_s=60.0, wall=wall)  # type: ignore[arg-type]
    return Reconciler(
        ledger,
        Recorder(ledger, StopSignal()),
        LineLookUp(vendor, ledger, settling, vendor.progress, wall),  # type: ignore[arg-type]
        looks,
        settling,
        progress=vendor.progress,
        stopped=end,
        wall=wall,
    )


async def line_of(ledger: SqliteLedger) -> LedgerLine:
    (line,) = [line async for line in ledger.lines(with_codes=True)]
    return line


def order(*codes: str, **fields: Any) -> Order:
    vouchers = tuple(VoucherCode(product_id=1001, voucher_code_=Secret(code)) for code in codes)
    return Order(**{"order_id": 900, "vouchers": vouchers, "amount_charged": Decimal(95), **fields})


async def test_a_found_order_is_placed_at_once(vendor: Vendor, ledger: SqliteLedger) -> None:
    """That look is at once: it can only bring good news, codes and charge included."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = order("C-1")
    await reconciler(vendor, ledger).settle()
    found = await line_of(ledger)
    assert (found.state, found.order_id, found.amount_charged, found.held) == (LineState.PLACED, 900, 95, 1)
    assert vendor.progress.placed == 1
    assert vendor.looked_at == [0]


async def test_an_absence_counts_late_and_twice(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Not before the vendor has had its time, and spaced; then the line may be sent again, under the same poNumber."""
    (line,) = await sent(ledger)
    await reconciler(vendor, ledger).settle()
    free = await line_of(ledger)
    assert (free.state, free.po_number) == (LineState.PLANNED, line.po_number)
    assert vendor.looked_at == [0, 150, 160]
    assert vendor.told == [
        f"the next look-up is at {clock_time(NOW + at, NOW + since)}" for since, at in ((0, 150), (150, 160))
    ]


async def test_without_resending_the_history_decides(vendor: Vendor, ledger: SqliteLedger) -> None:
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
    """Another send will not mend what five did not."""
    (line,) = await sent(ledger)
    for _ in range(4):
        await reconciler(vendor, ledger).settle()
        (line,) = await ledger.claim(1)
        await ledger.record([Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)])
    await reconciler(vendor, ledger).settle()
    assert ((await line_of(ledger)).state, line.attempts) == (LineState.MANUAL, 5)


@pytest.mark.parametrize(
    ("error", "looks", "pause"),
    [
        (errors.ConnectError("refused"), [150, 152, 156, 164, 179, 194, 209, 210], Pause.UNREACHABLE),
        (errors.ServerError("502"), [150, 152, 156, 164, 179, 194, 209, 210], Pause.UNREACHABLE),
        (errors.CredentialsRejectedError("not you"), [150], Pause.CREDENTIALS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_unanswered_look_ups_end_the_settling(
    vendor: Vendor, ledger: SqliteLedger, error: errors.XoxoError, looks: list[int], pause: Pause
) -> None:
    """After the pause limit, ever farther apart; dead credentials at once. The line stays unknown."""
    (line,) = await sent(ledger)
    vendor.now += 150
    vendor.by_po_number[line.po_number] = vendor.probe = error
    settling = reconciler(vendor, ledger)
    await settling.settle()
    assert (settling.failure, vendor.looked_at) == (error, looks)
    assert (settling.pause, settling.reason) == (pause, f"look-ups fail: {error.message}")
    assert (await line_of(ledger)).state is LineState.UNKNOWN


async def test_an_outage_that_passes_is_waited_for(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The wait is told while it lasts, and no line is given up for it."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = vendor.probe = errors.ConnectError("refused")

    async def comes_back() -> None:
        if vendor.now >= NOW + 14:
            vendor.probe, vendor.by_po_number[line.po_number] = None, order("C-1")

    vendor.authorise = comes_back
    settling = reconciler(vendor, ledger)
    await settling.settle()
    assert ((await line_of(ledger)).state, settling.pause, vendor.looked_at) == (
        LineState.PLACED,
        Pause.NONE,
        [0, 2, 6, 14],
    )
    assert {wait.partition(",")[0] for wait in vendor.told} == {"waiting for look-ups to be answered"}
    assert all("at most (refused)" in wait for wait in vendor.told)
    assert vendor.progress.wait == ""


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnectError("refused"),
        errors.ServerError("500"),
        errors.DecodeError("a page of HTML"),
        errors.BadRequestError("not like this", error_id="PLE10002"),
        errors.ConfigError("this poNumber cannot be asked for"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_failing_line_holds_up_no_other(vendor: Vendor, ledger: SqliteLedger, error: errors.XoxoError) -> None:
    """The others are settled in their own time; its failures count once absence would, as far apart as look-ups."""
    first, second, third = await sent(ledger, 3)
    vendor.by_po_number = {first.po_number: error, second.po_number: order("C-1")}
    settling = reconciler(vendor, ledger)
    await settling.settle()
    lines = {line.key: line async for line in ledger.lines()}
    assert [lines[one.key].state for one in (first, second, third)] == [
        LineState.MANUAL,
        LineState.PLACED,
        LineState.PLANNED,
    ]
    assert lines[first.key].error == f"its look-ups fail: {error.message}"
    assert settling.pause is Pause.NONE
    assert vendor.now - NOW == 190  # 150, 160, … 190


async def test_a_probe_tells_one_line_from_an_outage(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The vendor answers for an order that nobody has, so the failure is this line's own."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = errors.ReplyTimeoutError("silence")
    await reconciler(vendor, ledger).settle()
    assert (await line_of(ledger)).state is LineState.MANUAL


async def test_a_failure_ends_with_the_first_answer(vendor: Vendor, ledger: SqliteLedger) -> None:
    """A look-up may fail for as long as the order is being placed."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = errors.ServerError("at work on it", error_id="PLE10035")

    async def done() -> None:
        if vendor.now >= NOW + 140:
            vendor.by_po_number[line.po_number] = order("C-1")

    vendor.authorise = done
    await reconciler(vendor, ledger).settle()
    assert ((await line_of(ledger)).state, vendor.looked_at) == (
        LineState.PLACED,
        [float(n) for n in range(0, 150, 10)],
    )


async def test_a_day_without_answers_needs_a_person(vendor: Vendor, ledger: SqliteLedger) -> None:
    """That is no outage any more, and without an end nobody could decide."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = vendor.probe = errors.ServerError("its own", error_id="PLE10020")
    await reconciler(vendor, ledger).settle()
    assert (await line_of(ledger)).state is LineState.UNKNOWN
    vendor.now = NOW + 25 * 3600
    await reconciler(vendor, ledger).settle()
    assert (await line_of(ledger)).state is LineState.MANUAL


async def test_each_line_waits_for_its_own_time(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The second look at an old line does not wait for the first that counts at a young one."""
    (old,) = await sent(ledger)
    vendor.now += 140
    await ledger.plan("march", each(planned(number, room=0) for number in range(2)))
    (young,) = await ledger.claim(1)
    await ledger.record([Change(seq=young.seq, epoch=young.epoch, evidence=Evidence.OUTCOME_LOST)])
    freed: list[float] = []
    states: dict[str, LineState] = {}

    async def note() -> None:
        states.update({line.key: line.state async for line in ledger.lines()})
        if states[old.key] is LineState.PLANNED and not freed:
            freed.append(vendor.now - NOW)

    vendor.authorise = note
    await reconciler(vendor, ledger).settle()
    assert freed == [290]  # seen at the next look-up, and it was free from 160 on
    looks = sorted(vendor.looked_at)
    assert looks == [140, 140, 150, 160, 290, 300]


@pytest.mark.parametrize("many", [1, 40])
async def test_an_hours_penalty_ends_the_settling_at_once(vendor: Vendor, ledger: SqliteLedger, many: int) -> None:
    """Its end is told; the lines stay unknown, and hardly any of them is asked for in vain."""
    for line in await sent(ledger, many):
        vendor.by_po_number[line.po_number] = errors.RateLimitedError("slow down", retry_after_s=3600)
    settling = reconciler(vendor, ledger)
    await settling.settle()
    assert settling.pause is Pause.RATE
    assert settling.reason.startswith("look-ups are held back by the vendor until ")
    assert len(vendor.looked_at) <= 8
    assert (await ledger.counts()).unknown == many


async def test_a_short_penalty_is_waited_for_and_shown(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Afterwards the line is settled."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = errors.RateLimitedError("slow down", retry_after_s=60)

    async def over() -> None:
        if vendor.now >= NOW + 60:
            vendor.by_po_number[line.po_number] = order("C-1")

    vendor.authorise = over
    settling = reconciler(vendor, ledger)
    await settling.settle()
    assert ((await line_of(ledger)).state, settling.pause, vendor.looked_at) == (LineState.PLACED, Pause.NONE, [0, 60])
    assert vendor.told == [f"held back by the vendor until {clock_time(NOW + 60, NOW)}"]
    assert vendor.progress.wait == ""


async def test_penalties_that_follow_each_other_count_together(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Each is short, and there is no answer between them."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = errors.RateLimitedError("slow down", retry_after_s=20)
    settling = reconciler(vendor, ledger)
    await settling.settle()
    assert (settling.pause, vendor.looked_at) == (Pause.RATE, [0, 20, 40, 60])


async def test_an_hour_without_token_ends_the_settling(vendor: Vendor, ledger: SqliteLedger) -> None:
    """A look-up that waits for it would say nothing for minutes: it is broken off."""
    await sent(ledger)
    waits = anyio.Event()

    async def find(_po_number: str) -> Order | None:
        waits.set()
        await anyio.sleep_forever()
        return None

    async def throttled() -> None:
        if waits.is_set():
            raise errors.RateLimitedError("slow down", retry_after_s=3600)

    vendor.find = find  # type: ignore[method-assign]
    vendor.authorise = throttled
    settling = reconciler(vendor, ledger)
    with anyio.fail_after(10):
        await settling.settle()
    assert (settling.pause, (await line_of(ledger)).state) == (Pause.RATE, LineState.UNKNOWN)


async def test_a_stop_ends_look_ups_under_way(vendor: Vendor, ledger: SqliteLedger) -> None:
    """They change nothing, and may take minutes; what others had found by then is written down."""
    slow, quick = await sent(ledger, 2)
    stopped = anyio.Event()

    async def find(po_number: str) -> Order | None:
        if po_number == slow.po_number:
            stopped.set()
            await anyio.sleep_forever()
        return order("C-1")

    vendor.find = find  # type: ignore[method-assign]
    with anyio.fail_after(10):
        await reconciler(vendor, ledger, stopped=stopped).settle()
    states = {line.key: line.state async for line in ledger.lines()}
    assert states[slow.key] is LineState.UNKNOWN
    assert states[quick.key] in {LineState.PLACED, LineState.UNKNOWN}


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
    """The look-ups have said absent; a history that ends nowhere or fails again and again adds nothing, and says so."""
    await sent(ledger)
    vendor.history_ends = ends
    settling = reconciler(vendor, ledger, resend="never")
    await settling.settle()
    line = await line_of(ledger)
    journal = [row.reason async for row in ledger.journal()]
    assert (line.state, settling.pause) == (LineState.MANUAL, Pause.NONE)
    assert told in journal[-1]


async def test_the_history_is_read_once_for_all_lines(vendor: Vendor, ledger: SqliteLedger) -> None:
    """A hundred lines in doubt would else read the same thousand pages each."""
    lines = await sent(ledger, 30)
    vendor.history = [OrderSummary(order_id=n, po_number=line.po_number) for n, line in enumerate(lines, 1)]
    for n, _ in enumerate(lines, 1):
        vendor.by_id[n] = order("C-1", order_id=n)
    await reconciler(vendor, ledger, resend="never").settle()
    assert (len(vendor.days), (await ledger.counts()).states) == (1, {LineState.PLACED: 30})


async def test_pending_lines_of_a_dead_server_wait(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Not each of them is tried in vain."""
    lines = await sent(ledger, 300)
    facts = [
        Change(seq=one.seq, epoch=one.epoch, evidence=Evidence.LATE_PROOF, order_id=one.seq, delivery=Delivery.PENDING)
        for one in lines
    ]
    await ledger.record(facts)
    vendor.by_id = {one.seq: errors.ConnectError("refused") for one in lines}
    vendor.probe = errors.ConnectError("refused")
    settling = reconciler(vendor, ledger)
    await settling.refresh_pending()
    assert len(vendor.looked_at) <= 32
    assert (await ledger.counts()).pending == 300


async def test_the_zone_is_asked_of_few_orders(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Where they cannot be read, a thousand more of them tell nothing either; the lines go to a person."""
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


async def test_at_most_eight_look_ups_are_under_way(vendor: Vendor, ledger: SqliteLedger) -> None:
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
