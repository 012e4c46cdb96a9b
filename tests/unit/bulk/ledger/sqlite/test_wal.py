"""`sqlite.wal`: other programs may read a ledger, and a missing `-wal` is still detected."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import each, killed, line, one_placed, placed
from xoxo_async.bulk.ledger.sqlite import wal
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.wal import base_of
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM lines WHERE state = 'placed'").fetchone()[0])
connection.close()
"""
PASSIVE = LOOK.replace("connection.close()", "connection.execute('PRAGMA wal_checkpoint')\nimport os; os._exit(0)")


@pytest.mark.parametrize("script", [LOOK, PASSIVE])
async def test_another_program_may_read_after_a_kill(tmp_path: Path, script: str) -> None:
    """As the last to close, it moves the -wal into the file: nothing is lost by that, so nothing is refused."""
    path = tmp_path / "l.db"
    killed(path)
    told = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True).stdout  # noqa: ASYNC221
    assert told == b"8\n"
    assert (tmp_path / "l.db-wal").exists() == (script is PASSIVE)
    async with SqliteLedger(path, read_only=True) as view:
        assert (await view.counts()).issued == 8
    async with SqliteLedger(path) as ledger:
        assert (await ledger.counts()).issued == 8


async def test_a_long_reader_delays_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began to read before the run did and goes on: claims and results are written all the same, without a wait."""
    monkeypatch.setattr(wal, "_SOON", 0)
    monkeypatch.setattr(wal, "_FEW", 0)  # every commit tries to shorten the -wal
    path = tmp_path / "l.db"
    await one_placed(path)
    reader = sqlite3.connect(path, isolation_level=None)
    try:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (1,)
        async with SqliteLedger(path) as ledger:
            await ledger.plan("march", each(line(number) for number in range(1, 100)))
            for number in range(2, 20):
                (one,) = await ledger.claim(1)
                await ledger.record([placed(one, number + 100)])
            assert (await ledger.counts()).issued == 19
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (1,)
    finally:
        reader.close()
    async with SqliteLedger(path) as ledger:
        assert (await ledger.counts()).issued == 19


async def test_the_wal_is_shortened_after_a_reader_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows while somebody reads, and is moved into the file afterwards."""
    monkeypatch.setattr(wal, "_LONG", 100_000)
    path = tmp_path / "l.db"
    await one_placed(path)
    reader = sqlite3.connect(path, isolation_level=None)
    async with SqliteLedger(path) as ledger:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM lines").fetchall()
        await ledger.plan("march", each(line(number) for number in range(2, 2000)))
        assert (tmp_path / "l.db-wal").stat().st_size > 200_000
        reader.execute("ROLLBACK")
        await ledger.plan("march", each(line(number) for number in range(2000, 3000)))
        assert (tmp_path / "l.db-wal").stat().st_size < 20_000
    reader.close()


async def test_an_overwritten_wal_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the machine stops, new transactions count, and what an older round left behind them does not."""
    monkeypatch.setattr(wal, "_FEW", 0)
    monkeypatch.setattr(wal, "_MANY", 20)
    path, names, sizes = tmp_path / "l.db", set[str | None](), set[int]()
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 40)))
        for number in range(1, 40):
            (one,) = await ledger.claim(1)
            await ledger.record([placed(one, number)])
            names.add(base_of(path))
            sizes.add((tmp_path / "l.db-wal").stat().st_size)
            (tmp_path / str(number)).mkdir()
            for name in ("l.db", "l.db-wal", "l.db.lock"):
                shutil.copy(tmp_path / name, tmp_path / str(number) / name)
    assert len(names) > 5
    assert len(sizes) < 20  # it does not grow with each transaction
    for number in range(1, 40):
        async with SqliteLedger(tmp_path / str(number) / "l.db") as image:
            assert (await image.counts()).issued == number
            assert len([row async for row in image.journal()]) == 39 + 2 * number


async def test_a_very_long_wal_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large plan writes all of it at once; the disk gets the room back while the ledger is open."""
    monkeypatch.setattr(wal, "_LONG", 50_000)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 2000)))
        assert (tmp_path / "l.db-wal").stat().st_size < 20_000


async def test_a_reader_hides_no_missing_wal(tmp_path: Path) -> None:
    """The mark is written as soon as the reader is gone."""
    path = tmp_path / "l.db"
    await one_placed(path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM lines").fetchone()
    (tmp_path / "half").mkdir()
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 1500)))
        reader.close()
        await ledger.plan("march", each(line(number) for number in range(1500, 2000)))
        await ledger.claim(1)
        shutil.copy(path, tmp_path / "half" / "l.db")
    with pytest.raises(LedgerError, match="incomplete"):
        await SqliteLedger(tmp_path / "half" / "l.db").open()


async def test_each_checkpoint_gives_the_file_a_name(tmp_path: Path) -> None:
    """So the -wal that goes on from it is known to be its own. What is no database has none."""
    path = tmp_path / "l.db"
    names = set()
    for _ in range(3):
        async with SqliteLedger(path) as ledger:
            await ledger.set_fact("a", "b")
            names.add(base_of(path))
    assert len(names - {None, ""}) == 3
    (tmp_path / "text").write_text("key,product_id\n" * 100)
    assert base_of(tmp_path / "text") is None
