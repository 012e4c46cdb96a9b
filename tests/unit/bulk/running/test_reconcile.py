"""`reconcile`: what is unknown is looked up until it is placed, free to send again, or a person's; nothing is sent."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.running.vendors import NOW, PENDING, Vendor, line_of, order, passing, reconciler, sent
from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.progress import clock_time
from xoxo_async.services.orders import Order

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


async def test_a_found_order_is_placed_at_once(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The first look-up is made at once; it can only find the order, with codes and charge."""
    (line,) = await sent(ledger)
    vendor.by_po_number[line.po_number] = order("C-1")
    await reconciler(vendor, ledger).settle()
    found = await line_of(ledger)
    assert (found.state, found.order_id, found.amount_charged, found.held) == (LineState.PLACED, 900, 95, 1)
    assert vendor.progress.placed == 1
    assert vendor.looked_at == [0]


async def test_an_absence_counts_late_and_twice(vendor: Vendor, ledger: SqliteLedger) -> None:
    """After two spaced look-ups past the settling time the line may be sent again, under the same poNumber."""
    (line,) = await sent(ledger)
    await reconciler(vendor, ledger).settle()
    free = await line_of(ledger)
    assert (free.state, free.po_number) == (LineState.PLANNED, line.po_number)
    assert vendor.looked_at == [0, 150, 160]
    assert vendor.told == [
        f"the next look-up is at {clock_time(NOW + at, NOW + since)}" for since, at in ((0, 150), (150, 160))
    ]


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
    """The wait is shown while it lasts, and no line is given up."""
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
    """The vendor answers the probe, so the failure is this line's own."""
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
    """After a day it counts as the line's own failure, so that a person can decide."""
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
    """The report names its end; the lines stay unknown, and few look-ups are wasted."""
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
    """A look-up that waits for the token is cancelled."""
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
    """They may take minutes and change nothing; the results of the others are recorded."""
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


async def test_pending_lines_of_a_dead_server_wait(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Only some of them are tried."""
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


async def test_late_codes_are_collected_by_one_look(vendor: Vendor, ledger: SqliteLedger) -> None:
    """A line that waits for its codes is looked up by its order id; a line with its codes is not."""
    await sent(ledger, **PENDING)
    vendor.by_id[900] = order("C-1")
    settling = reconciler(vendor, ledger)
    await settling.refresh_pending()
    line = await line_of(ledger)
    assert (line.delivery, line.held) == (Delivery.DELIVERED, 1)
    await settling.refresh_pending()
    assert len(vendor.looked_at) == 1
