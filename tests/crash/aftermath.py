"""Jobs that are killed at a system call; then another command opens the same files; then the job goes on to its end."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from tests.accounts import forget_accounts
from tests.crash import syscalls
from tests.crash.aftermath_jobs import BEGIN_A_JOB, EXPORT, FILES, KEY, KEYS, PROGRAM, PROGRAMS, ROWS, Job, Words
from tests.warm_python import run_warm
from xoxo_async.bulk import Delivery, LedgerLine, LineState, SqliteLedger
from xoxo_async.sandbox import Rule, Sandbox

__all__ = ["Desk", "desk_for"]

REFUSED: Final = re.compile(
    r"incomplete|torn|older copy|damaged|malformed|cut off|was replaced by another|is gone, and|is empty|not a ledger"
    r"|removed while|cannot be brought|internal fault|Traceback"
)
"""What a ledger says that cannot be used. No command may say it after a kill."""


@dataclass
class Desk:
    """A folder with orders and a ledger, the vendor, and the commands that are run there."""

    folder: Path
    sandbox: Sandbox
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for name, text in FILES.items():
            (self.folder / f"{name}.csv").write_text(text)

    def run(
        self, words: Words, *, key: str = KEY, fault: str = "kill", point: int | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, or to a system call."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
        environment = {
            **clean,
            "TERM": "dumb",
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder),
            "XOXO_BASE_URL": self.sandbox.base_url,
            "XOXO_CLIENT_ID": self.sandbox.client_id,
            "XOXO_CLIENT_SECRET": self.sandbox.client_secret,
            "XOXO_LEDGER_KEY": key,
        }
        if words[0] in PROGRAMS:
            program = ["-c", PROGRAM.format(PROGRAMS[words[0]])]
        else:
            localhost = self.sandbox.base_url.replace("127.0.0.1", "localhost")
            told = [localhost if word == "LOCALHOST" else word for word in words]
            program = ["-m", "xoxo_async", *told, "--ledger", "job.db", "--json"]
        if point is not None:
            program = [syscalls.__file__, str(self.folder), fault, str(point), *program]
        done = run_warm(program, cwd=self.folder, env=environment, timeout=60)
        self.said.append(f"$ {words} {'' if point is None else f'{fault} {point}'}: {done.returncode}\n{done.stderr}")
        return done

    def heard(self, words: Words, *, key: str = KEY, fault: str = "kill", point: int | None = None) -> int:
        """Run a command that may be refused, but for no reason that is in the ledger's files."""
        done = self.run(words, key=key, fault=fault, point=point)
        assert not REFUSED.search(done.stderr), self.story()
        return done.returncode

    def has_job(self) -> bool:
        """Return whether the ledger holds a job, from a copy of its files: no look may change what a kill left."""
        copy = self.folder.with_name(f"{self.folder.name}.copy")
        copy.mkdir()
        try:
            for file in self.folder.glob("job.db*"):
                shutil.copy(file, copy)
            if not (copy / "job.db").exists():
                return False
            with closing(sqlite3.connect(copy / "job.db")) as connection:
                return bool(connection.execute("SELECT 1 FROM meta WHERE name = 'job' AND value != ''").fetchone())
        finally:
            shutil.rmtree(copy)

    @property
    def calls(self) -> list[str]:
        """The system calls of the last command with a point."""
        return Path(f"{self.folder}.calls").read_text().splitlines()

    def story(self) -> str:
        """Return all that was run and said."""
        files = sorted(f"{file.name} {file.stat().st_size}" for file in self.folder.iterdir())
        return "\n".join([*self.said, *files])

    def lines(self, key: str = KEY) -> list[LedgerLine]:
        """Return the lines of the ledger, with their codes."""

        async def read() -> list[LedgerLine]:
            async with SqliteLedger(self.folder / "job.db", codes_key=key, read_only=True) as ledger:
                counts = await ledger.counts()
                found = [line async for line in ledger.lines(with_codes=True)]
                assert counts.rows == len(found), self.story()
                at: dict[int, str] = {}
                async for entry in ledger.journal():
                    assert entry.from_state == at.get(entry.seq, ""), self.story()
                    at[entry.seq] = entry.to_state
                return found

        return anyio.run(read)

    # The jobs.

    def prepare(self, job: Job) -> None:
        """Run what comes before the command of a job."""
        rules = self.sandbox.faults.rules
        rules += [Rule(kind="reset_before_commit", operation="placeOrder", nth=1)] * job.lost
        for words in job.before:
            assert self.run(words, key=job.first_key).returncode == (4 if job.lost else 0), self.story()
        rules.clear()

    def may_follow(self, other: str, job: Job) -> bool:
        """Return whether a command would only look, or be refused, and not begin a job or give codes their key."""
        if other in KEYS and job.key != job.first_key:
            return False
        return other not in BEGIN_A_JOB or self.has_job()

    def finish(self, job: Job) -> None:
        """Bring a job to its end, and compare it with the vendor's books."""
        if job.again:
            self.heard(job.again, key=job.key)
        for words in job.after:
            ended = self.heard(words, key=job.key)
            if job.kind not in _FOUND:
                assert ended == 0, self.story()
        if job.kind in _FOUND:
            self.decide(job)
        CHECKS[job.kind](self, job)
        # A disk that fails to remove SQLite's files of a new ledger leaves them; they are empty by then.
        left = [file.name for file in self.folder.iterdir() if re.search(r"\.new$|db-wal$|db-shm$", file.name)]
        assert left == [], self.story()

    def decide(self, job: Job) -> None:
        """Do what a person does with rows in doubt, and send the rest."""
        for _ in range(3):
            doubts = [line for line in self.lines(job.key) if line.state is LineState.MANUAL]
            books = self.sandbox.books()
            for line in doubts:
                done = self.run(("bulk", "resolve", line.key, *_FOUND[job.kind](line, books), "--reason", "seen"))
                assert done.returncode == 0, self.story()
            cancelling = [line for line in self.lines(job.key) if line.delivery is Delivery.CANCELLING]
            gone = {credit.unique_id for credit in books.credits if credit.cancelled}
            for line in cancelling:
                how = "cancelled" if line.order_id in gone else "kept"
                words = ("points", "cancel", line.key, "--found", how, "--reason", "seen")
                assert self.run(words).returncode == 0, self.story()
            for words in job.after:
                ended = self.heard(words, key=job.key)
            if not doubts and not cancelling:
                assert ended == 0, self.story()
                return
        raise AssertionError(self.story())


def _number(line: LedgerLine) -> int:
    return int(line.key.removeprefix("row-"))


def _points_found(line: LedgerLine, books: Any) -> Words:
    given = [credit.unique_id for credit in books.credits if credit.email == f"p{_number(line)}@example.com"]
    return ("--placed", str(given[0])) if given else ("--resend",)


def _mails_found(line: LedgerLine, books: Any) -> Words:
    return ("--done",) if f"p{_number(line)}@example.com" in books.link_mails else ("--resend",)


_FOUND: Final[dict[str, Callable[[LedgerLine, Any], Words]]] = {
    "points": _points_found,
    "mails": _mails_found,
    "links": lambda _line, _books: ("--resend",),
    "cancel": _points_found,
}


def _check_orders(desk: Desk, job: Job) -> None:
    lines, books = desk.lines(job.key), desk.sandbox.books()
    assert books.duplicates == {}, desk.story()
    booked = {order.po_number: order for order in desk.sandbox.state.orders.values()}
    states = Counter(line.state for line in lines)
    assert states[LineState.PLACED] + (states[LineState.CANCELLED] if job.withdrawn else 0) == ROWS, desk.story()
    assert states[LineState.CANCELLED] <= 1
    for line in lines:
        order = booked.pop(line.po_number, None)
        if line.state is LineState.PLACED:
            assert order is not None, desk.story()
            assert (line.order_id, line.amount_charged) == (order.order_id, order.charged), desk.story()
            stored = json.loads(line.codes or b"[]")
            assert [(code["code"], code.get("pin", "")) for code in stored] == list(order.codes), desk.story()
        else:
            assert order is None, desk.story()
    assert booked == {}, desk.story()
    codes = {code for order in desk.sandbox.state.orders.values() for code, _ in order.codes}
    if EXPORT in job.after:
        exported = (desk.folder / "codes.csv").read_text()
        assert all(code in exported for code in codes), desk.story()
    assert not any(code in desk.story() for code in codes)


def _check_own_books(desk: Desk, job: Job) -> None:
    own = Sandbox(path=desk.folder / "job.db.sandbox")
    try:
        booked, duplicates = {order.order_id for order in own.state.orders.values()}, own.books().duplicates
    finally:
        own.state.close()
    lines = desk.lines(job.key)
    assert duplicates == {}, desk.story()
    assert [line.state for line in lines] == [LineState.PLACED] * ROWS, desk.story()
    assert {line.order_id for line in lines} == booked, desk.story()


def _check_points(desk: Desk, job: Job) -> None:
    books = desk.sandbox.books()
    credited = Counter(credit.email for credit in books.credits)
    assert credited == {f"p{n}@example.com": 1 for n in range(ROWS)}, desk.story()
    assert books.points_given == sum(range(1, ROWS + 1))
    lines = desk.lines(job.key)
    assert {line.order_id for line in lines} == {credit.unique_id for credit in books.credits}, desk.story()


def _check_cancel(desk: Desk, job: Job) -> None:
    books = desk.sandbox.books()
    assert [(credit.cancelled, credit.cancels) for credit in books.credits] == [(True, 1)] * ROWS, desk.story()
    assert all(line.delivery is Delivery.CANCELLED for line in desk.lines(job.key)), desk.story()


def _check_links(desk: Desk, job: Job) -> None:
    lines = desk.lines(job.key)
    assert [line.state for line in lines] == [LineState.PLACED] * ROWS, desk.story()
    bodies = [line.codes for line in lines]
    assert None not in bodies, desk.story()
    assert len(set(bodies)) == ROWS, desk.story()


def _check_mails(desk: Desk, job: Job) -> None:
    assert desk.sandbox.books().link_mails == {f"p{n}@example.com": 1 for n in range(ROWS)}, desk.story()
    assert [line.state for line in desk.lines(job.key)] == [LineState.PLACED] * ROWS, desk.story()


CHECKS: Final[dict[str, Callable[[Desk, Job], None]]] = {
    "orders": _check_orders,
    "own books": _check_own_books,
    "points": _check_points,
    "cancel": _check_cancel,
    "links": _check_links,
    "mails": _check_mails,
}


@contextmanager
def desk_for(folder: Path) -> Iterator[Desk]:
    """Serve a vendor that accepts a poNumber twice, so only the ledger keeps an order from being bought twice."""
    forget_accounts()  # among a hundred servers two may have had one port
    with Sandbox(unique_po_numbers=False, delivery_delay_s=0).run_in_thread() as sandbox:
        yield Desk(folder, sandbox)
    shutil.rmtree(folder)
