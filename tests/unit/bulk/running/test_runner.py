"""`runner`: an intent before each request, a result after each answer, bounded requests in flight."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledger.facts import alone
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.running.servers import Sending, Server
from xoxo_async import RateLimits, errors
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.pacing import Pacer
from xoxo_async.services.orders import Order
from xoxo_async.transport.connections import Attempt

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Server:
    """Return a server: say what `happens`, look at what was `sent`."""
    return Server()


@pytest.fixture
async def ledger(tmp_path: Path, server: Server) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger of twenty planned lines, worth 100 each, that goes by the server's clock."""
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: server.now) as ledger:
        await ledger.plan("march", each(alone(*range(20))))
        yield ledger


async def states(ledger: SqliteLedger) -> dict[LineState, int]:
    return {state: count for state, count in (await ledger.counts()).states.items() if count}


async def until_next_are_armed(server: Server, ledger: SqliteLedger) -> None:
    """Wait until seven lines are armed: four are in flight, three are ready. Whoever sees it first tells the others.

    One of them may already have done what sends the three back.
    """
    with anyio.fail_after(20):
        while not server.ready.is_set():
            if (await states(ledger)).get(LineState.SENDING, 0) == 7:
                server.ready.set()


async def test_every_line_is_sent_and_recorded_once(server: Server, ledger: SqliteLedger) -> None:
    """In the order they were planned in; afterwards nothing is left."""
    runner = Sending(server, ledger, 1)
    await runner.send_all()
    assert server.sent == [line.po_number async for line in ledger.lines()]
    assert await states(ledger) == {LineState.PLACED: 20}
    assert (runner.pause, runner.progress.placed, runner.progress.in_flight) == (Pause.NONE, 20, 0)


async def test_an_intent_is_durable_before_its_request(server: Server, ledger: SqliteLedger, tmp_path: Path) -> None:
    """A reader of the file at that moment finds the line as `sending`."""
    seen: list[LineState] = []

    async def look(po_number: str) -> None:
        async with SqliteLedger(tmp_path / "l.db", read_only=True) as onlooker:
            seen.extend([line.state async for line in onlooker.lines() if line.po_number == po_number])

    server.happens = look
    await Sending(server, ledger).send_all()
    assert seen == [LineState.SENDING] * 20


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_requests_in_flight_and_claims_are_bounded(
    server: Server, ledger: SqliteLedger, concurrency: int
) -> None:
    """After a crash each armed line costs a look-up."""
    armed: list[int] = []

    async def look(_po_number: str) -> None:
        armed.append((await states(ledger)).get(LineState.SENDING, 0))

    server.happens = look
    await Sending(server, ledger, concurrency).send_all()
    assert server.most_in_flight == concurrency
    assert max(armed) <= 2 * concurrency


@pytest.mark.parametrize("concurrency", [1, 2, 3, 4, 5, 8, 20])
async def test_a_slot_waits_for_no_answer(server: Server, ledger: SqliteLedger, concurrency: int) -> None:
    """Each slot sends a line while a place is free, however long the answers take. The token is there at once."""

    async def has_token() -> None:
        """Give the other tasks no turn."""

    async def wait(_po_number: str) -> None:
        if server.in_flight == concurrency:
            server.ready.set()
        await server.ready.wait()

    server.pacer = Pacer(RateLimits(place_order=12_000))
    server.authorise, server.happens = has_token, wait
    with anyio.fail_after(20):
        await Sending(server, ledger, concurrency).send_all()
    assert (server.most_in_flight, await states(ledger)) == (concurrency, {LineState.PLACED: 20})


async def test_tasks_are_as_many_as_requests_in_flight(server: Server, ledger: SqliteLedger) -> None:
    """A task for each line would cost as much as sending it."""
    tasks = set[object]()

    async def look(_po_number: str) -> None:
        tasks.add(asyncio.current_task())
        await anyio.sleep(0)

    server.happens = look
    await Sending(server, ledger, 2).send_all()
    assert (len(server.sent), len(tasks)) == (20, 2)


async def test_a_stop_lets_sends_end_and_returns_lines(server: Server, ledger: SqliteLedger) -> None:
    """No line is in doubt afterwards, and the report has the first reason."""
    runner = Sending(server, ledger)

    async def stop(_po_number: str) -> None:
        await until_next_are_armed(server, ledger)
        runner.stop(Pause.FUNDS, "first")
        runner.stop(Pause.RATE, "second")

    server.happens = stop
    await runner.send_all()
    assert await states(ledger) == {LineState.PLACED: 4, LineState.PLANNED: 16}
    assert (runner.pause, runner.reason) == (Pause.FUNDS, "first")
    assert not runner.interrupted.is_set()


async def test_an_interruption_counts_after_another_pause(server: Server, ledger: SqliteLedger) -> None:
    """The reason stays the first one; what waits for `interrupted` ends as well. Nothing is sent."""
    runner = Sending(server, ledger)
    runner.stop(Pause.FUNDS, "first")
    runner.stop(Pause.INTERRUPTED, "second")
    await runner.send_all()
    assert (runner.pause, runner.interrupted.is_set(), server.sent) == (Pause.FUNDS, True, [])


async def test_a_cancelled_run_doubts_only_lines_in_flight(server: Server, ledger: SqliteLedger) -> None:
    """Lines that were claimed and not sent are planned again; no line stays `sending`."""

    async def cancel(_po_number: str) -> None:
        await until_next_are_armed(server, ledger)
        scope.cancel()
        await anyio.sleep_forever()

    server.happens = cancel
    with anyio.CancelScope() as scope:
        await Sending(server, ledger).send_all()
    with anyio.fail_after(10):  # a claim that was under way goes back by itself, once it is made
        while LineState.SENDING in await states(ledger):
            await anyio.sleep(0)
    assert await states(ledger) == {LineState.UNKNOWN: 4, LineState.PLANNED: 16}


async def test_a_used_up_budget_pauses_the_run(server: Server, ledger: SqliteLedger) -> None:
    """In the words of the ledger, which reserves what an order may cost."""
    runner = Sending(server, ledger, budget=Decimal(450))
    await runner.send_all()
    assert (runner.pause, len(server.sent)) == (Pause.BUDGET, 4)
    assert "50 is left of the 450" in runner.reason


async def test_a_server_that_stays_dead_pauses_the_run(server: Server, ledger: SqliteLedger) -> None:
    """The reason is the last failure; its line was not sent, and no line after it is tried."""

    async def refuse(_po_number: str) -> None:
        raise errors.ConnectError("the server was not reached")

    server.happens = refuse
    runner = Sending(server, ledger, 1, pause_limit_s=0.0)
    await runner.send_all()
    assert (runner.pause, runner.reason) == (Pause.UNREACHABLE, "the server was not reached")
    assert (len(server.sent), await states(ledger)) == (1, {LineState.PLANNED: 20})


async def test_a_returned_line_is_sent_again(server: Server, ledger: SqliteLedger) -> None:
    """Its send was proven unprocessed, so its poNumber leaves twice, and no other does."""
    failures = [errors.RateLimitedError("slow down", retry_after_s=0.0)]

    async def refuse_once(_po_number: str) -> None:
        if failures:
            raise failures.pop()

    server.happens = refuse_once
    await Sending(server, ledger).send_all()
    assert await states(ledger) == {LineState.PLACED: 20}
    assert (server.sent.count(server.sent[0]), len(server.sent)) == (2, 21)


async def test_a_line_held_too_long_goes_back_unsent(server: Server, ledger: SqliteLedger) -> None:
    """Recovery assumes that the last byte leaves soon after the intent."""

    async def take_long(_po_number: str) -> None:
        if len(server.sent) == 1:
            server.now += 31.0

    server.happens = take_long
    await Sending(server, ledger, 2).send_all()
    assert len(server.sent) == len(set(server.sent)) == 20
    claims = {line.key: line.attempts async for line in ledger.lines()}
    assert 2 in claims.values()


async def test_during_a_penalty_nothing_armed_is_sent(server: Server, ledger: SqliteLedger) -> None:
    """It is given back, and goes when the penalty is over."""
    blocked: list[bool] = []

    async def impose(_po_number: str) -> None:
        blocked.append(server.pacer.is_blocked("placeOrder"))
        if len(blocked) <= 4:
            await until_next_are_armed(server, ledger)
            server.pacer.penalise("placeOrder", 0.2)

    server.happens = impose
    await Sending(server, ledger).send_all()
    assert blocked == [False] * 20
    assert [line.attempts async for line in ledger.lines()] == [1] * 4 + [2] * 3 + [1] * 13


async def test_nothing_is_claimed_without_a_token(server: Server, ledger: SqliteLedger) -> None:
    """The token comes before the slots, so a run that waits for a token holds no line."""
    seen: list[dict[LineState, int]] = []

    async def throttled() -> None:
        seen.append(await states(ledger))
        if len(seen) <= 2:
            raise errors.RateLimitedError("slow down", retry_after_s=0.01)

    server.authorise = throttled
    await Sending(server, ledger).send_all()
    assert seen[:3] == [{LineState.PLANNED: 20}] * 3
    assert await states(ledger) == {LineState.PLACED: 20}


async def test_token_penalties_add_up_to_a_pause(server: Server, ledger: SqliteLedger) -> None:
    """Together they may last as long as the pause limit; nothing is armed meanwhile."""
    now, asked = [0.0], 0

    async def throttled() -> None:
        nonlocal asked
        asked += 1
        now[0] += 20.0
        raise errors.RateLimitedError("slow down", retry_after_s=0.001)

    server.authorise = throttled
    runner = Sending(server, ledger, pause_limit_s=60.0, clock=lambda: now[0])
    await runner.send_all()
    assert (runner.pause, asked, server.sent) == (Pause.RATE, 5, [])
    assert runner.reason.startswith("held back by the vendor until ")
    assert "slow down" in runner.reason
    assert await states(ledger) == {LineState.PLANNED: 20}


async def test_a_token_in_between_begins_a_new_count(server: Server, ledger: SqliteLedger) -> None:
    """A token shows that the vendor lets the run work."""
    now, asked = [0.0], 0

    async def throttled_at_times() -> None:
        nonlocal asked
        asked += 1
        now[0] += 20.0
        if asked % 3:
            raise errors.RateLimitedError("slow down", retry_after_s=0.001)

    server.authorise = throttled_at_times
    await Sending(server, ledger, pause_limit_s=60.0, clock=lambda: now[0]).send_all()
    assert await states(ledger) == {LineState.PLACED: 20}
    assert asked > 6


@pytest.mark.parametrize("seconds", [3600.0, float("inf")])
async def test_a_long_penalty_pauses_the_run_at_once(server: Server, ledger: SqliteLedger, seconds: float) -> None:
    """The reason names its end, and claimed lines are given back."""

    async def impose(_po_number: str) -> None:
        server.pacer.penalise("placeOrder", seconds)

    server.happens = impose
    runner = Sending(server, ledger, pause_limit_s=60.0)
    with anyio.fail_after(10):
        await runner.send_all()
    assert runner.pause is Pause.RATE
    assert runner.reason.startswith("held back by the vendor until ")
    assert "for longer than the 60 s that this run waits" in runner.reason
    assert (await states(ledger)).keys() == {LineState.PLACED, LineState.PLANNED}


async def test_a_penalty_at_the_limit_is_served(server: Server, ledger: SqliteLedger) -> None:
    """The vendor's own is a minute, as the limit is; while it lasts, a display can say so."""
    imposed, told = [], set[str]()

    async def impose(_po_number: str) -> None:
        if not imposed:
            imposed.append(True)
            server.pacer.penalise("placeOrder", 0.2)

    server.happens = impose
    runner = Sending(server, ledger, pause_limit_s=0.2)
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while True:
                told.add(runner.progress.wait)
                await anyio.sleep(0.005)

        group.start_soon(watch)
        await runner.send_all()
        group.cancel_scope.cancel()
    assert await states(ledger) == {LineState.PLACED: 20}
    assert {wait[:29] for wait in told} == {"", "held back by the vendor until"}
    assert runner.progress.wait == ""


async def test_waiting_one_interval_pauses_nothing(server: Server, ledger: SqliteLedger) -> None:
    """A slow run waits for each of its slots; so it does for the first, after an earlier run."""
    server.pacer = Pacer(RateLimits(place_order=1200))
    server.pacer.penalise("placeOrder", 0.04)
    runner = Sending(server, ledger, pause_limit_s=0.0)
    await runner.send_all()
    assert (runner.pause, await states(ledger)) == (Pause.NONE, {LineState.PLACED: 20})


async def test_a_dead_server_is_waited_for_aloud(server: Server, ledger: SqliteLedger) -> None:
    """The progress shows the failure, and how long the run waits at most."""
    told: list[str] = []

    async def refuse(_po_number: str) -> None:
        if len(server.sent) <= 2:
            raise errors.ConnectError("the server was not reached")

    server.happens = refuse
    place = server.once

    async def once(operation: Any, request: Any, /, *, attempt: Attempt | None = None) -> Order:
        if operation.name == "placeOrder":
            assert not runner.progress.wait
            return await place(operation, request)
        told.append(runner.progress.wait)
        raise errors.NotFoundError("no such order", error_id="PLE10016")

    server.once = once  # type: ignore[method-assign]
    runner = Sending(server, ledger, 1)
    await runner.send_all()
    assert await states(ledger) == {LineState.PLACED: 20}
    assert len(told) == 2
    assert all(wait.startswith("waiting for the server, until ") for wait in told)
    assert all(wait.endswith(" at most (the server was not reached)") for wait in told)


class Torn(SqliteLedger):
    """A ledger that takes intents and no results."""

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        raise errors.LedgerError("the disk is full")


async def test_an_unwritable_result_ends_the_run(server: Server, tmp_path: Path) -> None:
    """With the ledger's error itself, no group around it; at most the lines that were claimed by then are in doubt."""
    async with Torn(tmp_path / "torn.db", clock=lambda: server.now) as ledger:
        await ledger.plan("march", each(alone(*range(20))))
        with pytest.raises(errors.LedgerError, match="the disk is full"):
            await Sending(server, ledger, 2).send_all()
        assert (await states(ledger))[LineState.SENDING] <= 4
        assert len(server.sent) <= 4


@pytest.mark.parametrize(("batch", "concurrency"), [(3, 1), (3, 4), (7, 2), (50, 4)])
async def test_lines_travel_together_in_order(
    server: Server, ledger: SqliteLedger, batch: int, concurrency: int
) -> None:
    """A call has as many lines as it may, each line is in one call, and each gets its own result."""
    runner = Sending(server, ledger, concurrency, batch=batch)
    await runner.send_all()
    assert max(len(call) for call in runner.calls) <= batch
    keys = [line.key async for line in ledger.lines()]
    assert sorted(key for call in runner.calls for key in call) == sorted(keys)
    if concurrency == 1:
        assert [key for call in runner.calls for key in call] == keys
    assert await states(ledger) == {LineState.PLACED: 20}
    assert runner.progress.placed == 20


async def test_a_slot_is_for_a_call(server: Server, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty lines in calls of five take four slots of the allowance."""
    server.pacer = Pacer(RateLimits(place_order=600))
    taken: list[str] = []
    next_slot = Pacer.next_slot

    async def counted(pacer: Pacer, operation: str, deadline: float | None = None) -> float:
        taken.append(operation)
        return await next_slot(pacer, operation, deadline)

    monkeypatch.setattr(Pacer, "next_slot", counted)
    runner = Sending(server, ledger, 4, batch=5)
    await runner.send_all()
    assert [len(call) for call in runner.calls] == [5, 5, 5, 5]
    assert len(taken) <= 5  # the next one may be reserved already


async def test_a_line_that_does_not_fit_goes_back(server: Server, ledger: SqliteLedger) -> None:
    """It gets a slot of its own; nothing is lost, and lines that fit still travel together."""
    odd = {f"k{n}" for n in range(0, 20, 4)}
    runner = Sending(server, ledger, 2, batch=4, fit=lambda one, other: (one.key in odd) == (other.key in odd))
    await runner.send_all()
    assert all(len({key in odd for key in call}) == 1 for call in runner.calls)
    assert sorted(key for call in runner.calls for key in call) == sorted(f"k{n}" for n in range(20))
    assert await states(ledger) == {LineState.PLACED: 20}


async def test_a_cancelled_call_doubts_each_line(server: Server, ledger: SqliteLedger) -> None:
    """All its lines may have gone through."""
    runner = Sending(server, ledger, 1, batch=5)

    async def hang(_po_number: str) -> None:
        server.ready.set()
        await anyio.sleep_forever()

    server.happens = hang
    async with anyio.create_task_group() as group:
        group.start_soon(runner.send_all)
        await server.ready.wait()
        group.cancel_scope.cancel()
    found = await states(ledger)
    assert found[LineState.UNKNOWN] == 5
    assert set(found) == {LineState.UNKNOWN, LineState.PLANNED}


async def test_a_dead_server_is_tried_with_one_line(server: Server, ledger: SqliteLedger) -> None:
    """A whole call in doubt would leave all its lines to a person."""
    runner = Sending(server, ledger, 1, batch=5)

    async def happens(_po_number: str) -> None:
        if len(runner.calls) == 1:
            raise errors.ConnectError("no route")

    server.happens = happens
    with anyio.fail_after(20):
        await runner.send_all()
    assert len(runner.calls[1]) == 1
    assert await states(ledger) == {LineState.PLACED: 20}
