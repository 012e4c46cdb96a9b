"""`sqlite.tasks`: a result reaches each caller that still waits for it."""

import asyncio

import pytest

from xoxo_async.bulk.ledger.sqlite.tasks import Stop, Task, resolve
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_every_caller_gets_its_own_result() -> None:
    """It gets a result or an error; a caller that is gone and a task without a caller get nothing."""
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
