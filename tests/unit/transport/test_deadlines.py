"""`deadlines`: what overruns is cancelled, once, and nothing else is."""

import asyncio

import pytest

from xoxo_async.transport.deadlines import Deadlines

pytestmark = pytest.mark.anyio


async def overrun(deadlines: Deadlines, seconds: float) -> str:
    try:
        with deadlines:
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "timed out"
    return "in time"


async def test_what_overruns_times_out_and_what_does_not_goes_on() -> None:
    """Some of many overrun: these raise TimeoutError, the others end as if nobody had watched."""
    deadlines = Deadlines(0.05, asyncio.get_running_loop())
    ends = await asyncio.gather(*[overrun(deadlines, seconds) for seconds in (0, 5, 0.001, 5, 0)])
    assert ends == ["in time", "timed out", "in time", "timed out", "in time"]


async def test_later_deadlines_are_kept_when_the_first_is_dropped() -> None:
    """The timer is the oldest one's; when that one is long done, the next is still ended, and not early."""
    deadlines = Deadlines(0.1, asyncio.get_running_loop())
    assert await overrun(deadlines, 0) == "in time"
    await asyncio.sleep(0.06)
    began = asyncio.get_running_loop().time()
    assert await overrun(deadlines, 5) == "timed out"
    took = asyncio.get_running_loop().time() - began
    assert 0.09 < took < 3


async def test_after_a_pause_without_anyone_it_watches_again() -> None:
    """With nobody left there is no timer; the next one sets it again."""
    deadlines = Deadlines(0.02, asyncio.get_running_loop())
    for _ in range(3):
        assert await overrun(deadlines, 5) == "timed out"
        await asyncio.sleep(0.03)


async def test_a_timeout_leaves_no_cancellation_behind() -> None:
    """After the TimeoutError the task can wait on, and counts as not cancelled."""
    deadlines = Deadlines(0.01, asyncio.get_running_loop())
    assert await overrun(deadlines, 5) == "timed out"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_somebody_elses_cancellation_is_none_of_its_business() -> None:
    """A task cancelled before its time ends as cancelled; a timeout of the caller's own raises where it belongs."""
    deadlines = Deadlines(5, asyncio.get_running_loop())
    task = asyncio.create_task(overrun(deadlines, 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def with_a_timeout_of_its_own() -> None:
        async with asyncio.timeout(0.01):
            await overrun(deadlines, 5)

    with pytest.raises(TimeoutError):
        await with_a_timeout_of_its_own()


async def test_cancelled_and_overrun_at_once_is_cancelled() -> None:
    """When both come in the same turn of the loop, the caller's cancellation wins."""
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(5, loop)

    async def both() -> None:
        await overrun(deadlines, 5)
        await asyncio.sleep(5)

    task = asyncio.create_task(both())
    await asyncio.sleep(0)
    deadlines._due[task] = loop.time(), 0
    deadlines._look()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_errors_pass_through() -> None:
    """What the watched block raises is what comes out."""
    deadlines = Deadlines(5, asyncio.get_running_loop())
    with pytest.raises(ValueError, match="own"):
        with deadlines:
            raise ValueError("own")
    assert not deadlines._due
