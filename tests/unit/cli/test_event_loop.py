"""`event_loop`: it runs a command's work and returns the result."""

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
