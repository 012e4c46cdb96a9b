"""`stopping`: one signal for all parts of a run; the first reason stays."""

import anyio
import pytest

from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.stopping import StopSignal

pytestmark = pytest.mark.anyio


async def test_the_first_reason_stays_and_is_reported_once() -> None:
    """A later reason changes nothing, and calls no callback."""
    signal, told = StopSignal(), list[Pause]()
    signal.call_when_set(told.append)
    signal.stop(Pause.FUNDS, "first")
    signal.stop(Pause.RATE, "second")
    assert (signal.pause, signal.reason, told) == (Pause.FUNDS, "first", [Pause.FUNDS])
    assert not signal.interrupted.is_set()


async def test_an_interruption_counts_after_another_pause() -> None:
    """Look-ups end then, and the reason stays the first one."""
    signal = StopSignal()
    signal.stop(Pause.FUNDS, "first")
    signal.stop(Pause.INTERRUPTED, "second")
    assert (signal.pause, signal.interrupted.is_set()) == (Pause.FUNDS, True)


async def test_a_stop_ends_a_sleep() -> None:
    """And no sleep begins after it."""
    signal = StopSignal()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(signal.sleep, 60)
            await anyio.sleep(0)
            signal.stop(Pause.RATE, "enough")
        await signal.sleep(60)


async def test_a_sleep_ends_by_itself() -> None:
    """Without a stop."""
    signal = StopSignal()
    with anyio.fail_after(30):
        await signal.sleep(0.001)
    assert signal.pause is Pause.NONE


async def test_a_stop_cancels_work_that_depends_on_it() -> None:
    """Work that ends before has its result; nothing of it is left to be called later."""
    signal = StopSignal()

    async def quick() -> int:
        return 7

    assert await signal.unless_set(quick()) == 7
    found: list[int | None] = []

    async def slow() -> int:
        await anyio.sleep(60)
        return 7

    async def wait() -> None:
        found.append(await signal.unless_set(slow()))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(0)
            signal.stop(Pause.RATE, "enough")
    assert found == [None]
    assert signal._callbacks == []
