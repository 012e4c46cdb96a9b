"""The SQLite ledger's file, lock, codes and failures, one by one."""

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from xoxo_async.bulk.ledger import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.errors import LedgerConflictError, LedgerError, LedgerLockedError, PlanError

pytestmark = pytest.mark.anyio

KEY = "A" * 43 + "="
CODES = b'[{"code":"BEARER-CASH"}]'


def line(number: int, **other: str) -> PlannedLine:
    """Return a line."""
    facts = {"key": f"k{number}", "po_number": f"po{number}", "digest": f"d{number}"} | other
    return PlannedLine(**facts, request=b'{"n":%d}' % number, row=number)


async def each(lines: Iterable[PlannedLine]) -> AsyncIterator[PlannedLine]:
    """Yield lines."""
    for one in lines:
        yield one


def placed(one: LedgerLine, order_id: int = 7) -> Change:
    """Return a proof."""
    return Change(
        seq=one.seq,
        evidence=Evidence.ANSWERED_PLACED,
        epoch=one.epoch,
        order_id=order_id,
        delivery=Delivery.DELIVERED,
        amount_charged=Decimal("49.50"),
        currency="INR",
        codes=CODES,
    )


async def one_placed(path: Path, key: str = "") -> None:
    """Make a ledger with one placed line."""
    async with SqliteLedger(path, codes_key=key) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.record([placed((await ledger.claim(1))[0])])


HOLDER = """
import asyncio, sys
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
async def main():
    async with SqliteLedger(sys.argv[1]) as ledger:
        await ledger.set_meta("a", "b")
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_second_process_is_refused_with_the_holder_s_pid_until_the_holder_dies(tmp_path: Path) -> None:
    """The lock names who has it, and a killed holder leaves it free."""
    path = tmp_path / "march.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LedgerLockedError, match=str(holder.pid)) as refused:
            await SqliteLedger(path).open()
        assert refused.value.holder_pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    async with SqliteLedger(path) as ledger:
        assert await ledger.get_meta("a") == "b"


async def test_the_same_process_cannot_open_a_ledger_twice(tmp_path: Path) -> None:
    """Also not by another name of the same file."""
    path, alias = tmp_path / "march.db", tmp_path / "alias.db"
    async with SqliteLedger(path):
        alias.symlink_to(path)
        with pytest.raises(LedgerLockedError, match="in this process"):
            await SqliteLedger(alias).open()


@pytest.mark.parametrize("umask", [0o000, 0o277])
async def test_every_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Database, WAL, shared memory and lock are 0600 while they are in use."""
    before = os.umask(umask)
    try:
        async with SqliteLedger(tmp_path / "march.db") as ledger:
            await ledger.plan("march", each([line(1)]))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in list(tmp_path.iterdir())}  # noqa: ASYNC240
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["march.db", "march.db-wal", "march.db-shm", "march.db.lock"], 0o600)


async def test_a_file_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    """A ledger restored from a backup with open permissions is closed to others."""
    path = tmp_path / "march.db"
    await one_placed(path)
    path.chmod(0o644)
    async with SqliteLedger(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def spoil(path: Path, how: str) -> None:
    """Make something of a file that is no ledger."""
    raw = path.read_bytes()
    path.unlink()
    if how == "directory":
        path.mkdir()
    elif how == "other program":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
    else:
        page = bytearray(raw)
        page[4096 * 3 : 4096 * 3 + 600] = b"\xff" * 600
        newer = raw[:60] + (99).to_bytes(4, "big") + raw[64:]
        contents = {"text": b"key,product_id\n" * 30, "empty": b"", "cut": raw[: len(raw) // 2], "stub": raw[:50]}
        path.write_bytes((contents | {"page": bytes(page), "newer": newer})[how])


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("directory", "is a directory"),
        ("other program", "another program"),
        ("text", "is not a ledger"),
        ("empty", "is empty"),
        ("cut", "is cut off"),
        ("stub", "is cut off"),
        ("page", "damaged"),
        ("newer", "newer xoxo-async"),
    ],
)
async def test_what_is_no_sound_ledger_is_refused_and_left_alone(tmp_path: Path, how: str, says: str) -> None:
    """The error says what the file is; the file is not touched, and its lock is let go."""
    path = tmp_path / "march.db"
    await one_placed(path)
    spoil(path, how)
    before = path.read_bytes() if path.is_file() else b""
    for _ in range(2):
        with pytest.raises(LedgerError, match=says) as refused:
            await SqliteLedger(path).open()
        assert not isinstance(refused.value, LedgerLockedError)
    assert (path.read_bytes() if path.is_file() else b"") == before


async def test_a_missing_ledger_is_not_made_when_it_must_exist(tmp_path: Path) -> None:
    """Nothing is made but the lock."""
    with pytest.raises(LedgerError, match="no ledger"):
        await SqliteLedger(tmp_path / "march.db", must_exist=True).open()
    assert not (tmp_path / "march.db").exists()


async def test_a_copy_without_its_wal_is_refused_and_one_with_it_is_complete(tmp_path: Path) -> None:
    """The latest orders are in the -wal; a backup of the main file alone must not pass for the ledger."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.claim(1)
        (tmp_path / "half").mkdir()
        (tmp_path / "whole").mkdir()
        for name in ("march.db", "march.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "whole" / name)
        shutil.copy(path, tmp_path / "half" / "march.db")
    with pytest.raises(LedgerError, match="incomplete"):
        await SqliteLedger(tmp_path / "half" / "march.db").open()
    async with SqliteLedger(tmp_path / "whole" / "march.db") as ledger:
        assert await ledger.recover() == 1


async def test_a_wal_left_without_its_ledger_stops_a_new_one(tmp_path: Path) -> None:
    """SQLite would replay the old WAL into the new file."""
    (tmp_path / "march.db-wal").write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError, match="is gone"):
        await SqliteLedger(tmp_path / "march.db").open()


async def test_codes_are_sealed_with_a_key_and_open_only_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed codes are nowhere in the file; no key or another one is refused with words."""
    pytest.importorskip("cryptography")
    path = tmp_path / "march.db"
    await one_placed(path, KEY)
    assert b"BEARER" not in path.read_bytes()
    monkeypatch.delenv("XOXO_LEDGER_KEY", raising=False)
    with pytest.raises(LedgerError, match="set XOXO_LEDGER_KEY"):
        await SqliteLedger(path).open()
    with pytest.raises(LedgerError, match="not the key"):
        await SqliteLedger(path, codes_key="B" * 43 + "=").open()
    with pytest.raises(LedgerError, match="32 bytes"):
        await SqliteLedger(path, codes_key="short").open()
    monkeypatch.setenv("XOXO_LEDGER_KEY", KEY)
    async with SqliteLedger(path) as ledger:
        lines = [one async for one in ledger.lines(with_codes=True)]
        assert lines[0].codes == CODES
    async with SqliteLedger(path, store_codes=False) as ledger:  # counting needs no key
        assert (await ledger.counts()).charged == {"INR": Decimal("49.50")}


async def test_codes_are_in_no_repr_and_not_kept_unless_asked(tmp_path: Path) -> None:
    """Bearer cash shows nowhere."""
    async with SqliteLedger(tmp_path / "march.db", store_codes=False) as ledger:
        await ledger.plan("march", each([line(1)]))
        change = placed((await ledger.claim(1))[0])
        await ledger.record([change])
        [one] = [one async for one in ledger.lines(with_codes=True)]
    assert one.codes is None
    assert "BEARER" not in repr(change) + repr(one)


async def test_a_plan_that_fails_anywhere_leaves_nothing(tmp_path: Path) -> None:
    """An error in the stream, a conflict late in it, and a cancelled planner each leave the ledger as it was."""

    async def broken() -> AsyncIterator[PlannedLine]:
        for number in range(1, 2500):
            yield line(number)
        raise ValueError("a bad row")

    async def endless() -> AsyncIterator[PlannedLine]:
        for number in range(1, 1500):
            yield line(number)
        await asyncio.Event().wait()

    async with SqliteLedger(tmp_path / "march.db") as ledger:
        with pytest.raises(ValueError, match="a bad row"):
            await ledger.plan("march", broken())
        late = [line(number) for number in range(1, 2500)]
        with pytest.raises(LedgerConflictError, match=r"row 2 \(key k2\)"):
            await ledger.plan("march", each([*late, line(2, digest="other")]))
        with pytest.raises(LedgerConflictError, match="has the poNumber of row 1"):
            await ledger.plan("march", each([line(1), line(2, po_number="po1", digest="d1")]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ledger.plan("march", endless()), 0.05)
        assert (await ledger.counts()).rows == 0
        assert await ledger.plan("april", each(late)) == (2499, 0, 2499)
        with pytest.raises(LedgerError, match="holds the job 'april'"):
            await ledger.plan("march", each([line(1)]))
        assert ledger.job == "april"


async def test_claims_wait_for_a_plan_to_end(tmp_path: Path) -> None:
    """Nothing of a plan can be sent before all of it stands."""
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[PlannedLine]:
        yield line(1)
        await go_on.wait()
        yield line(2)

    async with SqliteLedger(tmp_path / "march.db") as ledger:
        planning = asyncio.create_task(ledger.plan("march", slow()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        claiming = asyncio.create_task(ledger.claim(5))
        await asyncio.wait([claiming], timeout=0.05)
        assert not claiming.done()
        go_on.set()
        assert await planning == (2, 0, 2)
        assert [one.seq for one in await claiming] == [1, 2]


async def test_a_claim_whose_caller_is_gone_goes_back(tmp_path: Path) -> None:
    """A cancelled claim leaves no line that nobody will send."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1)]))
        claiming = asyncio.create_task(ledger.claim(1))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])
        assert claiming.cancelled()
        lines: list[LedgerLine] = []
        while not lines:  # each round is a transaction: it comes back behind one of them
            lines = await ledger.claim(1)
        assert lines[0].attempts == 2


async def test_a_result_whose_caller_is_gone_is_written(tmp_path: Path) -> None:
    """A cancelled recorder loses nothing."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
        [one] = await ledger.claim(1)
        recording = asyncio.create_task(ledger.record([placed(one)]))
        await asyncio.sleep(0)
        recording.cancel()
    async with SqliteLedger(path) as ledger:
        assert (await ledger.counts()).issued == 1


async def test_one_illegal_change_does_not_hold_up_the_legal_ones(tmp_path: Path) -> None:
    """What applies is written, then the rest is named; facts only the ledger may state are refused too."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        one, two = await ledger.claim(2)
        withdrawn = Change(seq=two.seq, evidence=Evidence.WITHDRAWN, epoch=two.epoch)
        nowhere = Change(seq=99, evidence=Evidence.NOT_PROCESSED, epoch=1)
        armed = Change(seq=two.seq, evidence=Evidence.SLOT_IN_HAND, epoch=two.epoch)
        huge = placed(two, order_id=2**63)
        with pytest.raises(LedgerConflictError, match=r"refused 4 of 5 changes.*k2"):
            await ledger.record([withdrawn, nowhere, armed, huge, placed(one)])
        states = [one.state async for one in ledger.lines()]
        assert states == [LineState.PLACED, LineState.SENDING]


async def test_a_second_order_for_a_line_is_an_alarm_and_overwrites_nothing(tmp_path: Path) -> None:
    """T12: the other order is journalled and raised."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1)]))
        [one] = await ledger.claim(1)
        await ledger.record([placed(one, 7)])
        with pytest.raises(LedgerConflictError, match="order 7 is stored, and order 8"):
            await ledger.record([placed(one, 8)])
        assert [line.order_id async for line in ledger.lines()] == [7]
        alarms = [(row.transition, row.order_id) async for row in ledger.journal(seq=1)]
        assert alarms[-1] == ("!", 8)


async def test_lines_of_some_states_come_in_order_across_chunks(tmp_path: Path) -> None:
    """Streaming by state merges the states, and misses none."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 1701)))
        claimed = await ledger.claim(1300)
        lost = [Change(seq=c.seq, evidence=Evidence.OUTCOME_LOST, epoch=c.epoch) for c in claimed if c.seq % 2]
        await ledger.record(lost)
        seqs = [one.seq async for one in ledger.lines(states={LineState.UNKNOWN, LineState.PLANNED})]
        assert seqs == [*range(1, 1301, 2), *range(1301, 1701)]
        assert [one.seq async for one in ledger.lines(after=1690)] == list(range(1691, 1701))


async def test_a_full_disk_stops_claims_keeps_results_and_lets_the_run_go_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        with pytest.raises(LedgerError, match=r"full; 1 results are kept"):
            await ledger.record([placed(one)])
        counts = await ledger.counts()
        assert (counts.issued, counts.unknown, counts.not_sent) == (0, 2, 1)
        full = False
        await ledger.record([placed(two, 8)])
        assert (await ledger.counts()).issued == 2
        assert await ledger.record([placed(one)])  # told again: no harm
        assert [line.seq for line in await ledger.claim(5)] == [3]


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


@pytest.mark.parametrize("apart", [1, 1500])
async def test_a_row_that_repeats_another_one_of_its_plan_is_refused(tmp_path: Path, apart: int) -> None:
    """Said again in a later plan it is the same row; twice in one plan, also chunks apart, it may be two gifts."""
    lines = [line(n) for n in range(1, apart + 1)]
    again = msgspec.structs.replace(lines[0], row=apart + 7)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(PlanError, match=rf"row {apart + 7}, column key: .* stands in row {lines[0].row} already"):
            await ledger.plan("job", each([*lines, again]))
        assert (await ledger.counts()).rows == 0
        await ledger.plan("job", each(lines))
        assert (await ledger.plan("job", each([again]))).known == 1


async def test_an_order_belongs_to_one_line(tmp_path: Path) -> None:
    """An answer that names another line's order is doubt, a look-up a mismatch, a person's word an error."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        first, second, third = await ledger.claim(3)
        one, other = await ledger.record([placed(first, 7), placed(second, 7)])
        assert (one.state, other.state, other.order_id) == (LineState.PLACED, LineState.UNKNOWN, None)
        assert "order 7" in other.error
        (other,) = await ledger.record([placed(third, 7)])
        assert other.state is LineState.UNKNOWN
        found = Change(seq=second.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=second.epoch, order_id=7)
        (other,) = await ledger.record([found])
        assert other.state is LineState.MANUAL
        word = Change(seq=second.seq, evidence=Evidence.PERSON_PLACED, epoch=second.epoch, order_id=7, reason="r")
        with pytest.raises(LedgerConflictError, match="order 7 is line 1's"):
            await ledger.record([word])
        right = msgspec.structs.replace(word, order_id=8)
        (other,) = await ledger.record([right])
        assert other.state is LineState.PLACED
        codes = [one.codes async for one in ledger.lines(with_codes=True)]
        assert codes[1:] == [None, None]


def killed(path: Path) -> None:
    """Leave a ledger as kill -9 leaves it: placed lines in its `-wal`."""
    script = f"""
import asyncio, os
from tests.unit.bulk.test_ledger_sqlite import each, line, placed
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
async def main():
    async with SqliteLedger({str(path)!r}) as ledger:
        await ledger.plan("march", each([line(n) for n in range(1, 9)]))
        for n in range(1, 9):
            (one,) = await ledger.claim(1)
            await ledger.record([placed(one, n)])
        os._exit(9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == 9


@pytest.mark.parametrize("left", ["half", "nothing", "gone"])
async def test_a_wal_that_lost_its_end_is_refused(tmp_path: Path, left: str) -> None:
    """SQLite takes what is left of it for all there was, and those orders would be placed again."""
    path, wal = tmp_path / "l.db", tmp_path / "l.db-wal"
    killed(path)
    size = wal.stat().st_size
    if left == "gone":
        wal.unlink()
    else:
        os.truncate(wal, size // 2 if left == "half" else 0)
    with pytest.raises(LedgerError, match="torn"):
        async with SqliteLedger(path):
            pass
    with pytest.raises(LedgerError, match="torn"):  # and it stays refused
        async with SqliteLedger(path):
            pass


async def test_a_wal_left_by_kill_9_is_whole(tmp_path: Path) -> None:
    """What was committed is there, and the next clean end leaves nothing that a later opening trips over."""
    path = tmp_path / "l.db"
    killed(path)
    for _ in range(2):
        async with SqliteLedger(path) as ledger:
            assert (await ledger.counts()).issued == 8
    path.unlink()
    async with SqliteLedger(path) as ledger:  # a new ledger beside the old one's lock file
        assert (await ledger.counts()).rows == 0
