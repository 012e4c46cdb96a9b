"""`sqlite.files`: files that nobody else can read, and that come and go together."""

import stat
from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.sqlite.files import create_private, publish, remove
from xoxo_async.errors import LedgerError


def test_a_new_file_is_private_and_empty(tmp_path: Path) -> None:
    """A leftover of a killed process is replaced, not continued; a folder that is missing is named."""
    path = tmp_path / "march.db.new"
    path.write_bytes(b"half a ledger")
    path.chmod(0o666)
    create_private(path)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"", 0o600)
    publish(path, tmp_path / "march.db")
    assert [file.name for file in tmp_path.iterdir()] == ["march.db"]
    with pytest.raises(LedgerError, match=r"nowhere.*cannot be made"):
        create_private(tmp_path / "nowhere" / "march.db")
    with pytest.raises(LedgerError, match=r"march\.db cannot be made"):
        publish(tmp_path / "gone", tmp_path / "march.db")


def test_removing_a_ledger_removes_its_own_files_only(tmp_path: Path) -> None:
    """The lock stays with its holder, and a neighbour's files are its own."""
    for name in ("march.db", "march.db-wal", "march.db-shm", "march.db.lock", "march.db2", "march.csv"):
        (tmp_path / name).touch()
    remove(tmp_path / "march.db")
    remove(tmp_path / "march.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["march.csv", "march.db.lock", "march.db2"]
