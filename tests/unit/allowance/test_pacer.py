"""`allowance.pacer`: what a client sees of a shared allowance."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.allowance.stores import AWAY, MemoryAllowance, run_virtually
from xoxo_async import RateLimits, StaticToken, errors, pacing
from xoxo_async.allowance import pacer as pacers
from xoxo_async.allowance.pacer import SharedPacer, account_key
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import AllowanceAway, Event, LoggingHook
from xoxo_async.kept import Kept
from xoxo_async.pacing import TOKEN_REQUEST

BASE = "https://a.example/chef"


def virtually(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test in a virtual loop, with penalties kept by its clock."""

    async def main() -> None:
        before = pacing._ACCOUNTS
        pacing._ACCOUNTS = Kept(pacing._Account, asyncio.get_running_loop().time)  # type: ignore[misc]
        try:
            await work()
        finally:
            pacing._ACCOUNTS = before  # type: ignore[misc]

    run_virtually(main)


def pacer_on(
    store: object, *, account: str = "t", hooks: tuple[Callable[[Event], None], ...] = (), **limits: float
) -> SharedPacer:
    return SharedPacer(
        store,  # type: ignore[arg-type]
        base_url=BASE,
        provider=StaticToken(account),
        limits=RateLimits(**limits),
        hooks=hooks,
        clock=asyncio.get_running_loop().time,
    )


def test_an_accounts_key_holds_no_secret() -> None:
    """The address and the account make the key; the token cannot be read from it."""
    key = account_key(BASE, StaticToken("very-secret"))
    assert key == account_key(BASE, StaticToken("very-secret"))
    assert key != account_key(BASE, StaticToken("another"))
    assert key != account_key("https://b.example/chef", StaticToken("very-secret"))
    assert len(key) == 32
    assert "secret" not in key


def test_clients_of_one_loop_are_one_member() -> None:
    """Two clients of an account share one share, also with two objects for one store; another account has its own."""

    async def work() -> None:
        store = MemoryAllowance()
        one, two, other = pacer_on(store), pacer_on(MemoryAllowance()), pacer_on(store, account="other")
        for pacer in (one, two, other):
            await pacer.slot("placeOrder")
        assert one._share is two._share
        assert other._share is not one._share
        assert [len(members) for members in store.members.values()] == [1, 1]
        await one.aclose()
        assert store.closed == 0, "another client still uses it"
        await two.slot("placeOrder")
        await two.aclose()
        await two.aclose()
        assert store.closed == 1

    virtually(work)


def test_a_closed_client_has_no_slots() -> None:
    """A call of a closed client is an error, and opens nothing."""

    async def work() -> None:
        pacer = pacer_on(MemoryAllowance())
        await pacer.slot("placeOrder")
        await pacer.aclose()
        with pytest.raises(ConfigError, match="this client is closed"):
            await pacer.slot("placeOrder")

    virtually(work)


@pytest.mark.parametrize("delay_s", [0.001, 1000.0])
def test_closing_ends_the_wait_for_a_slot(delay_s: float) -> None:
    """Calls that wait while the last client closes end with an error at once, also if the store does not answer."""

    async def work() -> None:
        store = MemoryAllowance()
        pacer = pacer_on(store, place_order=10)
        await pacer.slot("placeOrder")
        await asyncio.sleep(7)
        await pacer.slot("placeOrder")
        store.delay_s = lambda: delay_s
        started = asyncio.get_running_loop().time()
        calls = [
            asyncio.create_task(call)
            for call in (
                pacer.slot("placeOrder"),
                pacer.slot("placeOrder", started + 60),
                pacer.slot("placeOrder", started + 60),
            )
        ]
        if delay_s > 1:
            calls += [asyncio.create_task(pacer.slot("links"))]
        await asyncio.sleep(0.1)
        await pacer.aclose()
        _, waiting = await asyncio.wait(calls, timeout=1)
        assert not waiting
        for call in calls:
            with pytest.raises(ConfigError, match="this client is closed"):
                await call
        assert len(asyncio.all_tasks()) == 1

    virtually(work)


def test_a_penalty_that_comes_after_the_end() -> None:
    """A call in flight meets a penalty when its client is closed: this process keeps it, and opens no store."""

    async def work() -> None:
        store = MemoryAllowance()
        pacer = pacer_on(store)
        await pacer.slot("placeOrder")
        await pacer.aclose()
        pacer.penalise("placeOrder", 30)
        assert pacer.is_blocked("placeOrder")
        await asyncio.sleep(1)
        assert store.holds == []

    virtually(work)


def test_without_a_limit_it_asks_at_times() -> None:
    """A hundred calls within a quarter of a second ask once. A penalty of another process is waited for."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        store = MemoryAllowance()
        pacer = pacer_on(store)
        assert not pacer.is_free("links")
        for _ in range(100):
            if not pacer.is_free("links"):
                await pacer.slot("links")
        assert store.takes == [("links", 0)]
        await store.hold(account_key(BASE, StaticToken("t")), "links", 30)
        await asyncio.sleep(0.3)
        start = loop.time()
        assert not pacer.is_free("links")
        with pytest.raises(errors.RateLimitedError):
            await pacer.slot("links", start + 5)
        await pacer.slot("links")
        assert loop.time() - start == pytest.approx(29.7, abs=0.1)
        assert await pacer.next_slot("links") == 0

    virtually(work)


def test_a_penalty_is_kept_and_told() -> None:
    """What `Pacer` says of a penalty, this pacer says too; the store has it."""

    async def work() -> None:
        store = MemoryAllowance()
        pacer = pacer_on(store)
        pacer.penalise("placeOrder", 30)
        pacer.penalise(TOKEN_REQUEST, 10)
        assert pacer.is_blocked("placeOrder")
        assert pacer.blocked_s(TOKEN_REQUEST) == pytest.approx(10)
        await asyncio.sleep(1)
        assert [(name, round(seconds)) for name, seconds in store.holds] == [("placeOrder", 30), (TOKEN_REQUEST, 10)]
        other = pacer_on(MemoryAllowance("elsewhere"))
        assert other.is_blocked("placeOrder"), "a client of this process with another store meets it too"

    virtually(work)


def test_slots_for_who_waits_itself() -> None:
    """A bulk run gets the seconds until its slots, one after the other; the first one costs a trip."""

    async def work() -> None:
        pacer = pacer_on(MemoryAllowance(), place_order=60)
        assert not pacer.knows_next("placeOrder")
        assert await pacer.next_slot("placeOrder") == pytest.approx(0, abs=0.01)
        assert await pacer.next_slot("placeOrder") == pytest.approx(1.01, abs=0.01)
        assert (pacer.per_minute("placeOrder"), pacer.interval_s("placeOrder")) == (60, 1.01)
        pacer.keep_distance("placeOrder", 1.0)
        assert not pacer.is_blocked("placeOrder"), "the store remembers the last slot"

    virtually(work)


def test_hooks_and_log_hear_of_an_outage_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each client's hooks get the event; where one of them logs, the log has it once."""
    events: list[Event] = []

    async def work() -> None:
        store = MemoryAllowance()
        store.failure = AWAY
        pacer = pacer_on(store, hooks=(events.append, LoggingHook()))
        for _ in range(3):
            await pacer.slot("getFilters")
        await pacer.aclose()

    with caplog.at_level(logging.WARNING, "xoxo_async"):
        virtually(work)
    assert [type(event) for event in events] == [AllowanceAway]
    assert len(caplog.records) == 1


def test_a_loop_that_ends_leaves_nothing() -> None:
    """The shares of a loop go with it, also when a client was not closed."""
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def work() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        pacer = SharedPacer(MemoryAllowance(), base_url=BASE, provider=StaticToken("t"), limits=RateLimits())
        await pacer.slot("placeOrder")
        pacer.penalise("placeOrder", 30)
        await asyncio.sleep(0.01)

    before = len(pacers._SHARES)
    asyncio.run(work())
    gc.collect()
    assert loops[0]() is None
    assert len(pacers._SHARES) <= before
