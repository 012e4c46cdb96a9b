"""`sqlite.refusals`: a file that is no good ledger is refused, and the error says what to do."""

import os
import stat
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.refusals import read_header, refuse_mixed, refuse_torn
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_a_file_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    """A ledger restored from a backup with open permissions is closed to others."""
    path = tmp_path / "march.db"
    await one_placed(path)
    path.chmod(0o644)
    async with SqliteLedger(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_header_is_read_from_an_open_file(tmp_path: Path) -> None:
    """And its descriptor stays open."""
    path = tmp_path / "march.db"
    await one_placed(path)
    fd = os.open(path, os.O_RDWR)
    try:
        by_fd, by_name = read_header(path, fd=fd), read_header(path)
        assert by_fd is not None
        assert by_name is not None
        assert (by_fd.size, by_fd.version) == (by_name.size, by_name.version)
        os.fstat(fd)
    finally:
        os.close(fd)


def test_a_ledger_with_too_few_entries_is_torn(tmp_path: Path) -> None:
    """A ledger with more entries is good, since commits follow the note. The error says what to do."""
    path = tmp_path / "march.db"
    for noted in (0, 99, 100):
        refuse_torn(path, path, 100, noted)
    with pytest.raises(
        LedgerError, match=r"torn.*ends at entry 100, and 101 .*march\.db-wal back.*remove march\.db\.lo"
    ):
        refuse_torn(path, path, 100, 101)


def test_a_wal_of_another_file_is_refused(tmp_path: Path) -> None:
    """Without notes no file is refused."""
    path = tmp_path / "march.db"
    refuse_mixed(path, path, "one", "one")
    refuse_mixed(path, path, "one", "")
    with pytest.raises(LedgerError, match=r"replaced.*march\.db-wal holds orders.*remove march\.db\.lock"):
        refuse_mixed(path, path, "one", "two")
