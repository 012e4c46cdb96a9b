"""`ledgers`: a ledger opens by its path."""

from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.errors import LedgerError


@pytest.mark.parametrize("read_only", [False, True])
def test_a_missing_ledger_is_an_error(tmp_path: Path, read_only: bool) -> None:
    """No ledger is made."""

    async def work(_ledger: Ledger) -> None:
        raise AssertionError

    with pytest.raises(LedgerError):
        with_ledger(LedgerAddress.read(tmp_path / "m.db"), work, read_only=read_only)
    assert list(tmp_path.iterdir()) == []
