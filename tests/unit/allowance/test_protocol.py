"""`allowance.protocol`: what every store must do, tried with a file, PostgreSQL and Redis."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.redis_server import RedisServer
from xoxo_async.allowance import Allowance, FileAllowance, Grant, PostgresAllowance, RedisAllowance
from xoxo_async.allowance.protocol import LATE_S

pytestmark = pytest.mark.anyio

MakeStore = Callable[[], Allowance]


@pytest.fixture(params=["file", "postgres", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Give a function that opens one store. Not async: servers start outside the loop."""
    match request.param:
        case "file":
            return lambda: FileAllowance(tmp_path / "allowance")
        case "postgres":
            dsn: str = request.getfixturevalue("database")
            return lambda: PostgresAllowance(dsn)
        case _:
            server: RedisServer = request.getfixturevalue("redis_server")
            return lambda: RedisAllowance(server.url)


@pytest.fixture
async def make(place: MakeStore) -> AsyncIterator[MakeStore]:
    """Give a function that opens the same store each time it is called, as another process would; close all."""
    made: list[Allowance] = []

    def store() -> Allowance:
        made.append(place())
        return made[-1]

    yield store
    for one in made:
        close = getattr(one, "aclose", None)
        if close is not None:
            await close()


@pytest.fixture
def account() -> str:
    """Give an account of this test's own: the Redis server is shared."""
    return uuid4().hex


async def take(
    store: Allowance,
    account: str,
    count: int = 1,
    *,
    interval_s: float = 1.0,
    within_s: float = math.inf,
    who: str = "a",
) -> Grant:
    return await store.take(account, "placeOrder", member=who, interval_s=interval_s, count=count, within_s=within_s)


async def test_slots_follow_each_other(make: MakeStore, account: str) -> None:
    """Two processes that ask in turn get slots one interval apart."""
    one, two = make(), make()
    asked = [(one, 1), (two, 1), (one, 3), (two, 1)]
    grants = [await take(store, account, count, interval_s=100.0) for store, count in asked]
    assert [grant.count for grant in grants] == [1, 1, 3, 1]
    assert [grant.first_s for grant in grants] == pytest.approx([0, 100, 200, 500], abs=20)


async def test_no_two_processes_get_one_slot(make: MakeStore, account: str) -> None:
    """Forty grants at once, through four connections: their slots do not overlap."""
    stores = [make() for _ in range(4)]
    loop = asyncio.get_running_loop()
    firsts: list[float] = []

    async def ask(store: Allowance) -> None:
        for _ in range(10):
            grant = await take(store, account, 2, interval_s=10.0)
            firsts.append(loop.time() + grant.first_s)

    await asyncio.gather(*(ask(store) for store in stores))
    firsts.sort()
    # Each is counted from its answer's arrival, which differs by the time of a trip.
    assert [later - firsts[0] for later in firsts] == pytest.approx([20.0 * n for n in range(40)], abs=2)


async def test_a_lane_that_is_behind_starts_again_now(make: MakeStore, account: str) -> None:
    """Unused time is not saved: after a rest the first slot is now, and the next one an interval later."""
    store = make()
    await take(store, account, interval_s=0.01)
    await asyncio.sleep(LATE_S + 0.1)
    grants = [await take(store, account), await take(store, account)]
    assert grants[0].first_s == pytest.approx(0, abs=0.01)
    assert grants[1].first_s > 0.5


async def test_a_slot_just_missed_is_still_given(make: MakeStore, account: str) -> None:
    """A process that asks a little late gets the slot that has just passed, so that no part of the rate is lost."""
    store = make()
    await take(store, account, interval_s=0.05)
    await asyncio.sleep(0.1)
    late = await take(store, account, interval_s=0.05)
    assert -LATE_S <= late.first_s < -0.02


async def test_a_slot_too_late_is_not_taken(make: MakeStore, account: str) -> None:
    """Where the first slot would come after the bound, none is taken, and the answer says when it would come."""
    store = make()
    await take(store, account, 5)
    for _ in range(3):
        refused = await take(store, account, within_s=2.0)
        assert refused.count == 0
        assert refused.first_s == pytest.approx(5, abs=0.3)
    assert (await take(store, account, within_s=10)).first_s == pytest.approx(5, abs=0.3)


async def test_a_question_takes_no_slot(make: MakeStore, account: str) -> None:
    """A count of 0 only asks for penalties."""
    one, two = make(), make()
    assert (await take(one, account, 0)).held_s == 0
    await two.hold(account, "placeOrder", 30)
    asked = await take(one, account, 0)
    assert (asked.count, asked.held_s) == (0, pytest.approx(30, abs=0.5))
    assert (await take(two, account)).first_s == pytest.approx(30, abs=0.5)


async def test_a_penalty_delays_all_slots(make: MakeStore, account: str) -> None:
    """After a penalty slots are one interval apart again; a shorter penalty changes nothing."""
    one, two = make(), make()
    await take(one, account)
    await one.hold(account, "placeOrder", 30)
    await two.hold(account, "placeOrder", 5)
    grants = [await take(two, account), await take(one, account)]
    assert [grant.first_s for grant in grants] == pytest.approx([30, 31], abs=0.5)
    assert [grant.held_s for grant in grants] == pytest.approx([30, 30], abs=0.5)


async def test_operations_and_accounts_are_apart(make: MakeStore, account: str) -> None:
    """Another operation and another account have slots and penalties of their own."""
    store = make()
    await take(store, account, 10)
    await store.hold(account, "placeOrder", 30)
    other = await store.take(account, "getBalance", member="a", interval_s=1.0, count=1, within_s=math.inf)
    assert (other.first_s, other.held_s) == (pytest.approx(0, abs=0.2), 0)
    assert (await take(store, uuid4().hex)).first_s == pytest.approx(0, abs=0.2)


async def test_members_are_counted(make: MakeStore, account: str) -> None:
    """Each process that took slots of the operation counts once."""
    stores = [make() for _ in range(3)]
    for number, store in enumerate(stores):
        grant = await take(store, account, who=f"process-{number}")
        assert grant.members == number + 1
    await stores[0].take(account, "getBalance", member="other", interval_s=1.0, count=1, within_s=math.inf)
    assert (await take(stores[0], account, who="process-0")).members == 3


async def test_it_opens_again_after_it_was_closed(make: MakeStore, account: str) -> None:
    """A store that its last client has closed serves the next client, and remembers the slots."""
    store = make()
    await take(store, account, 5)
    close = getattr(store, "aclose", None)
    if close is not None:
        await close()
    assert (await take(store, account)).first_s == pytest.approx(5, abs=1)


async def test_a_cancelled_question_spoils_nothing(make: MakeStore, account: str) -> None:
    """A call that is given up while its answer is on the way does not change what the next one reads."""
    store = make()
    await take(store, account)
    for delay in (0, 0.0002, 0.0005, 0.001):
        task = asyncio.ensure_future(take(store, account, 100))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await take(store, account, 0)).count == 0
        assert (await take(store, account, 2)).count == 2
