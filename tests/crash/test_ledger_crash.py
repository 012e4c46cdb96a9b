"""A ledger whose process dies, or whose disk fails, at any point has all that it confirmed, and nothing more.

This file is also the program that dies: it plans, claims and records, and appends to a log what it was told is done.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.broken_calls import run_traced
from tests.crash.sampling import Sample
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

LINES = 6
ENDS = {  # the result of each line in the program below
    1: Evidence.ANSWERED_PLACED,
    2: Evidence.OUTCOME_LOST,
    3: Evidence.REFUSED_NO_ORDER,
    4: Evidence.ANSWERED_PLACED,
}
STATES = {
    Evidence.ANSWERED_PLACED: LineState.PLACED,
    Evidence.OUTCOME_LOST: LineState.UNKNOWN,
    Evidence.REFUSED_NO_ORDER: LineState.REJECTED,
}


# The program.


async def planned(count: int) -> AsyncIterator[PlannedLine]:
    """Yield lines."""
    for number in range(1, count + 1):
        yield PlannedLine(key=f"k{number}", po_number=f"po{number}", digest=f"d{number}", request=b"{}", row=number)


def code_of(seq: int) -> bytes:
    """Return the voucher code of a line's order."""
    return b'[{"code":"code-%d"}]' % seq


def result(line: LedgerLine) -> Change:
    """Return the result that the program records for a line."""
    evidence = ENDS[line.seq]
    placed = evidence is Evidence.ANSWERED_PLACED
    return Change(
        seq=line.seq,
        evidence=evidence,
        epoch=line.epoch,
        order_id=line.seq if placed else None,
        delivery=Delivery.DELIVERED if placed else Delivery.NONE,
        codes=code_of(line.seq) if placed else None,
    )


async def work(path: Path, log: int) -> None:
    """Plan, claim and record, and log every answer before the next step."""

    def done(what: str, seqs: list[int]) -> None:
        os.write(log, json.dumps([what, seqs]).encode() + b"\n")

    async with SqliteLedger(path) as ledger:
        await ledger.recover()
        done("plan", [(await ledger.plan("march", planned(LINES))).added])
        for _ in range(2):
            lines = await ledger.claim(2)
            done("claim", [line.seq for line in lines])
            await asyncio.gather(*(recorded(ledger, line, done) for line in lines))
        await ledger.set_fact("fact", "kept")
        done("meta", [])


async def recorded(ledger: SqliteLedger, line: LedgerLine, done: "type[object] | object") -> None:
    """Record one line's end."""
    await ledger.record([result(line)])
    done("record", [line.seq])  # type: ignore[operator]


class Dying(sqlite3.Connection):
    """A connection that dies at one of its statements: before it at an even point, after it at an odd one."""

    point = 0
    die_at = -1

    def execute(self, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
        """Run a statement, or die."""
        Dying.step()
        try:
            return super().execute(*args)  # type: ignore[arg-type]
        finally:
            Dying.step()

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        """Run a script, or die."""
        Dying.step()
        try:
            return super().executescript(script)
        finally:
            Dying.step()

    @classmethod
    def step(cls) -> None:
        """Count one point."""
        if cls.point == cls.die_at:
            os._exit(9)
        cls.point += 1


def die_everywhere(folder: Path, most: int, seed: str) -> int:
    """Run the program in a child for each point of a sample, and kill it there. Return the number of points."""
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Dying, **kwargs)  # type: ignore[assignment]
    assert dies_at(folder, -1) == 0
    count = int((folder / "-001" / "points").read_text())
    ends = [dies_at(folder, point) for point in Sample(seed).of(range(count), most)]
    assert set(ends) <= {0, 9}, ends  # 0: this run needed fewer transactions than the run that was counted
    return count


def dies_at(folder: Path, point: int) -> int:
    """Run the program in a child that dies at this point, and return how it ended."""
    place = folder / f"{point:04d}"
    place.mkdir()
    child = os.fork()
    if child == 0:
        Dying.die_at = point
        log = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        asyncio.run(work(place / "march.db", log))
        (place / "points").write_text(str(Dying.point))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_program(path: str, log: str) -> None:
    """Run the program, and end with 3 if the ledger raised a documented error."""
    try:
        asyncio.run(work(Path(path), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)))
    except* LedgerError as errors:
        os.write(2, str(errors.exceptions[0]).encode())
        sys.exit(3)


if __name__ == "__main__":
    if sys.argv[1] == "everywhere":
        print(die_everywhere(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))  # noqa: T201
    else:
        run_program(sys.argv[2], sys.argv[3])
    sys.exit()


# The tests.


def said(log: Path) -> list[tuple[str, list[int]]]:
    """Return what the ledger confirmed to the program."""
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


async def check(place: Path) -> None:
    """Everything confirmed is there, the journal of every line is one chain, and the run can be finished."""
    facts = said(place / "log")
    claimed = {seq for what, seqs in facts if what == "claim" for seq in seqs}
    recorded_ = {seq for what, seqs in facts if what == "record" for seq in seqs}
    async with SqliteLedger(place / "march.db") as ledger:
        lines = {line.seq: line async for line in ledger.lines(with_codes=True)}
        assert len(lines) in ({LINES} if ("plan", [LINES]) in facts else {0, LINES})
        for seq, line in lines.items():
            check_line(line, claimed=seq in claimed, recorded=seq in recorded_)
        if facts and facts[-1][0] == "meta":
            assert await ledger.get_fact("fact") == "kept"
        at = dict.fromkeys(lines, "")
        async for entry in ledger.journal():
            assert entry.from_state == at[entry.seq]
            at[entry.seq] = entry.to_state
        assert at == {seq: line.state.value for seq, line in lines.items()}
        await finish(ledger, lines)


def check_line(line: LedgerLine, *, claimed: bool, recorded: bool) -> None:
    """Nothing that was confirmed is missing, and no record is there in part."""
    if claimed:
        assert line.attempts == 1
        assert line.state is not LineState.PLANNED
    if recorded:
        assert line.state is STATES[ENDS[line.seq]]
    if line.state is LineState.PLACED:
        assert (line.order_id, line.delivery, line.codes) == (line.seq, Delivery.DELIVERED, code_of(line.seq))
    else:
        assert line.codes is None
    assert line.suspect == (line.state is LineState.UNKNOWN)


async def finish(ledger: SqliteLedger, before: dict[int, LedgerLine]) -> None:
    """Continue after the death."""
    sending = sum(line.state is LineState.SENDING for line in before.values())
    assert await ledger.recover() == sending
    assert (await ledger.plan("march", planned(LINES))).known == len(before)
    rest = await ledger.claim(LINES)
    assert all(line.seq not in before or before[line.seq].state is LineState.PLANNED for line in rest)
    await ledger.record(
        [Change(seq=line.seq, evidence=Evidence.ANSWERED_PLACED, epoch=line.epoch, order_id=line.seq) for line in rest]
    )
    counts = await ledger.counts()
    assert counts.rows == LINES
    assert counts.not_sent == 0


@pytest.mark.slow
def test_a_death_at_any_statement_loses_nothing(tmp_path: Path, sample: Sample) -> None:
    """The process ends before or after a statement or a commit, and each time the next process continues."""
    command = [sys.executable, __file__, "everywhere", str(tmp_path), "40", sample.seed]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=250)
    assert int(done.stdout) > 100
    for place in sorted(tmp_path.iterdir()):
        asyncio.run(check(place))


def program_in(place: Path) -> list[str | Path]:
    """Return the program that dies, for a folder."""
    return [__file__, "once", place / "march.db", place / "log"]


async def make(path: Path) -> None:
    """Make an empty ledger."""
    async with SqliteLedger(path):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC", "error=EIO"])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
def test_a_fault_at_a_system_call_loses_nothing(tmp_path: Path, sample: Sample, call: str, fault: str) -> None:
    """The process is killed at the n-th write or sync, or the disk is full or broken there, once or from then on."""
    step = 5 if call == "pwrite64" else 2  # strace counts calls by thread; the writer makes about 60 and 20
    points = [f"{n}{forever}" for n in range(1, 11 * step, step) for forever in ("", "+")]
    ends: set[int] = set()
    for point in sample.of(points if "error" in fault else points[::2], 6):
        place = tmp_path / point
        place.mkdir()
        asyncio.run(make(place / "march.db"))
        code, err = run_traced(program_in(place), call, fault=f"{fault}:when={point}")
        assert code in {0, 3, -9, 137}, err
        assert "Traceback" not in err
        ends.add(code)
        asyncio.run(check(place))
    assert ends - {0}  # the program felt the fault


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC"])
def test_a_fault_while_making_the_file_leaves_none(tmp_path: Path, fault: str) -> None:
    """A ledger exists as a whole or not at all, and the next run makes it again."""
    for point in (1, 8, 15, 30):
        place = tmp_path / str(point)
        place.mkdir()
        assert run_traced(program_in(place), "pwrite64", fault=f"{fault}:when={point}")[0] in {3, -9, 137}
        assert said(place / "log") == []
        asyncio.run(check(place))
