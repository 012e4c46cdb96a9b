"""The client and the empty ledger that the tests of whole runs use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.bulk.jobs import Client
from xoxo_async.bulk import SqliteLedger


@pytest.fixture
def client() -> Client:
    """Return a client: look at what was `sent` and `looked_up`."""
    return Client()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield an empty ledger."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        yield ledger
