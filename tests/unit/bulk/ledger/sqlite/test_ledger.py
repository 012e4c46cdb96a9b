"""`sqlite.ledger`: an open ledger answers from its file, and says so when it is closed."""

import os
from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    """Using it before opening or after closing is an error of ours, and closing twice is none."""
    ledger = SqliteLedger(tmp_path / "march.db")
    with pytest.raises(LedgerError, match="not open"):
        await ledger.claim(1)
    await ledger.open()
    await ledger.aclose()
    await ledger.aclose()
    with pytest.raises(LedgerError, match="not open"):
        await ledger.counts()


async def test_a_ledger_is_opened_once(tmp_path: Path) -> None:
    """The second time says so, and the first goes on."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        with pytest.raises(LedgerError, match="open already"):
            await ledger.open()
        assert (await ledger.counts()).rows == 0
        assert ledger.holder == os.getpid()
