"""The ledgers that the conformance suite runs against. A new store adds its subject to `SUBJECTS`, and nothing else."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar
from uuid import uuid4

import pytest

from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import Change
from xoxo_async.bulk.ledger.postgres.jobs import find_job
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.postgres.sums import read_spent
from xoxo_async.bulk.ledger.protocol import NO_TERMS, Identity, Ledger, PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerConflictError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = [
    "SUBJECTS",
    "URL",
    "PostgresSubject",
    "SqliteSubject",
    "Subject",
    "fresh",
    "killed_while_sending",
    "refuses_stale",
]

T = TypeVar("T")

START: Final = 1_800_000_000.0
"""Where the clock of a test begins."""

URL: Final = "url"
"""The file in a test's folder with the URL of its database, for stores that need one; the fixture writes it."""


class Subject(Protocol):
    """One ledger that a test opens as often as it likes. It is empty at first.

    Attributes:
        name: Its kind: its key in `SUBJECTS`.
        address: Where it is; `SUBJECTS[name]` finds it there again, also in another process.
        now: The clock of everyone who has it open, wall clock and ledger clock in one. A test sets it.
        job: The name of the job that it is for.
        terms: The terms of its plans: they name its account, where the store has room for several jobs.
        in_order: Whether claims take lines in order of `seq`; otherwise those that were sent before may come first.
        supersedes: Whether a fact of an epoch that is over is no error, since another worker took the line over.
        ends_at_death: Whether the store's proof that a holder is dead also proves that nothing leaves after now.
    """

    name: str
    address: Path
    now: float
    job: str
    terms: PlanTerms
    in_order: bool
    ends_at_death: bool
    supersedes: bool

    def open(self, *, codes_key: str = "", store_codes: bool = True) -> AbstractAsyncContextManager[Ledger]:
        """Return an opening to write.

        Args:
            codes_key: Encrypts the voucher codes; empty keeps them in clear.
            store_codes: Whether voucher codes are kept.
        """
        ...

    def beside(self) -> AbstractAsyncContextManager[Ledger] | None:
        """Return a second opening to write, at work while the first one is; None where only one holder is let in."""
        ...

    def look(self) -> AbstractAsyncContextManager[Ledger] | None:
        """Return an opening that only reads, also while somebody writes; None where the store has none."""
        ...

    def stored(self) -> bytes:
        """Return everything that the store keeps: a test looks for secrets in it. Nobody has it open."""
        ...

    def prove_death(self) -> None:
        """Let the store's proof hold that every holder which was killed is dead, such as a lease that has ended."""
        ...

    async def check(self) -> None:
        """Fail where the store contradicts itself, such as counts that are kept beside the lines they count."""
        ...

    def copy(self) -> "Subject | None":
        """Return a copy of the ledger that nobody has open; None where the store cannot tell a copy."""
        ...


class SqliteSubject:
    """The embedded ledger: one file in a folder of the test."""

    name: Final = "sqlite"
    job: Final = "march"
    terms: Final = NO_TERMS
    in_order: Final = True
    ends_at_death: Final = True
    supersedes: Final = False

    def __init__(self, address: Path) -> None:
        self.address = address
        self.now = START

    def open(self, *, codes_key: str = "", store_codes: bool = True) -> SqliteLedger:
        """Open the file."""
        return SqliteLedger(self._file, clock=lambda: self.now, codes_key=codes_key, store_codes=store_codes)

    def beside(self) -> None:
        """The lock of the file lets one holder in."""

    def look(self) -> SqliteLedger:
        """Open the file without its lock."""
        return SqliteLedger(self._file, codes_key="", read_only=True)

    def stored(self) -> bytes:
        """Read the files."""
        return b"".join(file.read_bytes() for file in self.address.iterdir() if file.is_file())

    def prove_death(self) -> None:
        """The system has released the lock of a process that is gone: the next holder's lock is the proof."""

    async def check(self) -> None:
        """Everything that is counted is counted from the lines."""

    def copy(self) -> Self:
        """Copy the file; a copy has no lock file beside it."""
        other = type(self)(self.address / "copy")
        other.address.mkdir()
        other.now = self.now
        shutil.copy(self._file, other._file)
        return other

    @property
    def _file(self) -> Path:
        return self.address / "march.db"


@contextmanager
def sqlite(address: Path) -> Iterator[SqliteSubject]:
    """Give the embedded ledger of a folder."""
    yield SqliteSubject(address)


_KEPT: Final = """
    SELECT state, delivery, currency, single, sum(orders)::bigint, sum(priced)::bigint, sum(charged) FROM xoxo.tally
    WHERE job = $1 GROUP BY 1, 2, 3, 4 HAVING sum(orders) <> 0 OR sum(priced) <> 0 OR sum(charged) <> 0
    ORDER BY 1, 2, 3, 4
"""
_COUNTED: Final = """
    SELECT state, delivery, CASE state WHEN 'placed' THEN currency ELSE '' END, lines = 1, count(*),
    count(amount_charged) FILTER (WHERE state = 'placed'),
    coalesce(sum(amount_charged) FILTER (WHERE state = 'placed'), 0) FROM xoxo.line
    WHERE job = $1 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


class PostgresSubject:
    """A job in a database of the test."""

    name: Final = "postgres"
    in_order: Final = False
    ends_at_death: Final = False
    supersedes: Final = True

    def __init__(self, address: Path) -> None:
        self.address = address
        self.now = START
        self._database: Final = DatabaseAddress.read((address / URL).read_text())
        self.job: Final = self._database.job or "march"
        # A job beside others has an account of its own: it must not meet their poNumbers, orders and codes.
        named = self._database.job is not None
        self.terms: Final = PlanTerms(identity=Identity("https://one.example", self.job)) if named else NO_TERMS

    def open(self, *, codes_key: str = "", store_codes: bool = True) -> PostgresLedger:
        """Open the job as a worker."""
        return PostgresLedger(
            self._database.dsn, job=self.job, clock=lambda: self.now, codes_key=codes_key, store_codes=store_codes
        )

    def beside(self) -> PostgresLedger:
        """Open the job as another worker."""
        return self.open()

    def look(self) -> PostgresLedger:
        """Open the job to read."""
        return PostgresLedger(self._database.dsn, job=self.job, clock=lambda: self.now, codes_key="", read_only=True)

    def stored(self) -> bytes:
        """Read all rows of all tables."""
        return _apart(self._rows())

    async def _rows(self) -> bytes:
        connection = await self._connected()
        try:
            tables = await connection.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'xoxo'")
            rows = [
                str(row["text"])
                for table in tables
                for row in await connection.fetch(f"SELECT t::text AS text FROM xoxo.{table['name']} AS t")  # noqa: S608
            ]
        finally:
            await connection.close()
        return "\n".join(rows).encode()

    def prove_death(self) -> None:
        """Let the leases of other processes end."""
        _apart(self._end_leases())

    async def _end_leases(self) -> None:
        connection = await self._connected()
        try:
            await connection.execute(
                "UPDATE xoxo.worker SET lease_until = clock_timestamp() - interval '1 second' WHERE pid <> $1",
                os.getpid(),
            )
        finally:
            await connection.close()

    async def _connected(self) -> DatabaseConnection:
        return await connect(self._database, purpose="test", check=False)

    async def check(self) -> None:
        """Compare the job's counts and budget with its lines."""
        connection = await self._connected()
        try:
            job = await find_job(connection, self.job)
            if job is None:
                return
            kept = await connection.fetch(_KEPT, job.id)
            counted = await connection.fetch(_COUNTED, job.id)
            assert [tuple(row.values()) for row in kept] == [tuple(row.values()) for row in counted]
            spent = await connection.fetchrow("SELECT committed, unpriced FROM xoxo.job WHERE id = $1", job.id)
            assert spent is not None
            assert tuple(spent.values()) == await read_spent(connection, job.id, job.facts.get(CURRENCY, ""))
        finally:
            await connection.close()

    def copy(self) -> None:
        """A database cannot tell that it is a copy: a person says so."""


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run something on a loop of its own: the test's may be running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def postgres(address: Path) -> Iterator[PostgresSubject]:
    """Give the job of the database whose URL is in a folder."""
    yield PostgresSubject(address)


SUBJECTS: Final[dict[str, Callable[[Path], AbstractContextManager[Subject]]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
}
"""By name: what makes a subject in an empty folder of the test, or finds the one that another process made there."""


@contextmanager
def fresh(store: str, database: str) -> Iterator[Subject]:
    """Give an empty ledger, for tests that want many: a new folder, or a new job in a database.

    Args:
        store: Its kind.
        database: The database's URL; empty for stores that need none.
    """
    with tempfile.TemporaryDirectory() as folder:
        if database:
            (Path(folder) / URL).write_text(f"{database}#{uuid4().hex}")
        with SUBJECTS[store](Path(folder)) as subject:
            yield subject


async def refuses_stale(subject: Subject, ledger: Ledger, change: Change, match: str | None = None) -> None:
    """Record a fact of an epoch that is over: the line stays as it stands, and where one writes it is an error.

    Args:
        subject: The ledger's.
        ledger: An opening.
        change: The fact.
        match: What the error says; None is anything.
    """
    before = [line async for line in ledger.lines()]
    if subject.supersedes:
        assert await ledger.record([change]) == [line for line in before if line.seq == change.seq]
    else:
        with pytest.raises(LedgerConflictError, match=match):
            await ledger.record([change])
    assert [line async for line in ledger.lines()] == before


_HOLDER: Final = """
import asyncio, os, sys
from pathlib import Path
from tests.unit.bulk.ledger.conformance.subjects import SUBJECTS
async def main(name, address, now):
    with SUBJECTS[name](Path(address)) as subject:
        subject.now = float(now)
        async with subject.open() as ledger:
            await ledger.claim(1)
            os._exit(9)
asyncio.run(main(*sys.argv[1:]))
"""


def killed_while_sending(subject: Subject) -> None:
    """Have another process open the ledger, claim a line and die with no further word.

    Args:
        subject: The ledger; nobody has it open.
    """
    argv = [sys.executable, "-c", _HOLDER, subject.name, str(subject.address), str(subject.now)]
    assert subprocess.run(argv, check=False).returncode == 9
