"""What the parts of an open shared ledger have in common: connections, clock, lease, job, and lines in flight."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import logging
from collections.abc import Collection, Iterable
from functools import partial
from typing import Final, Protocol

from xoxo_async.bulk.ledger.facts import CURRENCY, SERVER
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, LedgerLine, LineState
from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.postgres.clock import SharedClock
from xoxo_async.bulk.ledger.postgres.codes import MARKS_KEY, read_keys
from xoxo_async.bulk.ledger.postgres.columns import LINE_COLUMNS, Stored, prefixed, stored_of
from xoxo_async.bulk.ledger.postgres.connections import Link
from xoxo_async.bulk.ledger.postgres.jobs import JobRow, reread
from xoxo_async.bulk.ledger.postgres.servers import (
    LOST,
    STARTED,
    Server,
    note_server,
    read_server,
    stop_jobs,
    taken_over,
)
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.table import Moment
from xoxo_async.effects import EffectClass
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = [
    "Found",
    "Holding",
    "Work",
    "bound_wait",
    "check_held",
    "new_epoch",
    "next_epoch",
    "read_stored",
    "stop_if_lost",
]

_LOG: Final = logging.getLogger("xoxo_async")

_READ: Final = (
    f"SELECT {prefixed(LINE_COLUMNS, 'l')}, l.rev, l.job, l.look, j.facts ->> 'currency' AS job_currency"
    " FROM xoxo.line AS l JOIN xoxo.job AS j ON j.id = l.job WHERE l.id = ANY ($1::bigint[])"
)
_READ_LOCKED: Final = f"{_READ} ORDER BY l.id FOR NO KEY UPDATE OF l"
_BOUND: Final = "SET LOCAL idle_in_transaction_session_timeout = '10s'"
_SYNC: Final = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
_EPOCH: Final = "SELECT nextval(pg_get_serial_sequence('xoxo.claim', 'epoch'))"


class Found:
    """Lines as they were read.

    Attributes:
        lines: By `seq`, each with its revision.
        jobs: The job of each.
        looks: What each waits for.
        currencies: The account's currency, by job.
    """

    def __init__(self) -> None:
        self.lines: Final[dict[int, Stored]] = {}
        self.jobs: Final[dict[int, int]] = {}
        self.looks: Final[dict[int, str | None]] = {}
        self.currencies: Final[dict[int, str]] = {}


async def read_stored(connection: DatabaseConnection, seqs: Collection[int], *, lock: bool = False) -> Found:
    """Return lines by number; unknown numbers are left out.

    Args:
        connection: To read with.
        seqs: The numbers.
        lock: Whether nobody else may write them before the end of the transaction.
    """
    found = Found()
    for row in await connection.fetch(_READ_LOCKED if lock else _READ, list(seqs)):
        seq = int(row["id"])
        found.lines[seq], found.jobs[seq], found.looks[seq] = stored_of(row), row["job"], row["look"]
        found.currencies[row["job"]] = row["job_currency"] or ""
    return found


async def bound_wait(connection: DatabaseConnection) -> None:
    """Have the database undo the transaction if this process stops in it, and bring it to disk with its commit.

    Others wait for its lines. And behind a pooler, another program may have set the connection so that commits do not
    wait for the disk: a crash would undo a pause that was confirmed.

    Args:
        connection: In the transaction.
    """
    await connection.execute(f"{_BOUND}; {_SYNC}")


async def next_epoch(connection: DatabaseConnection) -> tuple[int, float]:
    """Return an epoch that no claim has, and when the server started that gave it, as `Server.started`."""
    row = await connection.fetchrow(f"{_EPOCH} AS epoch, {STARTED} AS started")
    if row is None:
        raise EOFError
    return int(row["epoch"]), row["started"]


async def new_epoch(connection: DatabaseConnection) -> int:
    """Return an epoch that no claim has."""
    return int(await connection.fetchval(_EPOCH))


class WorkerLease(Protocol):
    """What the parts of a ledger need of this worker's lease, see `leases.Lease`."""

    worker: int

    async def register(self) -> None:
        """Register as a new worker."""
        ...

    async def work_on(self, job: int) -> None:
        """Note which job this worker works on."""
        ...

    async def measure(self) -> None:
        """Read the database's clock."""
        ...

    async def settles(self, job: int) -> bool:
        """Return whether this worker is the one that settles doubts."""
        ...

    async def end(self) -> None:
        """End the lease."""
        ...


class Holding:
    """The lines that this opening is sending, as it wrote them last.

    A line from here may support a fact, since a write that rests on it fails where it is stale. It never refuses one.
    """

    def __init__(self) -> None:
        self._lines: Final[dict[int, Stored]] = {}
        self._claims: Final[dict[int, set[int]]] = {}
        self._last: dict[int, Stored] = {}

    def take(self, epoch: int, lines: Iterable[Stored]) -> None:
        """Note the lines of a claim."""
        taken = {stored.line.seq: stored for stored in lines}
        self._lines.update(taken)
        self._claims[epoch] = set(taken)
        self._last = taken

    def get(self, seqs: Iterable[int]) -> dict[int, Stored]:
        """Return those lines of some numbers that are held."""
        return {seq: self._lines[seq] for seq in seqs if seq in self._lines}

    def written(self) -> dict[int, Stored]:
        """Return all lines that are held, and those of the last write."""
        return self._last | self._lines

    def note_last(self, lines: Iterable[Stored]) -> None:
        """Note the lines of a write; without any, the write before it stays the last one."""
        self._last = {stored.line.seq: stored for stored in lines} or self._last

    @property
    def epochs(self) -> list[int]:
        """The claims of which a line is held."""
        return list(self._claims)

    def closed_by(self, seqs: Collection[int]) -> list[int]:
        """Return the claims of which nothing is held once some lines are not."""
        epochs: dict[int, set[int]] = {}
        for seq in seqs:
            if seq in self._lines:
                epochs.setdefault(self._lines[seq].line.epoch, set()).add(seq)
        return [epoch for epoch, gone in epochs.items() if self._claims.get(epoch, set()) <= gone]

    def update(self, lines: Iterable[Stored]) -> None:
        """Note lines as they are now: one that is no longer sent, or that another claim sends, is not held."""
        for stored in lines:
            seq = stored.line.seq
            held = self._lines.get(seq)
            if held is None:
                continue
            if stored.line.state is LineState.SENDING and stored.line.epoch == held.line.epoch:
                self._lines[seq] = stored
            else:
                self._drop(seq)

    def _drop(self, seq: int) -> None:
        held = self._lines.pop(seq)
        left = self._claims.get(held.line.epoch)
        if left is not None:
            left.discard(seq)
            if not left:
                del self._claims[held.line.epoch]

    def drop(self, lines: Iterable[LedgerLine]) -> None:
        """Hold lines no more that no caller gets."""
        for line in lines:
            held = self._lines.get(line.seq)
            if held is not None and held.line.epoch == line.epoch:
                self._drop(line.seq)

    def clear(self) -> None:
        """Hold nothing: the lease was lost, or what was written."""
        self._lines.clear()
        self._claims.clear()
        self._last = {}


class Work:
    """What the parts of an open ledger share.

    Args:
        name: The ledger's name, for messages.
        clock: The ledger's.
        box: Seals voucher codes; None drops them.
        marks: Recognises voucher codes.
        writer: The connection for claims and results.
        reader: The connection for everything that only reads.
        lease: This worker's; None for an opening that only reads.
        wanted: The job's name, if the opening has one.

    Attributes:
        job: The job as it was read last; None before it exists.
        holding: The lines that this opening sends.
        server: The server that has confirmed what this opening wrote; None before it is known.
    """

    def __init__(
        self,
        name: str,
        clock: SharedClock,
        box: CodeBox | None,
        marks: CodeMarks,
        *,
        writer: Link,
        reader: Link,
        lease: WorkerLease | None,
        wanted: str | None,
    ) -> None:
        self.name: Final = name
        self.clock: Final = clock
        self.box: Final = box
        self.marks: Final = marks
        self.writer: Final = writer
        self.reader: Final = reader
        self.lease: Final = lease
        self.holding: Final = Holding()
        self.server: Server | None = None
        self.job: JobRow | None = None
        self.wanted: Final = wanted
        self._moved = False

    @property
    def job_name(self) -> str | None:
        """The name of the job, also of one that does not exist yet; None if any will do."""
        return self.wanted if self.job is None else self.job.name

    @property
    def worker(self) -> int:
        """This worker's number; 0 for an opening that only reads."""
        return 0 if self.lease is None else self.lease.worker

    @property
    def currency(self) -> str:
        """The account's currency, as far as this opening knows."""
        return "" if self.job is None else self.job.facts.get(CURRENCY, "")

    @property
    def has_noted_server(self) -> bool:
        """Whether the server that answers is known, and noted in the job. A new job has not noted it yet.

        Nothing may be armed in a job that has not: after a fail-over nobody would know that it may be missing.
        """
        if self.server is None:
            return False
        noted = self.server.noted
        return self.job is None or not noted or self.job.facts.get(SERVER) == noted

    def note_currency(self, currency: str) -> None:
        """Note the account's currency as it was just read: another worker may have set it."""
        if self.job is not None and currency and self.job.facts.get(CURRENCY) != currency:
            self.job = self.job._replace(facts=self.job.facts | {CURRENCY: currency})

    async def reread_job(self) -> None:
        """Read the job again: another worker, or a person, has changed what is cached of it."""
        job = self.known_job()
        now = await self.writer.run(lambda connection: reread(connection, job), again=True)
        before = self.known_job().identity  # as this opening knows it now: it may have bound the job itself
        self.job = now
        self._moved = self._moved or (before is not None and before != now.identity)

    def job_to_send(self) -> JobRow:
        """Return the job, for a claim.

        Raises:
            LedgerError: When there is none yet; or when another program has bound it to another account since this
                opening: whoever sends here sends for the old one.
        """
        if self._moved:
            raise LedgerError(
                f"the job {self.known_job().name!r} was bound to another account or address while this ledger was open;"
                " nothing was sent. Open it again for the new one"
            )
        return self.known_job()

    def known_job(self) -> JobRow:
        """Return the job.

        Raises:
            LedgerError: When there is none yet.
        """
        if self.job is None:
            raise LedgerError(f"{self.name} has no job yet: nothing was planned")
        return self.job

    def moment(self, epoch: int = 0) -> Moment:
        """Return who writes, and when."""
        effect = EffectClass.KEYED if self.job is None else self.job.effect
        return Moment(now=self.clock.now(), epoch=epoch, rules=DEFAULT_RULES, effect=effect)

    async def open_marks(self, connection: DatabaseConnection) -> None:
        """Open the key of the marks, if it is not open yet."""
        if not self.marks.has_key:
            self.marks.open_key((await read_keys(connection)).get(MARKS_KEY))


async def check_held(work: Work) -> None:
    """Compare what this worker has written with the database, and look which server answers.

    The database never goes back before what it has confirmed, unless it lost commits: in a fail-over, or with a backup
    that was put back. Then other lines may have been sent, too, and look planned. Commits are lost from the end, so
    whoever has the last one of this worker has them all.

    Args:
        work: Of the ledger.

    Raises:
        DatabaseError: When the database cannot be used.
    """
    written = work.holding.written()
    if written:
        await stop_if_lost(work, written, await work.writer.run(lambda c: read_stored(c, list(written)), again=True))
    await check_server(work)


async def check_server(work: Work) -> None:
    """Note in the job which server answers. One that took over may lack commits of others: then the job is `copied`.

    Args:
        work: Of the ledger.

    Raises:
        DatabaseError: When the database cannot be used.
        LedgerError: When the job is no longer there.
    """
    before, work.server = work.server, await work.writer.run(read_server, again=True)
    job, now, at, worker = work.job, work.server, work.clock.now(), work.worker
    while job is not None and now.noted and (known := job.facts.get(SERVER, "")) != now.noted:
        why = taken_over(Server.read(known) or before, now)
        note = partial(note_server, job=job.id, before=known, now=now, why=why, at=at, worker=worker)
        if await work.writer.run(note, again=True) and why:
            _LOG.error("%s: %s", work.name, why)
        await work.reread_job()  # also where another worker has noted it first
        job = work.job


async def stop_if_lost(work: Work, held: dict[int, Stored], found: Found) -> None:
    """Stop all jobs if the database lacks what it has confirmed; this job is paused as well.

    Every job becomes `copied`: nobody gets lines of it until they were put in doubt, and they are looked up before they
    are sent.

    Args:
        work: Of the ledger.
        held: Lines that this worker has written, as it wrote them, before they were read.
        found: The same lines as they were read.

    Raises:
        DatabaseError: When the database cannot be used.
    """
    lost = any(seq not in found.lines or found.lines[seq].rev < one.rev for seq, one in held.items())
    if not lost:
        return
    _LOG.error("%s: %s", work.name, LOST)
    job, at, worker = work.known_job().id, work.clock.now(), work.worker
    await work.writer.run(lambda c: stop_jobs(c, job, at=at, worker=worker), again=True)
    if work.lease is not None:
        await work.lease.register()  # what the old worker was sending ends in late proofs, or in doubt
    work.holding.clear()
    await work.reread_job()
