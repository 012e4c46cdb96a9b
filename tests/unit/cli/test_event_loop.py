"""`event_loop`: a command's work runs to its result."""

import pytest

from xoxo_async.cli.event_loop import run_async


def test_work_is_run_to_its_result() -> None:
    """On whichever loop is installed; its error is its own."""

    async def work() -> int:
        return 7

    async def fail() -> None:
        raise KeyError("work")

    assert run_async(work) == 7
    with pytest.raises(KeyError):
        run_async(fail)
