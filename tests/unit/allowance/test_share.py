"""`allowance.share`: four processes at one store, in a loop whose time is virtual."""

import asyncio
import itertools
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.unit.allowance.stores import AWAY, MemoryAllowance, run_virtually
from xoxo_async import RateLimits, errors
from xoxo_async.allowance.lane import Caller
from xoxo_async.allowance.protocol import Allowance, Grant
from xoxo_async.allowance.share import ASSUMED_MEMBERS, Share
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import AllowanceAway, AllowanceBack, Event
from xoxo_async.pacing import Pacer
from xoxo_async.sandbox.limits import Limiter

WINDOWS = ("fixed", "sliding", "bucket")


class Process:
    """What one process does: a share, and callers that count what they send."""

    def __init__(self, store: Allowance, vendor: "Vendor", number: int, per_minute: float) -> None:
        loop = asyncio.get_running_loop()
        self.pacer = Pacer(RateLimits(place_order=per_minute), clock=loop.time)
        self.share = Share(store, "acc", member=f"m{number}", penalties=self.pacer, clock=loop.time)
        self.interval = self.pacer.interval_s("placeOrder")
        self.lane = self.share.lane("placeOrder", self.interval)
        self.vendor = vendor
        self.sent: list[float] = []
        self.events: list[Event] = []
        self.share.hooks.append(self.events.append)
        self.tasks: list[asyncio.Task[None]] = []

    def use(self, callers: int = 40, latency_s: float = 0.02) -> None:
        self.tasks += [asyncio.create_task(self._web(latency_s)) for _ in range(callers)]

    def use_in_bulk(self) -> None:
        self.tasks.append(asyncio.create_task(self._bulk()))

    async def _web(self, latency_s: float) -> None:
        while True:
            await self.share.slot(self.lane, None)
            self._send()
            await asyncio.sleep(latency_s)

    async def _bulk(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(await self.share.slot(self.lane, None, early=True) - loop.time())
            self._send()

    def _send(self) -> None:
        self.sent.append(asyncio.get_running_loop().time())
        penalty_s = self.vendor.count("placeOrder")
        if penalty_s:
            self.pacer.penalise("placeOrder", penalty_s)
            self.share.hold("placeOrder", penalty_s)

    def die(self) -> None:
        for task in self.tasks:
            task.cancel()
        if self.lane.timer is not None:
            self.lane.timer.cancel()


class Vendor:
    """Count the calls of all processes, in three ways at once."""

    def __init__(self, per_minute: float, penalty_s: float = 60.0) -> None:
        clock = asyncio.get_running_loop().time
        self.limiters = [Limiter({"placeOrder": per_minute}, way, penalty_s, clock=clock) for way in WINDOWS]
        self.held_until = 0.0

    def count(self, operation: str) -> float | None:
        return max((limiter.refuse(operation) or 0.0 for limiter in self.limiters), default=0.0)

    @property
    def refused(self) -> list[int]:
        return [limiter.refused for limiter in self.limiters]


@asynccontextmanager
async def processes(
    count: int, per_minute: float, store: MemoryAllowance | None = None
) -> AsyncIterator[tuple[MemoryAllowance, Vendor, list[Process]]]:
    store = store or MemoryAllowance()
    seeded = random.Random(1)
    store.delay_s = lambda: seeded.uniform(0.0005, 0.004)
    vendor = Vendor(per_minute)
    found = [Process(store, vendor, number, per_minute) for number in range(count)]
    try:
        yield store, vendor, found
    finally:
        for process in found:
            process.die()
            await process.share.close()


def used(found: list[Process], per_minute: float, seconds: float) -> float:
    return sum(len(process.sent) for process in found) / (seconds * per_minute / 60)


@pytest.mark.parametrize("per_minute", [100, 600, 6000])
def test_four_processes_share_fairly(per_minute: float) -> None:
    """Three web processes and a bulk run use the whole allowance, are never refused, and have equal shares."""

    async def work() -> None:
        async with processes(4, per_minute) as (_, vendor, found):
            for process in found[:3]:
                process.use()
            found[3].use_in_bulk()
            await asyncio.sleep(120)
            assert used(found, per_minute, 120) >= 0.985
            assert vendor.refused == [0, 0, 0]
            shares = [len(process.sent) for process in found]
            assert max(shares) < 1.1 * min(shares)

    run_virtually(work)


def test_a_lone_caller_takes_one_slot() -> None:
    """A web process with a call now and then takes no slots that others could use."""

    async def work() -> None:
        async with processes(2, 600) as (store, _, (web, bulk)):
            bulk.use_in_bulk()
            for _ in range(20):
                await web.share.slot(web.lane, None)
                await asyncio.sleep(0.9)
            assert len(bulk.sent) >= 0.97 * (18 * 10 - 20)
            assert store.takes.count(("placeOrder", 1)) >= 20

    run_virtually(work)


def test_the_slots_of_a_dead_process_are_few() -> None:
    """A process that dies takes no more with it than one grant, and the others go on with all of the rest."""

    async def work() -> None:
        async with processes(4, 6000) as (_, vendor, found):
            for process in found:
                process.use()
            await asyncio.sleep(10)
            found[0].die()
            before = [len(process.sent) for process in found]
            await asyncio.sleep(10)
            after = sum(len(process.sent) for process in found) - sum(before)
            assert after >= 0.985 * 1000 - 25 * 2
            assert len(found[0].sent) == before[0]
            assert vendor.refused == [0, 0, 0]

    run_virtually(work)


def test_a_penalty_reaches_all_processes() -> None:
    """One process meets a penalty. None sends before its end, and after it none is refused."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(3, 600) as (store, vendor, found):
            for process in found:
                process.use(10)
            await asyncio.sleep(2)
            began = loop.time()
            found[0].pacer.penalise("placeOrder", 30)
            found[0].share.hold("placeOrder", 30)
            await asyncio.sleep(40)
            sent = sorted(at for process in found for at in process.sent)
            # Until they ask again, the others do not know: a quarter of a second.
            assert not [at for at in sent if began + 0.3 < at < began + 30]
            assert len([at for at in sent if began + 30 <= at <= began + 40]) >= 96
            assert vendor.refused == [0, 0, 0]
            assert len(store.holds) == 1

    run_virtually(work)


def test_a_distant_slot_is_checked_before_use() -> None:
    """A slot was granted seconds ago, and another process has met a penalty since: the call is not sent."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(2, 20) as (store, _, (one, two)):
            await one.share.slot(one.lane, None)
            waiting = asyncio.create_task(one.share.slot(one.lane, None))
            early = await two.share.slot(two.lane, None, early=True)
            assert early > loop.time() + 4
            await store.hold("acc", "placeOrder", 30)
            held_until = loop.time() + 30
            await asyncio.sleep(early - loop.time())
            assert two.pacer.is_blocked("placeOrder")
            await waiting
            assert loop.time() >= held_until - 0.1

    run_virtually(work)


def test_a_cancelled_callers_slot_is_the_nexts() -> None:
    """Of two callers the first gives up; the second one gets its slot, and none is lost."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(1, 60) as (store, _, (one,)):
            start = loop.time()
            await one.share.slot(one.lane, None)
            first = asyncio.create_task(one.share.slot(one.lane, None))
            second = asyncio.create_task(one.share.slot(one.lane, None))
            await asyncio.sleep(0.5)
            first.cancel()
            await second
            assert loop.time() - start == pytest.approx(1.01, abs=0.02)
            assert sum(count for _, count in store.takes) == 2

    run_virtually(work)


def test_a_slot_in_hand_is_given_back() -> None:
    """The cancellation comes in the moment between the grant and the caller's next step."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(1, 60) as (_, _, (one,)):
            await one.share.slot(one.lane, None)
            slots: list[float] = []

            async def call() -> None:
                slots.append(await one.share.slot(one.lane, None))

            enter, start = one.lane.enter, loop.time()

            def enter_and_cancel(caller: Caller) -> None:
                # Registered before the caller waits, so it runs before the caller does.
                caller.answer.add_done_callback(lambda _: first.cancel())
                one.lane.enter = enter  # type: ignore[method-assign]
                enter(caller)

            one.lane.enter = enter_and_cancel  # type: ignore[method-assign]
            first, second = asyncio.create_task(call()), asyncio.create_task(call())
            await asyncio.gather(first, second, return_exceptions=True)
            assert first.cancelled()
            assert len(slots) == 1
            assert loop.time() - start == pytest.approx(1.01, abs=0.02)

    run_virtually(work)


def test_too_late_a_slot_is_not_taken() -> None:
    """Calls whose slots come after their deadlines fail as soon as that is known, and take nothing from the others."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(2, 60) as (store, _, (one, two)):
            await store.hold("acc", "placeOrder", 20)
            start = loop.time()
            for _ in range(50):
                with pytest.raises(errors.RateLimitedError) as caught:
                    await one.share.slot(one.lane, start + 5)
            assert loop.time() - start < 0.2
            assert caught.value.retry_after_s == pytest.approx(20, abs=0.3)
            await two.share.slot(two.lane, start + 25)
            assert loop.time() - start == pytest.approx(20, abs=0.1)

    run_virtually(work)


def test_only_those_with_a_late_slot_are_refused() -> None:
    """Ten callers with five seconds at one slot a second: as many are served as fit, the others fail at once."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(1, 60) as (_, _, (one,)):
            start = loop.time()
            ends: list[tuple[str, float]] = []

            async def call() -> None:
                try:
                    await one.share.slot(one.lane, start + 5.1)
                    ends.append(("sent", loop.time() - start))
                except errors.RateLimitedError:
                    ends.append(("refused", loop.time() - start))

            await asyncio.gather(*(call() for _ in range(10)))
            refused = [at for end, at in ends if end == "refused"]
            assert len(refused) == 4
            assert max(refused) < 0.1

    run_virtually(work)


def outage(per_minute: float, seconds: float, hit: Callable[[MemoryAllowance], None]) -> None:
    """Have the store fail for a while, and compare with the allowance."""

    async def work() -> None:
        async with processes(4, per_minute) as (store, vendor, found):
            for process in found:
                process.use()
            await asyncio.sleep(30)
            hit(store)
            await asyncio.sleep(2)
            before = sum(len(process.sent) for process in found)
            await asyncio.sleep(seconds)
            alone = sum(len(process.sent) for process in found) - before
            store.failure, store.wrong = None, None
            seeded = random.Random(2)
            store.delay_s = lambda: seeded.uniform(0.0005, 0.004)
            await asyncio.sleep(70)
            assert alone / (seconds * per_minute / 60) >= 0.96
            assert vendor.refused == [0, 0, 0]
            assert used(found, per_minute, 102 + seconds) >= 0.96
            for process in found:
                assert [type(event) for event in process.events] == [AllowanceAway, AllowanceBack]
                away = process.events[0]
                assert isinstance(away, AllowanceAway)
                assert away.members == 4
                shares = len(process.sent) / sum(len(other.sent) for other in found)
                assert shares == pytest.approx(0.25, rel=0.1)

    run_virtually(work)


def fails(store: MemoryAllowance) -> None:
    store.failure = AWAY


def hangs(store: MemoryAllowance) -> None:
    store.delay_s = lambda: 1000.0


def is_slow(store: MemoryAllowance) -> None:
    store.delay_s = lambda: 0.6


def lies(store: MemoryAllowance) -> None:
    store.wrong = Grant(first_s=-5.0, count=1000, held_s=0.0)


def breaks(store: MemoryAllowance) -> None:
    store.failure = KeyError("a bug in a store")


@pytest.mark.parametrize("hit", [fails, lies])
@pytest.mark.parametrize("per_minute", [600, 6000])
def test_an_outage_leaves_each_its_part(per_minute: float, hit: Callable[[MemoryAllowance], None]) -> None:
    """The store fails: each process says so once, uses its part of the rate, and comes back without a burst."""
    outage(per_minute, 60, hit)


@pytest.mark.parametrize("hit", [hangs, is_slow, breaks])
def test_no_answer_is_an_outage_too(hit: Callable[[MemoryAllowance], None], caplog: pytest.LogCaptureFixture) -> None:
    """A store that hangs, or raises what it should not, is as one that is down. Each logs a bug's trace once."""
    outage(600, 60, hit)
    traces = [record.getMessage() for record in caplog.records if record.exc_info]
    assert traces == ["the allowance MemoryAllowance('memory') failed"] * (4 if hit is breaks else 0)


def test_a_bug_after_silence_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The first failure of an outage may be another one; the bug is logged, and again in the next outage."""

    async def work() -> None:
        async with processes(1, 600) as (store, _, (one,)):
            for _ in range(2):
                one.use()
                await asyncio.sleep(5)
                before, store.failure = store.failure, AWAY
                await asyncio.sleep(5)
                store.failure = KeyError("a bug in a store")
                await asyncio.sleep(5)
                store.failure = before
                await asyncio.sleep(5)

    run_virtually(work)
    assert len([record for record in caplog.records if record.exc_info]) == 2


def test_a_store_that_was_never_reached(caplog: pytest.LogCaptureFixture) -> None:
    """A process that starts without its store takes a tenth of the rate, and says that it had to guess."""

    async def work() -> None:
        async with processes(1, 600) as (store, vendor, (one,)):
            store.failure = AWAY
            one.use()
            await asyncio.sleep(60)
            assert len(one.sent) == pytest.approx(600 / ASSUMED_MEMBERS, abs=2)
            assert vendor.refused == [0, 0, 0]

    with caplog.at_level(logging.WARNING, "xoxo_async"):
        run_virtually(work)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "MemoryAllowance('memory') is away (it is down)" in said[0]
    assert "nobody knows how many" in said[0]


def test_a_wrong_setting_is_raised_to_callers() -> None:
    """A store that a person has to put right raises its error to each caller, and sends nobody on alone."""

    async def work() -> None:
        async with processes(1, 600) as (store, _, (one,)):
            store.failure = ConfigError("the table is missing")
            for _ in range(2):
                with pytest.raises(ConfigError, match="the table is missing"):
                    await one.share.slot(one.lane, None)
            with pytest.raises(ConfigError, match="the table is missing"):
                await one.share.learn(one.share.lane("token", 0.0))
            assert not one.share.away
            store.failure = None
            await one.share.slot(one.lane, None)
            store.failure = ConfigError("the table is gone")
            await asyncio.gather(*(one.share.slot(one.lane, None) for _ in range(3)))
            assert one.share.away

    run_virtually(work)


def test_one_failure_is_asked_again() -> None:
    """A connection that breaks once does not send the process on alone."""

    async def work() -> None:
        async with processes(1, 600) as (store, _, (one,)):
            await one.share.slot(one.lane, None)
            store.failure = AWAY
            asyncio.get_running_loop().call_later(0.003, setattr, store, "failure", None)
            store.delay_s = lambda: 0.003
            await one.share.slot(one.lane, None)
            assert not one.share.away
            assert one.events == []

    run_virtually(work)


def test_a_penalty_is_passed_on_after_an_outage() -> None:
    """A process meets a penalty while the store is away: the others learn of it when the store is back."""

    async def work() -> None:
        async with processes(2, 600) as (store, _, (one, two)):
            for process in (one, two):
                await process.share.slot(process.lane, None)
            store.failure = AWAY
            await asyncio.gather(*(process.share.slot(process.lane, None) for process in (one, two) for _ in range(2)))
            one.pacer.penalise("placeOrder", 60)
            one.share.hold("placeOrder", 60)
            await asyncio.sleep(5)
            assert not two.pacer.is_blocked("placeOrder")
            store.failure = None
            await asyncio.sleep(1)
            await two.share.learn(two.lane)
            assert two.pacer.blocked_s("placeOrder") == pytest.approx(54, abs=0.5)
            assert len(store.holds) == 1

    run_virtually(work)


def test_closing_passes_a_penalty_on() -> None:
    """A process ends right after it met a penalty: the others still learn of it."""

    async def work() -> None:
        async with processes(1, 600) as (store, _, (one,)):
            await one.share.slot(one.lane, None)
            one.share.hold("placeOrder", 60)
            await one.share.close()
            assert store.holds == [("placeOrder", pytest.approx(60, abs=0.1))]
            assert store.closed == 1

    run_virtually(work)


def test_a_slow_first_answer_tells_of_a_penalty() -> None:
    """The first answer opens the connection and takes long: its slots are not used, but its penalty holds."""

    async def work() -> None:
        async with processes(1, 60) as (store, _, (one,)):
            await store.hold("acc", "token", 60)
            store.delay_s = lambda: 0.6
            await one.share.learn(one.share.lane("token", 0.0))
            assert one.pacer.blocked_s("token") == pytest.approx(60, abs=1)
            assert not one.share.away

    run_virtually(work)


def test_a_penalty_before_the_first_slot_finds_the_store_again() -> None:
    """A process meets a penalty before it has taken a slot, while the store is away: it still comes back."""

    async def work() -> None:
        store = MemoryAllowance()
        pacer = Pacer(RateLimits(), clock=asyncio.get_running_loop().time)
        share = Share(store, "acc", member="a", penalties=pacer, clock=asyncio.get_running_loop().time)
        store.failure = AWAY
        share.hold("placeOrder", 30)
        await asyncio.sleep(1)
        assert share.away
        store.failure = None
        await asyncio.sleep(2)
        assert not share.away
        assert [(name, round(seconds)) for name, seconds in store.holds] == [("placeOrder", 29)]
        await share.close()

    run_virtually(work)


def test_one_penalty_is_told_once() -> None:
    """Sixty-four calls in flight meet one penalty; the store is told once, and a longer one is told too."""

    async def work() -> None:
        async with processes(1, 600) as (store, _, (one,)):
            for _ in range(64):
                one.share.hold("placeOrder", 60)
                await asyncio.sleep(0.001)
            one.share.hold("placeOrder", 90)
            await asyncio.sleep(1)
            assert [round(seconds) for _, seconds in store.holds] == [60, 90]

    run_virtually(work)


def test_an_answer_read_too_late_is_dropped() -> None:
    """A process is stopped while it asks. When it wakes up, the slots that it was given have passed."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with processes(1, 6000) as (store, _, (one,)):
            await one.share.slot(one.lane, None)
            ends = iter([12.0])
            store.delay_s = lambda: 0.002
            take = store.take

            async def stopped(*arguments: str, **named: float) -> Grant:
                grant = await take(*arguments, **named)  # type: ignore[arg-type]
                loop.now += next(ends, 0.0)  # type: ignore[attr-defined]
                return grant

            store.take = stopped  # type: ignore[assignment, method-assign]
            woke = loop.time() + 12
            slots = await asyncio.gather(*(one.share.slot(one.lane, None) for _ in range(25)))
            assert min(slots) >= woke
            assert not one.share.away
            gaps = [later - earlier for earlier, later in itertools.pairwise(slots)]
            assert min(gaps) > 0.009

    run_virtually(work)
