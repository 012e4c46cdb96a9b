"""`waiting`: work goes on if its caller is cancelled, and the caller gives it up or waits for its end."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from xoxo_async.waiting import outlast, shielded

pytestmark = pytest.mark.anyio


Wait = Callable[["asyncio.Future[int]"], Coroutine[Any, Any, int]]


@pytest.mark.parametrize("wait", [outlast, shielded])
async def test_the_result_is_the_works(wait: Wait) -> None:
    """Without a cancellation, the caller gets the result or the error, also if it is there already."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait(work))
    await asyncio.sleep(0)
    work.set_result(7)
    assert await waiting == 7
    assert await wait(work) == 7
    failed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await wait(failed)


@pytest.mark.parametrize("late", [False, True])
async def test_work_that_is_given_up_fails_silently(late: bool) -> None:
    """Python 3.14 reports "exception in shielded future" for `asyncio.shield`."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    work: asyncio.Future[int] = loop.create_future()
    waiting = asyncio.create_task(shielded(work))
    await asyncio.sleep(0)
    waiting.cancel()
    if late:
        await asyncio.wait([waiting])
    assert not work.done()
    work.set_exception(ValueError("no"))
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    del work
    gc.collect()
    assert told == []


async def test_work_that_is_cancelled_cancels_its_caller() -> None:
    """As without a shield."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(shielded(work))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_waits_for_the_work(fails: bool) -> None:
    """Three cancellations, each within the wait; an error of the work gives way to them."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(outlast(work))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    if fails:
        work.set_exception(ValueError("no"))
    else:
        work.set_result(7)
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_a_timeout_of_asyncio_stays_a_timeout() -> None:
    """It comes after the work, and is still a timeout."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.05, work.set_result, 7)

    async def impatient() -> None:
        async with asyncio.timeout(0.001):
            await outlast(work)

    with pytest.raises(TimeoutError):
        await impatient()
    assert work.done()


async def test_a_cancelled_anyio_scope_ends_after_the_work() -> None:
    """The wait does not spin meanwhile."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with anyio.move_on_after(0.001) as scope:
        asyncio.get_running_loop().call_later(0.05, work.set_result, 7)
        assert await outlast(work) == 7
        await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
