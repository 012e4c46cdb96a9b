"""`sqlite.writer`: one thread writes for all callers, and a full disk loses no result."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import CODES, codes_of_order, each, line, one_placed, placed
from xoxo_async.bulk.ledger.lines import LineState, PlannedLine
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_a_full_disk_stops_claims_and_keeps_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No claim succeeds without its intent on disk; a result told in the meantime is written once there is space."""
    full = False
    real = sqlite3.connect

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            if full and sql.startswith(("UPDATE", "INSERT", "COMMIT")):
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Disk, **kwargs))
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        one, two = await ledger.claim(2)
        full = True
        with pytest.raises(LedgerError, match="full"):
            await ledger.claim(1)
        with pytest.raises(LedgerError, match=r"full; results kept in memory .*: 1.*they are lost with it"):
            await ledger.record([placed(one)])
        counts = await ledger.counts()
        assert (counts.issued, counts.unknown, counts.not_sent) == (0, 2, 1)
        full = False
        await ledger.record([placed(two, 8)])
        assert (await ledger.counts()).issued == 2
        assert await ledger.record([placed(one)])  # told again: no harm
        assert [line.seq for line in await ledger.claim(5)] == [3]


async def test_waiting_callers_share_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten claims and a result that waited for a plan share one fsync."""
    commits = 0
    real = sqlite3.connect

    class Counting(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            nonlocal commits
            commits += sql == "COMMIT"
            return super().execute(sql, *args)  # type: ignore[arg-type]

    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[PlannedLine]:
        begun.set()
        await go_on.wait()
        yield line(99)

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Counting, **kwargs))
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 13)))
        [one] = await ledger.claim(1)
        commits = 0
        planning = asyncio.create_task(ledger.plan("march", slow()))
        await begun.wait()
        recording = asyncio.create_task(ledger.record([placed(one)]))
        claiming = [asyncio.create_task(ledger.claim(1)) for _ in range(10)]
        await asyncio.sleep(0)  # they have asked
        go_on.set()
        claimed = [line.seq for lines in await asyncio.gather(*claiming) for line in lines]
        assert (claimed, [line.state for line in await recording]) == (list(range(2, 12)), [LineState.PLACED])
        assert await planning == (1, 0, 1, 0, 0)
        assert commits == 2  # the plan's, and theirs


async def test_a_bug_reaches_only_its_own_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as an error that names the ledger; the next one asks a connection opened anew."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))

        def fail(*_args: object) -> None:
            raise ZeroDivisionError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr("xoxo_async.bulk.ledger.sqlite.ledger.set_meta", fail)
            with pytest.raises(LedgerError, match=r"march\.db failed: a bug"):
                await ledger.set_fact("a", "b")
        assert await ledger.get_fact("a") is None
        await ledger.set_fact("a", "b")
        assert [one.seq for one in await ledger.claim(1)] == [1]


def swap(path: Path) -> None:
    """Put another ledger in the place of one."""
    shutil.copy(path, path.with_name("other"))
    path.with_name("other").rename(path)


BEFALLS: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "renamed": lambda path: path.rename(path.with_name("april.db")),
    "replaced": lambda path: [path.rename(path.with_name("april.db")), shutil.copy(path.with_name("april.db"), path)],
    "got a second name": lambda path: path.with_name("april.db").hardlink_to(path),
    "-wal was deleted": lambda path: path.with_name("march.db-wal").unlink(),
}


@pytest.mark.parametrize("what", BEFALLS)
async def test_a_lost_file_stops_claims_and_loses_nothing(tmp_path: Path, what: str) -> None:
    """A claim says what happened. Results are still written, and the file that was opened has all of them."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        one, two = await ledger.claim(2)
        await ledger.record([placed(one, 7)])
        BEFALLS[what](path)
        others = {file: file.read_bytes() for file in [path] if what == "replaced"}
        for asked in (ledger.claim(1), ledger.set_fact("a", "b"), ledger.plan("march", each([line(4)]))):
            with pytest.raises(LedgerError, match=r"nothing more is sent|hard links|deleted or replaced"):
                await asked
        await ledger.record([placed(two, 8)])
    assert {file: file.read_bytes() for file in others} == others
    saved = path
    if what == "deleted":
        assert not path.exists()
        (saved,) = tmp_path.glob("march.db.rescued-*")  # noqa: ASYNC240
    elif what in {"renamed", "replaced"}:
        assert path.exists() == (what == "replaced")
        saved = tmp_path / "april.db"
    elif what == "got a second name":
        (tmp_path / "april.db").unlink()
    async with SqliteLedger(saved) as ledger:
        counts = await ledger.counts()
        assert (counts.issued, counts.not_sent) == (2, 1)
        assert [one.codes async for one in ledger.lines(with_codes=True)] == [CODES, codes_of_order(8), None]


async def test_a_file_renamed_back_goes_on(tmp_path: Path) -> None:
    """Nothing was sent meanwhile, so nothing is wrong with it."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
        path.rename(tmp_path / "april.db")
        with pytest.raises(LedgerError, match="was renamed"):
            await ledger.claim(1)
        (tmp_path / "april.db").rename(path)
        assert len(await ledger.claim(1)) == 1


@pytest.mark.parametrize("what", ["deleted", "replaced"])
async def test_a_connection_is_never_renewed_to_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither is a file made where one was, nor is anything written to another run's ledger; results are kept."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)

        def fail(*_args: object) -> None:
            raise ZeroDivisionError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr("xoxo_async.bulk.ledger.sqlite.ledger.set_meta", fail)
            with pytest.raises(LedgerError, match="a bug"):
                await ledger.set_fact("a", "b")
        before: bytes | None = None
        if what == "replaced":
            swap(path)
            before = path.read_bytes()
        else:
            path.unlink()
        with pytest.raises(LedgerError, match=r"nothing more is sent.*results kept in memory .*: 1"):
            await ledger.record([placed(one)])
        with pytest.raises(LedgerError, match="nothing more is sent"):
            await ledger.claim(1)
    assert (path.read_bytes() if path.exists() else None) == before


async def test_a_replaced_ledger_is_not_removed_as_unused(tmp_path: Path) -> None:
    """Another ledger may have its name at the end."""
    path = tmp_path / "march.db"
    await one_placed(tmp_path / "books.db")
    async with SqliteLedger(path, keep_unused=False):
        (tmp_path / "books.db").rename(path)
    async with SqliteLedger(path, must_exist=True) as ledger:
        assert (await ledger.counts()).issued == 1
