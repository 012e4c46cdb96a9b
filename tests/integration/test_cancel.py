"""Cancelled at every turn: nothing leaks, and the next call works."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
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
    """Run work, cancel it after so many turns of the event loop; return whether it was cut off."""
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
    """Wait until no task is left but those that were there."""
    async with asyncio.timeout(10):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.001)


async def test_place_cancelled_at_every_turn(xoxo_sandbox: Sandbox) -> None:
    """However far an order got, the pool, the token and the lock are free, and what may exist was told."""
    events: list[Event] = []
    before = asyncio.all_tasks()
    turn, cut = 0, True
    async with client_of(xoxo_sandbox, events) as client:
        while cut and turn < 400:
            turn += 1
            po_number = f"PO-{turn}"
            place = partial(client.orders.place, product_id=1001, denomination=100, po_number=po_number)
            cut = await cancelled_after(turn, place)
            if cut:
                assert any(isinstance(e, OrderInDoubt) and e.po_number == po_number for e in events)
            async with asyncio.timeout(10):
                order = await place()
            assert order.po_number == po_number
        assert turn > 3
        assert not cut
    await settled(before)
    assert xoxo_sandbox.books().duplicates == {}
    gc.collect()


async def test_a_cold_client_cancelled_at_every_turn_of_its_first_token(xoxo_sandbox: Sandbox) -> None:
    """A caller that leaves while the token is fetched leaves a client that works."""
    before = asyncio.all_tasks()
    for turn in range(1, 30):
        async with client_of(xoxo_sandbox) as client:
            await cancelled_after(turn, client.account.get_balance)
            async with asyncio.timeout(10):
                assert (await client.account.get_balance()).currency == "INR"
        await settled(before)
    gc.collect()


async def test_closing_cancelled_at_every_turn(xoxo_sandbox: Sandbox) -> None:
    """A close that was cut off can be done again."""
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
    """A run cut off anywhere leaves no line `sending`, and running again issues each exactly once."""
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
