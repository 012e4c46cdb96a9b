"""`sqlite.arming`: many lines are armed in one transaction, and a transaction that fails arms none."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import line
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


class Disk(sqlite3.Connection):
    """Counts commits, and refuses or loses the answer to some of them."""

    commits = 0
    full = False
    torn = False

    def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
        if Disk.full and sql.startswith(("UPDATE", "INSERT")):
            raise sqlite3.OperationalError("database or disk is full")
        done = super().execute(sql, *args)  # type: ignore[arg-type]
        if sql == "COMMIT":
            Disk.commits += 1
            if Disk.torn:
                Disk.torn = False
                raise sqlite3.OperationalError("disk I/O error")
        return done


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> type[Disk]:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Disk, **kwargs))
    for name, value in (("commits", 0), ("full", False), ("torn", False)):
        monkeypatch.setattr(Disk, name, value)
    return Disk


async def test_many_lines_share_a_transaction(tmp_path: Path, disk: type[Disk]) -> None:
    """A hundred messages at once need a few commits, and not a hundred."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.arm("march", line(0))
        before = disk.commits
        armed = await asyncio.gather(*(ledger.arm("march", line(number)) for number in range(1, 101)))
        assert all(one.mine for one in armed)
        assert disk.commits - before < 50


async def test_a_known_line_is_read_without_a_write(tmp_path: Path, disk: type[Disk]) -> None:
    """A redelivered message writes nothing: a full disk does not stop it."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.arm("march", line(1))
        disk.full = True
        assert (await ledger.arm("march", line(1))).line.state is LineState.SENDING


async def test_a_full_disk_arms_nothing(tmp_path: Path, disk: type[Disk]) -> None:
    """Nothing may be sent without its intent on disk; the next try is as if there had been none before."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.arm("march", line(0))
        disk.full = True
        with pytest.raises(LedgerError, match="full"):
            await ledger.arm("march", line(1))
        disk.full = False
        assert await ledger.find("k1") is None
        assert (await ledger.arm("march", line(1))).line.attempts == 1


async def test_a_line_of_a_doubtful_commit_goes_back(tmp_path: Path, disk: type[Disk]) -> None:
    """The commit reached the disk and its answer was lost: no caller got the line, so it is given back."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.arm("march", line(0))
        disk.torn = True
        with pytest.raises(LedgerError, match="I/O"):
            await ledger.arm("march", line(1))
        again = await ledger.arm("march", line(1))
        assert (again.mine, again.line.attempts, again.line.suspect) == (True, 2, False)
