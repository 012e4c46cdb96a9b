"""`event_loop`: it runs a command's work and returns the result."""

import asyncio
from importlib.util import find_spec

import anyio
import pytest

from xoxo_async.cli.event_loop import run_async


def test_work_is_run_to_its_result() -> None:
    """It uses the loop that is installed, and raises an error of the work unchanged."""

    async def work() -> int:
        return 7

    async def fail() -> None:
        raise KeyError("work")

    assert run_async(work) == 7
    with pytest.raises(KeyError):
        run_async(fail)


def test_work_is_called_on_its_loop() -> None:
    """A function that makes a cancel scope before its first await finds a loop."""

    async def work(scope: anyio.CancelScope) -> bool:
        with scope:
            return not scope.cancel_called

    assert run_async(lambda: work(anyio.CancelScope()))


def test_work_without_a_network_needs_no_uvloop() -> None:
    """To load uvloop takes longer than to read a ledger."""

    async def loop() -> str:
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    assert run_async(loop, network=False) == "asyncio"
    assert run_async(loop) == ("uvloop" if find_spec("uvloop") else "asyncio")
