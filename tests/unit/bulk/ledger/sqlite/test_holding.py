"""`sqlite.holding`: a new holder detects a copy, continues the clock, and seals codes that are in clear."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import codes_of_order, each, killed, line, one_placed, placed
from tests.unit.bulk.ledger.machines import Machine
from xoxo_async.bulk.ledger.bookkeeping import counted_anew
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.wal import Wal
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio

KEY = "A" * 43 + "="


# Copies.


async def copied(path: Path) -> bool:
    """Return what an opening that writes nothing finds out, and what a look finds out."""
    async with SqliteLedger(path, must_exist=True) as ledger:
        found = ledger.copied
    async with SqliteLedger(path, read_only=True) as view:
        assert view.copied == found
    return found


def move_all(path: Path, to: Path) -> Path:
    """Move a ledger with its notes."""
    to.parent.mkdir(exist_ok=True)
    path.with_name("l.db.lock").rename(to.with_name(to.name + ".lock"))
    return path.rename(to)


KEPT: dict[str, Callable[[Path], Path]] = {
    "left alone": lambda path: path,
    "renamed": lambda path: move_all(path, path.with_name("april.db")),
    "moved": lambda path: move_all(path, path.parent / "archive" / "l.db"),
}
CHANGED: dict[str, Callable[[Path], Path]] = {
    "copied": lambda path: Path(shutil.copy2(path, path.with_name("copy.db"))),
    "copied with its notes": lambda path: Path(shutil.copytree(path.parent, path.parent / "copy")) / "l.db",
    "restored": lambda path: [shutil.copy2(path, path.with_name("b")), path.with_name("b").rename(path)][1],
    "without its notes": lambda path: [path.with_name("l.db.lock").unlink(), path][1],  # type: ignore[func-returns-value, list-item]
    "with notes of another ledger": lambda path: [
        path.with_name("l.db.lock").write_bytes(path.with_name("l.db.lock").read_bytes()[:128] + b"f" * 30),
        path,
    ][1],  # type: ignore[list-item]
}


@pytest.mark.parametrize("how", KEPT)
async def test_a_ledger_that_was_moved_is_itself(tmp_path: Path, how: str) -> None:
    """With its lock file beside it, under any name on the same disk."""
    path = tmp_path / "l.db"
    await one_placed(path)
    assert not await copied(path)
    assert not await copied(KEPT[how](path))


@pytest.mark.parametrize("how", CHANGED)
async def test_a_copy_says_so_until_that_is_settled(tmp_path: Path, how: str) -> None:
    """Also after it was written to and closed; once its planned lines are in doubt, it is a ledger like any other."""
    path = tmp_path / "l.db"
    await one_placed(path)
    path = CHANGED[how](path)
    assert await copied(path)
    assert await copied(path)
    async with SqliteLedger(path) as ledger:
        assert not ledger.older  # it may be a second ledger beside the first one
    for _ in range(2):
        async with SqliteLedger(path) as ledger:
            await ledger.set_fact("a", "b")
            assert ledger.copied
    async with SqliteLedger(path) as ledger:
        await ledger.restored(reason="a test")
        assert not ledger.copied
    assert not await copied(path)


async def test_an_older_state_in_place_is_recognised(tmp_path: Path) -> None:
    """The place is the same, and only the notes beside it have later entries."""
    path, backup = tmp_path / "l.db", tmp_path / "backup"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
    shutil.copy(path, backup)
    async with SqliteLedger(path) as ledger:
        await ledger.record([placed((await ledger.claim(1))[0])])
    inode = path.stat().st_ino
    path.write_bytes(backup.read_bytes())
    assert path.stat().st_ino == inode
    assert await copied(path)
    async with SqliteLedger(path) as ledger:
        assert ledger.older
        await ledger.set_fact("a", "b")
    async with SqliteLedger(path) as ledger:
        assert ledger.older  # also when the notes beside it have fallen behind
        assert await ledger.restored(reason="a test") == 2
    assert not await copied(path)


async def test_a_restored_folder_is_known(tmp_path: Path) -> None:
    """It has its old notes beside it, and often its old inode number, which file systems reuse."""
    folder, backup = tmp_path / "job", tmp_path / "backup"
    folder.mkdir()
    path = folder / "l.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
    shutil.copytree(folder, backup)
    async with SqliteLedger(path) as ledger:
        await ledger.record([placed((await ledger.claim(1))[0])])
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    assert await copied(path)


async def test_an_older_states_absences_are_not_believed(tmp_path: Path) -> None:
    """The original sent the line again after the backup, perhaps a moment ago: absence is counted from the start."""
    path, backup, machine = tmp_path / "l.db", tmp_path / "backup.db", Machine()

    def absent(one: LedgerLine) -> Change:
        return Change(seq=one.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=one.epoch)

    async with SqliteLedger(path, clock=machine.read_wall, boot=machine.read_boot) as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch)])
        machine.pass_s(200)
        await ledger.record([absent(one)])
    shutil.copy(path, backup)
    machine.pass_s(200)
    async with SqliteLedger(path, clock=machine.read_wall, boot=machine.read_boot) as ledger:
        await ledger.record([absent(one)])
        assert len(await ledger.claim(1)) == 1
    async with SqliteLedger(backup, clock=machine.read_wall, boot=machine.read_boot) as ledger:
        await ledger.recover()
        assert await ledger.restored(reason="a test") == 1
        (one,) = [each async for each in ledger.lines()]
        (one,) = await ledger.record([absent(one)])
        assert (one.state, one.lookups) == (LineState.UNKNOWN, 0)


async def test_a_killed_run_leaves_no_copy(tmp_path: Path) -> None:
    """The next run goes on without look-ups of planned rows."""
    path = tmp_path / "l.db"
    killed(path)
    assert not await copied(path)


async def test_an_older_state_after_a_kill_is_refused(
    tmp_path: Path,
) -> None:
    """It looks like a torn ledger. The error names how to open it, and then it is a copy."""
    path, backup = tmp_path / "l.db", tmp_path / "backup"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
    shutil.copy(path, backup)
    killed(path)
    (tmp_path / "l.db-wal").unlink()
    backup.rename(path)
    with pytest.raises(LedgerError, match=r"torn, or is an older copy.*remove l\.db\.lock"):
        await SqliteLedger(path).open()
    (tmp_path / "l.db.lock").unlink()
    assert await copied(path)


@pytest.mark.parametrize("in_place", [True, False])
async def test_a_backup_is_not_mixed_with_another_wal(tmp_path: Path, in_place: bool) -> None:
    """SQLite would write the newer pages over the older file without an error."""
    path, backup = tmp_path / "l.db", tmp_path / "backup"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
    shutil.copy(path, backup)
    killed(path)
    before = (tmp_path / "l.db-wal").read_bytes()
    if in_place:
        path.write_bytes(backup.read_bytes())
    else:
        backup.rename(path)
    for read_only in (False, True):
        with pytest.raises(LedgerError, match=r"replaced by another file.*l\.db-wal holds orders"):
            await SqliteLedger(path, read_only=read_only).open()
    assert (tmp_path / "l.db-wal").read_bytes() == before


# Time.


def ledger_on(machine: Machine, path: Path) -> SqliteLedger:
    """Return a ledger that is opened on a machine."""
    return SqliteLedger(path, clock=machine.read_wall, boot=machine.read_boot)


async def lost(machine: Machine, path: Path) -> None:
    """Leave a line whose answer was lost."""
    async with ledger_on(machine, path) as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch)])


async def absent(ledger: SqliteLedger) -> LedgerLine:
    """Tell a ledger that a look-up made just now found no order."""
    one = await anext(ledger.lines())
    change = Change(seq=one.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=one.epoch, at=ledger.now())
    return (await ledger.record([change]))[0]


async def test_no_stamp_is_after_the_ledgers_clock(tmp_path: Path) -> None:
    """Both are in milliseconds: what is due at once is due at the moment of its stamp, not half a millisecond later."""
    machine = Machine()
    machine.pass_s(0.0006)
    async with ledger_on(machine, tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        assert one.last_sent_tick == ledger.now()


async def test_a_slow_clock_makes_no_send_look_old(tmp_path: Path) -> None:
    """The clock was an hour behind when the row was sent; it is right at the resume: absence is not yet believed."""
    machine, path = Machine(), tmp_path / "l.db"
    machine.wall -= 3600
    await lost(machine, path)
    machine.wall += 3600
    machine.pass_s(10)
    async with ledger_on(machine, path) as ledger:
        assert (await absent(ledger)).lookups == 0
        machine.pass_s(141)
        assert (await absent(ledger)).lookups == 1


@pytest.mark.parametrize("restart", [False, True])
async def test_a_run_in_the_future_ends_its_wait(tmp_path: Path, restart: bool) -> None:
    """The clock was a year ahead; every later resume, however short, brings the end of the wait nearer."""
    machine, path = Machine(), tmp_path / "l.db"
    machine.wall += 31_536_000
    await lost(machine, path)
    machine.wall -= 31_536_000
    if restart:
        machine.restart()
    for _ in range(20):
        async with ledger_on(machine, path) as ledger:
            one = await absent(ledger)
            machine.pass_s(10)
    assert one.state is LineState.PLANNED


async def test_a_new_clock_follows_the_pure_rule(tmp_path: Path) -> None:
    """`counted_anew` says which lines get another stamp; the others keep theirs."""
    machine, path = Machine(), tmp_path / "l.db"
    async with ledger_on(machine, path) as ledger:
        await ledger.plan("march", each([line(number) for number, _ in enumerate(LineState, 1)]))
    with sqlite3.connect(path) as connection:
        for number, state in enumerate(LineState, 1):
            values = (state.value, machine.wall - 500 - number, number)
            connection.execute("UPDATE lines SET state = ?, last_sent_tick = ? WHERE seq = ?", values)
    connection.close()
    async with ledger_on(machine, path) as ledger:
        before = [one async for one in ledger.lines()]
        machine.restart(off_s=3600)
    async with ledger_on(machine, path) as ledger:
        began = round(ledger.now(), 3)
        await ledger.set_fact("a", "b")
        assert [one async for one in ledger.lines()] == [counted_anew(one, began) for one in before]


async def test_a_restart_begins_the_wait_anew_once(tmp_path: Path) -> None:
    """The time since the send is not known, so it counts from the first opening."""
    machine, path = Machine(), tmp_path / "l.db"
    await lost(machine, path)
    machine.restart(off_s=31_536_000)  # or so the wall clock says
    async with ledger_on(machine, path) as ledger:
        assert (await absent(ledger)).lookups == 0
        machine.pass_s(100)
    async with ledger_on(machine, path) as ledger:
        machine.pass_s(51)
        assert (await absent(ledger)).lookups == 1


async def test_dates_are_the_wall_clocks(tmp_path: Path) -> None:
    """Dates for people, and dates that are compared with the vendor's, follow the wall clock."""
    machine, path = Machine(), tmp_path / "l.db"
    async with ledger_on(machine, path) as ledger:
        await ledger.plan("march", each([line(1)]))
        machine.pass_s(10)
        machine.wall += 31_536_000
        (one,) = await ledger.claim(1)
        assert (one.first_sent_at, one.last_sent_at) == (machine.wall, machine.wall)
        assert one.last_sent_tick == ledger.now()
        assert [row.at async for row in ledger.journal()][-1] == machine.wall


KILLED_AT_ITS_FIRST_COMMIT = """
import asyncio, os, sqlite3, sys
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger

class Connection(sqlite3.Connection):
    held = False

    def execute(self, sql, *args):
        done = super().execute(sql, *args)
        Connection.held |= "holder" in str(args)
        if sql == "COMMIT" and Connection.held:
            os._exit(9)
        return done

real = sqlite3.connect
sqlite3.connect = lambda *args, **options: real(*args, factory=Connection, **options)

async def main():
    async with SqliteLedger(sys.argv[1]) as ledger:
        await ledger.set_fact("a", "b")

asyncio.run(main())
"""


async def test_a_first_holders_kill_makes_no_copy(tmp_path: Path) -> None:
    """The file is in its place; only the note beside it, which names the ledger, could be missing."""
    path = tmp_path / "l.db"
    argv = [sys.executable, "-c", KILLED_AT_ITS_FIRST_COMMIT, str(path)]
    assert subprocess.run(argv, check=False).returncode == 9  # noqa: ASYNC221
    async with SqliteLedger(path) as ledger:
        assert not ledger.copied
        await ledger.plan("march", each([line(1)]))
        assert await ledger.withdraw(["k1"], reason="not wanted") == 1


# Codes.


def clear_in(path: Path) -> bool:
    """Return whether a code is in clear anywhere in a ledger's files."""
    return any(b"BEARER" in file.read_bytes() for file in path.parent.iterdir())


LONGER = b'[{"code":"BEARER-CASH-1","pin":"%s"}]' % (b"9" * 400)
"""The same code with its PIN: what was written first is overwritten."""


async def with_clear_codes(path: Path, count: int) -> None:
    """Make a ledger with codes in clear, some of them written twice."""
    async with SqliteLedger(path, codes_key="") as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, count + 1)))
        lines = await ledger.claim(count)
        await ledger.record([placed(one, one.seq) for one in lines])
        longer = Change(seq=1, evidence=Evidence.DELIVERY_SEEN, epoch=lines[0].epoch, codes=LONGER, order_id=1)
        await ledger.record([longer])


async def test_a_later_key_seals_what_is_there(tmp_path: Path) -> None:
    """Nothing is left in clear, not in freed space and not in the -wal; and the codes are still the same."""
    pytest.importorskip("cryptography")
    path = tmp_path / "l.db"
    await with_clear_codes(path, 1201)
    assert clear_in(path)
    async with SqliteLedger(path, codes_key=KEY) as ledger:
        await ledger.set_fact("a", "b")
        assert not clear_in(path)
        codes = [one.codes async for one in ledger.lines(with_codes=True)]
    assert codes == [LONGER, *(codes_of_order(number) for number in range(2, 1202))]
    assert not clear_in(path)
    with pytest.raises(LedgerError, match="set XOXO_LEDGER_KEY"):
        await SqliteLedger(path, codes_key="").open()


async def test_a_later_key_seals_what_a_kill_left(tmp_path: Path) -> None:
    """The -wal has codes in clear then, and is cut off: to overwrite it would leave the rest."""
    pytest.importorskip("cryptography")
    path = tmp_path / "l.db"
    killed(path)
    assert clear_in(path)
    async with SqliteLedger(path, codes_key=KEY) as ledger:
        await ledger.set_fact("a", "b")
        assert not clear_in(path)
        assert len([one.codes async for one in ledger.lines(with_codes=True) if one.codes]) == 8


async def test_a_reader_only_delays_the_cutting_off(tmp_path: Path) -> None:
    """The -wal cannot be cut off while another program reads an earlier state; it is at the next checkpoint."""
    pytest.importorskip("cryptography")
    path = tmp_path / "l.db"
    killed(path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM lines").fetchone()
    async with SqliteLedger(path, codes_key=KEY) as ledger:
        await ledger.set_fact("a", "b")
        assert clear_in(path)
        reader.execute("ROLLBACK")
        await ledger.plan("march", each(line(number) for number in range(9, 900)))
        assert not clear_in(path)
    reader.close()


async def test_what_a_kill_left_is_cut_off_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All codes are sealed in the file then, and only the -wal still has them in clear."""
    pytest.importorskip("cryptography")
    path, image = tmp_path / "old" / "l.db", tmp_path / "new" / "l.db"
    path.parent.mkdir()
    killed(path)
    with monkeypatch.context() as killed_there:
        killed_there.setattr(Wal, "check_point", lambda *_args, **_options: None)
        async with SqliteLedger(path, codes_key=KEY) as ledger:
            await ledger.set_fact("a", "b")
            shutil.copytree(path.parent, image.parent)
    assert clear_in(image)
    async with SqliteLedger(image, codes_key=KEY) as ledger:
        await ledger.set_fact("c", "d")
        assert not clear_in(image)


async def test_the_next_holder_finishes_the_sealing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails in the midst of it leaves some codes in clear, and the next opening seals the rest."""
    pytest.importorskip("cryptography")
    path = tmp_path / "l.db"
    await with_clear_codes(path, 1201)
    commits = 0
    real = sqlite3.connect

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            nonlocal commits
            commits += sql == "COMMIT"
            if commits > 5 and sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Disk, **kwargs))
        async with SqliteLedger(path, codes_key=KEY) as ledger:
            with pytest.raises(LedgerError, match="disk I/O"):
                await ledger.set_fact("a", "b")
    assert clear_in(path)
    async with SqliteLedger(path, codes_key=KEY) as ledger:
        await ledger.set_fact("a", "b")
        assert [one.codes async for one in ledger.lines(with_codes=True)][1:] == [
            codes_of_order(number) for number in range(2, 1202)
        ]
    assert not clear_in(path)


async def test_openings_without_codes_seal_nothing(tmp_path: Path) -> None:
    """They have no key to seal with, or nothing to write."""
    path = tmp_path / "l.db"
    await with_clear_codes(path, 3)
    async with SqliteLedger(path, codes_key=KEY, read_only=True) as view:
        assert [one.codes async for one in view.lines(with_codes=True)][1:] == [codes_of_order(2), codes_of_order(3)]
    async with SqliteLedger(path, store_codes=False) as ledger:
        await ledger.set_fact("a", "b")
    assert clear_in(path)
