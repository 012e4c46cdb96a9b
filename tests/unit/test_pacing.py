"""`pacing`: when each caller may send."""

import gc
import heapq
import itertools
import multiprocessing
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from xoxo_async import ClientCredentials, RateLimits, RefreshToken, StaticToken, errors, pacing
from xoxo_async.kept import Kept
from xoxo_async.pacing import Pacer


def paced(clock: list[float], **limits: float) -> Pacer:
    return Pacer(RateLimits(**limits), clock=lambda: clock[0])


def test_slots_are_one_interval_apart() -> None:
    """At 60 a minute the k-th caller waits k seconds and one percent of headroom, so there is no burst."""
    pacer = paced([0.0], place_order=60)
    assert [pacer.reserve("placeOrder") for _ in range(4)] == pytest.approx([0, 1.01, 2.02, 3.03])


def test_idle_time_is_not_saved_up() -> None:
    """After a pause one slot is free at once, and not many."""
    clock = [0.0]
    pacer = paced(clock, place_order=60)
    pacer.reserve("placeOrder")
    clock[0] = 100.0
    assert [pacer.reserve("placeOrder") for _ in range(2)] == pytest.approx([0, 0.76])


@pytest.mark.parametrize("late", [0.0, 0.01, 0.1, 0.24])
@pytest.mark.parametrize("per_minute", [60, 600, 6000])
def test_late_callers_never_overfill_a_window(per_minute: int, late: float) -> None:
    """Callers that are a little late still get the whole allowance, and no 60 s hold more than the limit."""
    clock = [0.0]
    pacer = paced(clock, place_order=per_minute)
    sent: list[float] = []
    while clock[0] < 200:
        clock[0] += pacer.reserve("placeOrder")
        sent.append(clock[0])
        clock[0] += late if len(sent) % 70 == 0 else 0.0
    assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[per_minute:], strict=False))
    assert len(sent) >= 0.97 * per_minute * 200 / 60


def test_operations_do_not_share_an_allowance() -> None:
    """Each operation has its own slots, although all of them share one URL."""
    pacer = paced([0.0], place_order=60, balance=60)
    pacer.reserve("placeOrder")
    assert pacer.reserve("getBalance") == 0
    assert [pacer.reserve("sendBalance") for _ in range(3)] == [0, 0, 0]


def test_a_slot_past_the_deadline_is_refused() -> None:
    """The error says how long the wait would be, and the slot stays free for the next caller."""
    pacer = paced([0.0], place_order=60)
    pacer.reserve("placeOrder")
    with pytest.raises(errors.RateLimitedError) as caught:
        pacer.reserve("placeOrder", deadline=0.5)
    assert caught.value.retry_after_s == pytest.approx(1.01)
    assert pacer.reserve("placeOrder") == pytest.approx(1.01)


@pytest.mark.parametrize("limits", [{"place_order": 60.0}, {"place_order": None}])
def test_a_penalty_holds_everybody_of_that_operation(limits: dict[str, float]) -> None:
    """No slot of that operation comes before the penalty's end, also without a limit; other operations go on."""
    clock = [0.0]
    pacer = paced(clock, **limits)
    pacer.penalise("placeOrder", 30)
    pacer.penalise("placeOrder", 5)
    assert pacer.reserve("placeOrder") == 30
    assert pacer.reserve("getFilters") == 0
    clock[0] = 40.0
    assert pacer.reserve("placeOrder") == 0


class Time:
    """A clock, and a sleep that ends when the test moves the clock; sleepers wake in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.stalled = False
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._count = itertools.count()
        monkeypatch.setattr(pacing, "asyncio", SimpleNamespace(sleep=self.sleep))

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._count), woken))
        await woken.wait()

    async def pass_to(self, end: float) -> None:
        """Move the clock on, and wake each sleeper at its time."""
        await settled()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self.now = max(self.now, at)
            woken.set()
            await settled()
        self.now = end

    async def stall(self, seconds: float) -> None:
        """Move the clock on while no task runs; then wake every sleeper whose time has come."""
        await settled()
        self.now += seconds
        await self.pass_to(self.now)


async def settled() -> None:
    """Run every task until it waits."""
    for _ in range(8):
        await anyio.lowlevel.checkpoint()


class Callers:
    """Tasks that wait for slots of placeOrder, and the times at which they got them."""

    def __init__(self, pacer: Pacer, time: Time, group: TaskGroup) -> None:
        self.pacer, self.time, self.group = pacer, time, group
        self.went: list[tuple[str, float]] = []
        self.refused: list[str] = []
        self.scopes: dict[str, anyio.CancelScope] = {}

    async def ask(self, *names: str, deadline: float | None = None) -> None:
        for name in names:
            self.group.start_soon(self._ask, name, deadline)
            await settled()

    async def _ask(self, name: str, deadline: float | None) -> None:
        with anyio.CancelScope() as self.scopes[name]:
            try:
                await self.pacer.slot("placeOrder", deadline)
            except errors.RateLimitedError:
                self.refused.append(name)
            else:
                self.went.append((name, self.time.now - 1000.0))

    @property
    def order(self) -> str:
        return "".join(name for name, _ in self.went)

    @property
    def times(self) -> list[float]:
        return [at for _, at in self.went]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
async def callers(time: Time) -> AsyncIterator[Callers]:
    """Callers at 60 a minute: one every 1.01 s."""
    async with anyio.create_task_group() as group:
        yield Callers(Pacer(RateLimits(place_order=60), clock=time), time, group)
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_waiters_go_in_order_one_interval_apart(time: Time, callers: Callers) -> None:
    """Callers get their slots in the order in which they asked."""
    await callers.ask(*"abcd")
    await time.pass_to(1010.0)
    assert callers.order == "abcd"
    assert callers.times == pytest.approx([0, 1.01, 2.02, 3.03])


@pytest.mark.anyio
async def test_a_penalty_moves_waiters_in_order(time: Time, callers: Callers) -> None:
    """Waiting callers go after the penalty in their old order, one interval apart, and newcomers go last."""
    await callers.ask(*"abcdefgh")
    await time.pass_to(1002.5)
    callers.pacer.penalise("placeOrder", 3)
    await callers.ask("n")
    await time.pass_to(1005.4)
    assert callers.order == "abc"
    await time.pass_to(1030.0)
    assert callers.order == "abcdefghn"
    assert callers.times[3:] == pytest.approx([6.03 + 1.01 * n for n in range(6)])


@pytest.mark.anyio
async def test_overlapping_penalties_do_not_add_up(time: Time, callers: Callers) -> None:
    """Every refused call in flight names the same end, so the latest end counts once."""
    await callers.ask(*"abcd")
    await time.pass_to(1000.5)
    for seconds in (5, 1, 5, 6):
        callers.pacer.penalise("placeOrder", seconds)
    await time.pass_to(1030.0)
    assert callers.times == pytest.approx([0, 7.01, 8.02, 9.03])


@pytest.mark.anyio
async def test_an_unattended_penalty_causes_no_burst(time: Time, callers: Callers) -> None:
    """The time before and during a penalty is not made up for."""
    await callers.ask("a")
    await time.pass_to(1100.0)
    callers.pacer.penalise("placeOrder", 30)
    await time.pass_to(1110.0)
    await callers.ask(*"bcd")
    await time.pass_to(1150.0)
    assert callers.times == pytest.approx([0, 130, 131.01, 132.02])


@pytest.mark.anyio
async def test_a_late_waiter_waits_for_the_penalty(time: Time, callers: Callers) -> None:
    """A caller whose slot came before the penalty, and who has not sent yet, waits as well."""
    await callers.ask(*"abc")
    time.now += 1.2
    callers.pacer.penalise("placeOrder", 3)
    await time.pass_to(1020.0)
    assert callers.times == pytest.approx([0, 4.2, 5.02])


@pytest.mark.anyio
async def test_a_penalty_past_the_deadline_frees_the_slot(time: Time, callers: Callers) -> None:
    """The waiting caller gets `RateLimitedError`, and the next caller gets its slot."""
    await callers.ask("a", "b")
    await callers.ask("c", deadline=1003.0)
    await callers.ask("d")
    await time.pass_to(1000.5)
    callers.pacer.penalise("placeOrder", 2)
    await time.pass_to(1003.0)
    assert (callers.order, callers.refused) == ("a", ["c"])
    await callers.ask("e")
    await time.pass_to(1010.0)
    assert callers.order == "abed"
    assert callers.times == pytest.approx([0, 3.01, 4.02, 5.03])


@pytest.mark.anyio
async def test_a_cancelled_waiter_gives_its_slot_back(time: Time, callers: Callers) -> None:
    """The slot of a cancelled caller goes to the next one, so the allowance is not lost."""
    await callers.ask(*"abcd")
    callers.scopes["b"].cancel()
    await settled()
    await callers.ask("e")
    await time.pass_to(1010.0)
    assert callers.order == "aecd"
    assert callers.times == pytest.approx([0, 1.01, 2.02, 3.03])


@pytest.mark.anyio
async def test_a_slot_given_back_too_late_is_lost(time: Time, callers: Callers) -> None:
    """A slot that nobody took in time adds nothing to later slots."""
    await callers.ask(*"abcd")
    for name in "bcd":
        callers.scopes[name].cancel()
    await time.pass_to(1020.0)
    assert [callers.pacer.reserve("placeOrder") for _ in range(3)] == pytest.approx([0, 0.76, 1.77])


@pytest.mark.anyio
@pytest.mark.parametrize("per_minute", [600, 6000])
async def test_a_stalled_loop_causes_no_burst(time: Time, per_minute: int) -> None:
    """After a stall of three seconds a quarter of a second is made up for, and the other callers stay spaced."""
    interval = 60.6 / per_minute
    async with anyio.create_task_group() as group:
        callers = Callers(Pacer(RateLimits(place_order=per_minute), clock=time), time, group)
        waiting = round(5 / interval)
        await callers.ask(*(str(n) for n in range(waiting)))
        await time.pass_to(1000.5)
        await time.stall(3.0)
        await time.pass_to(1020.0)
    assert len(callers.went) == waiting
    crowd = sum(1 for at in callers.times if 3.4 < at < 3.6)
    assert crowd <= (0.25 + 0.1) / interval + 1
    late = [at for at in callers.times if at > 3.6]
    assert all(b - a == pytest.approx(interval) for a, b in itertools.pairwise(late))
    assert callers.order == "".join(str(n) for n in range(waiting))


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(12))
async def test_no_minute_holds_more_than_the_limit(time: Time, seed: int) -> None:
    """Crowds, pauses, cancellations, stalls and penalties come in any order; nothing is sent within a penalty."""
    chance = random.Random(seed)
    held = [(0.0, 0.0)]
    async with anyio.create_task_group() as group:
        callers = Callers(Pacer(RateLimits(place_order=120), clock=time), time, group)
        for step in range(120):
            match chance.randrange(6):
                case 0 | 1:
                    await callers.ask(*(f"{step}.{n}" for n in range(chance.randrange(12))))
                case 2:
                    await time.pass_to(time.now + chance.choice([0.01, 0.3, 3, 30]))
                case 3:
                    await time.stall(chance.choice([0.1, 0.3, 5]))
                case 4 if callers.scopes:
                    callers.scopes[chance.choice(list(callers.scopes))].cancel()
                case _:
                    seconds = chance.choice([0.2, 2, 20])
                    callers.pacer.penalise("placeOrder", seconds)
                    held.append((time.now - 1000, time.now - 1000 + seconds))
        await time.pass_to(time.now + 600)
    times = callers.times
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[120:], strict=False))
    assert not [at for at in times for begin, end in held if begin < at < end - 1e-9]


# One account, many clients.


class Own:
    """A token provider that does not name its account."""


def shared(provider: object, base_url: str = "https://a/chef", **limits: float) -> Pacer:
    return Pacer.shared(base_url, provider, RateLimits(**limits))


def test_clients_of_one_account_share_a_pacer() -> None:
    """Equal client id, static token or provider object at one address means one pacer."""
    one = shared(ClientCredentials("id", "secret"))
    assert shared(ClientCredentials("id", "other")) is one
    assert shared(RefreshToken("id", "secret", "refresh", family="company")) is one
    assert shared(ClientCredentials("id2", "secret")) is not one
    assert shared(ClientCredentials("id", "secret"), "https://b/chef") is not one
    fixed = shared(StaticToken("token"))
    assert shared(StaticToken("token")) is fixed
    assert shared(StaticToken("other")) is not fixed
    own = Own()
    mine = shared(own)
    assert shared(own) is mine
    assert shared(Own()) is not mine


def test_an_account_name_holds_no_secret() -> None:
    """The name of an account is a hash."""
    providers = ClientCredentials("c-id", "c-secret"), RefreshToken("c-id", "c-secret", "r-token"), StaticToken("token")
    assert not [p for p in providers for word in ("c-id", "c-secret", "r-token", "token") if word in p.account]


def test_other_limits_share_only_the_penalties() -> None:
    """Clients with other limits have slots of their own; a penalty of the account holds for all, before and after."""
    one, two = shared(StaticToken("t"), place_order=60), shared(StaticToken("t"), place_order=40)
    assert one is not two
    assert [one.reserve("placeOrder"), two.reserve("placeOrder")] == [0, 0]
    two.penalise("placeOrder", 30)
    three = shared(StaticToken("t"), place_order=20)
    assert [round(p.reserve("placeOrder")) for p in (one, two, three, three)] == [31, 32, 30, 33]
    assert all(p.is_blocked("placeOrder") and not p.is_blocked("getBalance") for p in (one, two, three))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of all shared pacers, which start without any account."""
    now = [1000.0]
    monkeypatch.setattr(pacing, "_ACCOUNTS", Kept(pacing._Account, lambda: now[0]))
    return now


def test_a_new_client_continues_the_allowance(clock: list[float]) -> None:
    """Ten short-lived clients share one allowance: each gets the slot after the last one taken."""
    waits = [shared(StaticToken("t"), place_order=60).reserve("placeOrder") for _ in range(10)]
    assert waits == pytest.approx([1.01 * n for n in range(10)])


def test_a_penalty_outlives_the_client_that_met_it(clock: list[float]) -> None:
    """The next client of the account, with any limits, waits until the penalty is over."""
    shared(StaticToken("t"), place_order=60).penalise("placeOrder", 60)
    clock[0] += 20
    assert shared(StaticToken("t"), place_order=60).reserve("placeOrder") == 40
    assert shared(StaticToken("t"), place_order=30).reserve("placeOrder") == 40
    assert shared(StaticToken("other"), place_order=60).reserve("placeOrder") == 0


def test_an_allowance_is_dropped_once_over(clock: list[float]) -> None:
    """After the last interval and penalty, the process keeps nothing of an account without a client."""
    for name, seconds in (("a", 0), ("b", 30)):
        pacer = shared(StaticToken(name), place_order=60)
        pacer.reserve("placeOrder")
        pacer.penalise("getBalance", seconds)
        del pacer
    gc.collect()
    left = []
    for at in (0, 1, 2, 29, 30):
        clock[0] = 1000.0 + at
        left.append(len(pacing._ACCOUNTS))
    assert left == [2, 2, 1, 1, 0]


def test_an_account_stays_with_its_client(clock: list[float]) -> None:
    """A second client finds the account of an idle one, and both share one allowance."""
    one = shared(StaticToken("t"), place_order=60)
    clock[0] += 1_000_000
    assert shared(StaticToken("t"), place_order=60) is one


def test_limits_that_nobody_has_any_more_are_forgotten(clock: list[float]) -> None:
    """A process that gives each client other limits does not grow while one client stays."""
    stays = shared(StaticToken("t"), place_order=1)
    for n in range(2, 50):
        shared(StaticToken("t"), place_order=n).reserve("placeOrder")
        clock[0] += 100
    assert len(stays._account.lanes) <= 3


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 on, in a process with threads
@pytest.mark.parametrize("held", ["account", "registry", "both"])
def test_a_forked_process_finds_no_lock_held(held: str) -> None:
    """Where the parent holds a lock at the fork, the child still gets a slot."""
    pacer = shared(StaticToken("t"), place_order=60)
    locks = {"account": [pacer._account.lock], "registry": [pacing._ACCOUNTS.lock]}
    for lock in locks.get(held, [*locks["account"], *locks["registry"]]):
        lock.acquire()
    try:
        child = multiprocessing.get_context("fork").Process(target=_take_a_slot, daemon=True)
        child.start()
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
        for lock in locks.get(held, [*locks["account"], *locks["registry"]]):
            lock.release()


def _take_a_slot() -> None:
    assert shared(StaticToken("t"), place_order=60).reserve("placeOrder") == 0
    assert shared(StaticToken("new"), place_order=60).reserve("placeOrder") == 0


def test_threads_share_a_pacer_without_sharing_a_slot() -> None:
    """Clients of several event loops, in several threads, get each slot once."""
    pacer = paced([0.0], place_order=60)
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: pacer.reserve("placeOrder"), range(4000)))
    assert sorted(waits) == pytest.approx([1.01 * n for n in range(4000)])


@pytest.mark.anyio
async def test_the_part_that_only_shared_pacers_need() -> None:
    """A process that does not share knows its slots and penalties, and asks nobody."""
    pacer = paced([0.0], place_order=60)
    assert pacer.knows_next("placeOrder")
    assert [await pacer.next_slot("placeOrder") for _ in range(2)] == pytest.approx([0, 1.01])
    await pacer.learn("placeOrder")
    pacer.keep_distance("placeOrder", 1.0)
    assert pacer.blocked_s("placeOrder") == 1.0
