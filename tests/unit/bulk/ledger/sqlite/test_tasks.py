"""`sqlite.tasks`: an answer reaches whoever still waits for it, and disturbs nobody else."""

import asyncio

import pytest

from xoxo_async.bulk.ledger.sqlite.tasks import Stop, Task, resolve
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_every_caller_gets_its_own_result() -> None:
    """A result, an error, or nothing where it waits no more; one that nobody asked for is no trouble."""
    loop = asyncio.get_running_loop()
    good, bad, gone = (Task(loop.create_future()) for _ in range(3))
    good.result, bad.error = 7, LedgerError("no")
    assert gone.future is not None
    gone.future.cancel()
    resolve([Stop(None), gone, bad, good])
    assert good.future is not None
    assert bad.future is not None
    assert await good.future == 7
    with pytest.raises(LedgerError, match="no"):
        await bad.future
