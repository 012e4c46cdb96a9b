"""A cancelled call leaks nothing, at any turn of the event loop, and the next call works."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from xoxo_async import ClientCredentials, RateLimits, StaticToken, Timeouts, XoxoClient
from xoxo_async.auth import Token
from xoxo_async.bulk import BulkIssuer, LineState, OrderLine, SqliteLedger
from xoxo_async.hooks import Event, OrderInDoubt
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


def client_of(sandbox: Sandbox, hooks: list[Event] | None = None) -> XoxoClient:
    return XoxoClient(
        ClientCredentials(sandbox.client_id, sandbox.client_secret),
        base_url=sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
        max_connections=2,
        hooks=[hooks.append] if hooks is not None else [],
    )


async def cancelled_after(turns: int, work: Callable[[], Awaitable[object]]) -> bool:
    """Run work and cancel it after so many turns of the event loop. Return whether it was cancelled."""
    task = asyncio.ensure_future(work())
    for _ in range(turns):
        await asyncio.sleep(0)
        if task.done():
            break
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def settled(before: set["asyncio.Task[object]"]) -> None:
    """Wait until only the tasks from before are left."""
    async with asyncio.timeout(10):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.001)


async def test_place_cancelled_at_every_turn(xoxo_sandbox: Sandbox) -> None:
    """A cancelled order leaves pool, token and lock free, and hooks receive it if it may exist.

    An order that hooks did not receive never reached the server, so it can be placed again without a duplicate.
    """
    events: list[Event] = []
    before = asyncio.all_tasks()
    turn, cut, told = 0, True, 0
    async with client_of(xoxo_sandbox, events) as client:
        while cut and turn < 400:
            turn += 1
            po_number = f"PO-{turn}"
            place = partial(client.orders.place, product_id=1001, denomination=100, po_number=po_number)
            cut = await cancelled_after(turn, place)
            told += (doubt := any(isinstance(e, OrderInDoubt) and e.po_number == po_number for e in events))
            look_ups = xoxo_sandbox.books().requests.get("getOrderDetails", 0)
            async with asyncio.timeout(10):
                order = await place()
            assert order.po_number == po_number
            if cut and not doubt:
                assert xoxo_sandbox.books().requests.get("getOrderDetails", 0) == look_ups
        assert 0 < told < turn - 1
        assert not cut
    await settled(before)
    assert xoxo_sandbox.books().duplicates == {}
    gc.collect()


async def test_a_cancelled_first_token_leaves_a_working_client(xoxo_sandbox: Sandbox) -> None:
    """A caller that is cancelled while the token is fetched leaves a client that works."""
    before = asyncio.all_tasks()
    for turn in range(1, 30):
        async with client_of(xoxo_sandbox) as client:
            await cancelled_after(turn, client.account.get_balance)
            async with asyncio.timeout(10):
                assert (await client.account.get_balance()).currency == "INR"
        await settled(before)
    gc.collect()


async def test_closing_cancelled_at_every_turn(xoxo_sandbox: Sandbox) -> None:
    """A cancelled close can be repeated."""
    before = asyncio.all_tasks()
    for turn in range(1, 8):
        client = client_of(xoxo_sandbox)
        await client.account.get_balance()
        await cancelled_after(turn, client.aclose)
        await client.aclose()
        await settled(before)
    gc.collect()


@pytest.mark.slow
async def test_a_bulk_run_cancelled_at_many_turns(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """A cancelled run leaves no line `sending`, and the next run issues each line exactly once."""
    before = asyncio.all_tasks()
    for turn in [*range(1, 60, 4), *range(60, 1200, 90)]:
        job = f"job{turn}"
        lines = [OrderLine(key=str(n), product_id=1001, denomination=Decimal(100)) for n in range(20)]
        async with client_of(xoxo_sandbox) as client, SqliteLedger(tmp_path / f"{job}.db") as ledger:

            def issuer() -> BulkIssuer:
                return BulkIssuer(client, ledger, job=job, concurrency=4, settle_s=0.1)  # noqa: B023

            await cancelled_after(turn, lambda: issuer().run(lines))  # noqa: B023
            states = (await ledger.counts()).states
            assert not states.get(LineState.SENDING), states
            report = await issuer().run(lines)
            assert (report.rows, report.issued) == (20, 20)
        await settled(before)
    assert xoxo_sandbox.books().duplicates == {}
    gc.collect()


class NeverAToken:
    """A token provider that notes when it is asked, and never returns a token."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def obtain(self, *_: object) -> Token:
        self.asked.set()
        await asyncio.sleep(3600)
        raise AssertionError


@pytest.mark.parametrize(("waits_for", "sent"), [("slot", 1), ("connection", 3), ("token", 0)])
async def test_callers_cancelled_while_they_waited_leave_no_doubt(waits_for: str, sent: int) -> None:
    """Of 200 cancelled callers, hooks receive only those whose request left."""
    events: list[Event] = []
    came = asyncio.Semaphore(0)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}}")
        came.release()
        await reader.read()  # until the client closes the connection
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    provider = NeverAToken()
    client = XoxoClient(
        provider if waits_for == "token" else StaticToken("t"),
        base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        rate_limits=RateLimits(place_order=60) if waits_for == "slot" else RateLimits.unlimited(),
        timeouts=Timeouts(token_s=0.5),
        max_connections=3,
        hooks=[events.append],
    )
    async with client:
        tasks = [
            asyncio.ensure_future(client.orders.place(product_id=1001, denomination=100, po_number=f"PO-{n}"))
            for n in range(200)
        ]
        async with asyncio.timeout(10):
            await (
                provider.asked.wait()
                if waits_for == "token"
                else asyncio.gather(*(came.acquire() for _ in range(sent)))
            )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    server.close()
    await server.wait_closed()
    assert all(task.cancelled() for task in tasks)
    assert sum(isinstance(event, OrderInDoubt) for event in events) == sent
