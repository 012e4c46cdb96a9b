"""The shared ledger: a job in a PostgreSQL database, worked by any number of processes on any number of machines."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.arming import ArmRequest
from xoxo_async.bulk.ledger.budget import amount, units
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import (
    DEFAULT_RULES,
    Armed,
    Change,
    Counts,
    JournalRow,
    LedgerLine,
    LineState,
    PackedLine,
    PlannedLine,
    Rules,
)
from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.overview import Overview, RunNote
from xoxo_async.bulk.ledger.postgres.arming import Arming
from xoxo_async.bulk.ledger.postgres.claiming import Claiming
from xoxo_async.bulk.ledger.postgres.clock import SharedClock
from xoxo_async.bulk.ledger.postgres.codes import MARKS_KEY, read_codes, read_keys, take_keys
from xoxo_async.bulk.ledger.postgres.connections import Link, ledger_error
from xoxo_async.bulk.ledger.postgres.facts import get_fact, set_facts
from xoxo_async.bulk.ledger.postgres.jobs import JobRow, bind, bound_meanwhile, find_job, make_job, only_job, reread
from xoxo_async.bulk.ledger.postgres.kept import read_kept, read_kept_names
from xoxo_async.bulk.ledger.postgres.leases import Lease, read_holders
from xoxo_async.bulk.ledger.postgres.overview import note_run, read_overview
from xoxo_async.bulk.ledger.postgres.pausing import read_pause, set_pause
from xoxo_async.bulk.ledger.postgres.planning import run_plan
from xoxo_async.bulk.ledger.postgres.reading import place_after, read_journal, read_key, read_next, read_packed
from xoxo_async.bulk.ledger.postgres.records import Records
from xoxo_async.bulk.ledger.postgres.sums import count, read_committed
from xoxo_async.bulk.ledger.postgres.whole import Whole, note_job, read_backlog, undisturbed
from xoxo_async.bulk.ledger.postgres.work import Work, bound_wait, check_held, check_server
from xoxo_async.bulk.ledger.postgres.writer import LedgerWriter
from xoxo_async.bulk.ledger.protocol import NO_TERMS, Holder, Identity, Planned, PlanTerms, Pricing, Share
from xoxo_async.bulk.ledger.recording import storable_text
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import DatabaseError
from xoxo_async.secret_sources import secret_variable
from xoxo_async.waiting import outlast, shielded

__all__ = ["PostgresLedger"]

T = TypeVar("T")

_READ_CHUNK: Final = 500


class PostgresLedger:
    """A job's ledger in a PostgreSQL database; any number of processes may have it open at once.

    Use it with `async with`; it belongs to the event loop it was opened in. Every method raises `LedgerError` when the
    database has not answered for a minute, or refuses a statement. A claim that cannot be written fails, so nothing is
    sent without a durable intent. A result that cannot be written stays in memory, and is written before anything else
    once the database answers again.

    Each opening is a worker with a lease of fifteen seconds, by the database's clock. If its lease ends, `recover` of
    another worker puts its lines in doubt. Safety does not rest on the lease: each write checks that the line is as it
    was read, and a line in doubt is looked up before it is sent again.

    Args:
        url: The database: `postgresql://user@host/database`, with `#job` to name the job.
        job: The job's name, if the URL does not name it. Without any, it is the one job of the database, or the one
            that is planned first.
        codes_key: The key that encrypts voucher codes: 32 bytes as URL-safe base64. None reads `XOXO_LEDGER_KEY`;
            empty, or unset there, keeps them in clear. One key for all jobs of a database: the first opening with
            one encrypts all codes that are in clear, and is refused while others work without a key.
        store_codes: Whether voucher codes are kept; otherwise only order ids are, and a keyed hash of each code.
        must_exist: Whether a missing job is an error.
        read_only: Whether to read only: this changes nothing, and a standby will do. Methods that write raise.
        clock: The clock of a test, in epoch seconds; None is the database's.

    Raises:
        LedgerError: On opening: the database cannot be used, has another version of the schema, or would lose
            confirmed commits; or the key is wrong.
        ConfigError: The URL is wrong.

    Example:
        ```python
        async with PostgresLedger("postgresql://localhost/rewards#march") as ledger:
            print(await ledger.counts())
        ```
    """

    def __init__(
        self,
        url: str,
        *,
        job: str | None = None,
        codes_key: str | None = None,
        store_codes: bool = True,
        must_exist: bool = False,
        read_only: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._address: Final = DatabaseAddress.read(url)
        self._wanted: Final = job if job is not None else self._address.job
        self._key: Final = codes_key
        self._store_codes: Final = store_codes
        self._must_exist: Final = must_exist
        self._read_only: Final = read_only
        self._clock: Final = clock
        self._work: Work | None = None
        self._writer: LedgerWriter | None = None
        self._records: Records | None = None
        self._claiming: Claiming | None = None
        self._planning: Final = asyncio.Lock()
        self._approving: asyncio.Task[object] | None = None
        self._given_up: Final[set[asyncio.Future[Any]]] = set()

    @property
    def name(self) -> str:
        """The URL without its password, with the job."""
        job = self.job or self._wanted
        return self._address.name if job is None else f"{self._address.name}#{job}"

    @property
    def argument(self) -> str:
        """The URL with its options and its job, without a password: what `--ledger` takes to reach this job."""
        return LedgerAddress(None, self._address, self.job).argument

    @property
    def job(self) -> str | None:
        """The job this ledger holds; before its first plan the one that was asked for, None without one."""
        job = None if self._work is None else self._work.job
        return job.name if job is not None and job.is_planned else self._wanted

    @property
    def kind(self) -> JobKind | None:
        """What the job is of; None before its first line."""
        return None if self._work is None or self._work.job is None else self._work.job.kind

    @property
    def identity(self) -> Identity | None:
        """The account and address of the job, None before they are set."""
        return None if self._work is None or self._work.job is None else self._work.job.identity

    @property
    def keeps_codes(self) -> bool:
        """Whether voucher codes are kept."""
        return self._store_codes

    @property
    def copied(self) -> bool:
        """Whether the database is an older state of itself, so that planned lines may have been sent.

        A person says so with `xoxo ledger check --restored`; a database cannot know it. It stays True until `restored`.
        """
        return self._work is not None and self._work.job is not None and self._work.job.copied

    @property
    def older(self) -> bool:
        """Whether a `copied` ledger surely is an older state of this very ledger: it always is."""
        return self.copied

    @property
    def worker(self) -> int | None:
        """The number of this opening among the workers; another one after its lease was lost. None if it only reads."""
        return None if self._work is None or self._work.lease is None else self._work.worker

    @property
    def holder(self) -> int | None:
        """None: many processes may work at once."""
        return None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Connect, find the job, and register as a worker.

        Raises:
            LedgerError: When the database cannot be used, or has no such job and one must exist.
        """
        if self._work is not None:
            raise LedgerError(f"{self.name} is open already")
        opening = asyncio.ensure_future(self._start())
        try:
            await outlast(opening)
        except asyncio.CancelledError:
            # Close a ledger that nobody gets, or others wait until its lease runs out.
            if not opening.cancelled() and opening.exception() is None:
                await self.aclose()
            raise

    async def _start(self) -> None:
        box = self._box() if self._store_codes else None
        marks = CodeMarks(self._box)
        clock = SharedClock(self._clock)
        reader = Link(self._address, "ledger reader", read_only=self._read_only)
        writer = Link(self._address, "ledger writer")
        keeper = Link(self._address, "ledger lease")
        lease = None if self._read_only else Lease(keeper, clock)
        work = Work(
            self._address.name, clock, box, marks, writer=writer, reader=reader, lease=lease, wanted=self._wanted
        )
        try:
            await reader.open()
            work.job = await reader.run(self._find)
            self._require(work.job)
            if lease is not None:
                await self._begin(work, lease)
        except BaseException as error:
            if lease is not None:
                await lease.end()
            for link in (reader, writer, keeper):
                await link.close()
            if isinstance(error, DatabaseError):
                raise ledger_error(error) from error
            raise
        self._work, self._links = work, (reader, writer, keeper)

    def _require(self, job: JobRow | None) -> None:
        if self._must_exist and job is None:
            named = "any job" if self._wanted is None else f"the job {self._wanted!r}"
            raise LedgerError(f"the database {self._address.name} does not have {named}")

    async def _find(self, connection: DatabaseConnection) -> JobRow | None:
        return await (only_job(connection) if self._wanted is None else find_job(connection, self._wanted))

    async def _begin(self, work: Work, lease: Lease) -> None:
        """Take the keys and the lease, and start the writer."""
        await work.writer.open()
        job = None if work.job is None else work.job.id
        await work.writer.run(lambda c: take_keys(c, work.box, work.marks, lambda: lease.begin(job)))
        await check_server(work)
        self._records = Records(work)
        self._claiming = Claiming(work, self._records)
        self._writer = LedgerWriter(self._records, self._claiming, Arming(work, self._claiming))

    async def aclose(self) -> None:
        """Finish the calls under way, write what is left, and end the lease, also if the caller is cancelled meanwhile.

        Safe to call twice.
        """
        work, writer, self._writer = self._work, self._writer, None
        self._work = None
        if work is not None:
            await outlast(asyncio.ensure_future(self._end(work, writer)))

    async def _end(self, work: Work, writer: LedgerWriter | None) -> None:
        try:
            await asyncio.gather(*self._given_up, return_exceptions=True)
            if writer is not None:
                await writer.stop()
            if work.lease is not None:
                await work.lease.end()
        finally:
            for link in self._links:
                await link.close()

    def now(self) -> float:
        """Return the ledger's clock: the database's, which nobody sets while lines are in doubt.

        Raises:
            LedgerError: When the ledger is not open.
        """
        return self._opened().clock.now()

    async def plan(self, job: str, lines: AsyncIterator[PlannedLine], terms: PlanTerms = NO_TERMS) -> Planned:
        """Add lines, all or none: an error anywhere, also in `lines` or in `approve`, leaves the ledger as it was.

        Other workers go on meanwhile, also while `approve` asks a person; they see no new line before the end.

        Args:
            job: The job's name.
            lines: The lines. A line that is there already, with the same contents, stays as it is.
            terms: What else the plan has to keep to.

        Raises:
            LedgerConflictError: When a key or poNumber is there with other contents; names key and row.
            PlanError: When planned lines are missing from the plan and may not be; names them.
            LedgerError: When the ledger holds another job, or another account's orders, or cannot be written; or when
                `approve` writes to it.
        """
        work = self._writing()

        async def ask(outcome: Planned, shares: list[Share] | None) -> None:
            if terms.approve is not None:
                self._approving = asyncio.current_task()
                try:
                    await terms.approve(outcome, shares)
                finally:
                    self._approving = None

        def committed(row: JobRow) -> None:
            work.job = row

        asking = msgspec.structs.replace(terms, approve=ask if terms.approve else None)
        known = self.job or self._wanted
        link = Link(self._address, "ledger plan")
        async with self._planning:
            try:
                planned = await run_plan(link, work.clock.now, job, lines, asking, known=known, committed=committed)
                await check_held(work)  # so a new job notes its server before a fail-over can take its first claim
                if work.lease is not None and work.job is not None:
                    await work.lease.work_on(work.job.id)
            except DatabaseError as error:
                raise ledger_error(error) from error
            finally:
                await link.close()
        return planned

    async def rebind(self, identity: Identity, *, reason: str, expected: Identity | UnsetType | None = UNSET) -> None:
        """Bind the job to another account or address, on a person's word; journalled. Claims wait for the end of it.

        Other openings of the job give no lines any more: who sends with them sends for the old account.

        Args:
            identity: The new account and address.
            reason: Why.
            expected: What it belongs to as the caller knows it; None is no account. Default: whatever it is.

        Raises:
            LedgerConflictError: When it does not belong to `expected`; nothing was changed.
            LedgerError: When another job of that account has one of its orders, or it cannot be written.
        """
        work = self._writing()
        known = await self._made()

        async def run(connection: DatabaseConnection) -> None:
            async with connection.transaction():
                await bound_wait(connection)
                job = work.job = await reread(connection, known)
                if expected is not UNSET and job.identity != expected:
                    raise bound_meanwhile(job.name)
                was = "none" if job.identity is None else f"{job.address} (account {job.account_name or 'unknown'})"
                entry = f"from {was} to {identity.address} (account {identity.account or 'unknown'}): {reason}"
                bound = await bind(connection, job, identity)
                await note_job(connection, job.id, work.clock.now(), "rebound", entry)
            work.job = bound

        await self._run(work.writer, run)

    async def restored(self, *, reason: str, copied: bool = False) -> int:
        """Put every planned line in doubt (T15): this ledger may be an older copy, and they may have been sent.

        Unknown lines may have been sent again, so their absence is counted from now on. Call `recover` first.

        Args:
            reason: The reason for that; journalled.
            copied: Whether it may be a copy beside another ledger, and no person denies it.

        Returns:
            How many lines there were.
        """
        moved = await self._whole(lambda whole: whole.restored(reason, copied=copied))
        await self._refresh()
        return moved

    async def withdraw(self, keys: Collection[str] | None, *, reason: str) -> int:
        """Cancel lines that were never sent (T14), all or none. One that shares an order leaves the others planned.

        Args:
            keys: Whose; None is every planned line that was never sent.
            reason: Why; journalled.

        Returns:
            How many lines were cancelled.

        Raises:
            LedgerConflictError: When one of them is not there, or was sent; names it.
        """
        return await self._whole(lambda whole: whole.withdraw(keys, reason))

    async def reprice(self, pricing: Pricing) -> None:
        """Update what orders that are not placed may cost at most.

        Args:
            pricing: What a piece may cost today.
        """
        await self._whole(lambda whole: whole.reprice(pricing))

    async def backlog(self, *, doubted: bool = False) -> list[Share]:
        """Return what is planned and not sent; reads each such line.

        Args:
            doubted: Whether to count in what may have been sent, and may be sent again.
        """
        job = await self._found()
        return [] if job is None else await self._read(lambda c: read_backlog(c, job.id, doubted=doubted))

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        """Take up to `limit` planned lines for sending (T1); durable on return.

        It gives none while the job is paused, and while other workers have reserved what is left. If the caller is
        cancelled meanwhile, the lines are given back.

        Args:
            limit: How many; no more than can be sent at once (see `MAX_HOLD_S`).
            budget: What the job may cost, in the account's currency, whoever claims. A claim reserves what its lines
                may cost at most.

        Raises:
            BudgetError: When the next line may cost more than is left of the budget; nothing was taken.
            LedgerError: When the intent cannot be written: nothing may be sent.
        """
        self._writing()
        writer = self._open_writer()
        if limit < 1 or await self._found() is None:
            return []
        lines: list[LedgerLine] = await self._taken(writer.claim(limit, units(budget)), lambda lines: lines)
        return lines

    async def arm(
        self, job: str, line: PlannedLine, *, identity: Identity | None = None, budget: Decimal | None = None
    ) -> Armed:
        """Add one line and take it for sending in one transaction (T0, T1); callers at once share it.

        If the caller is cancelled meanwhile, an armed line is given back.

        Args:
            job: The job's name; it is made if there is none of that name.
            line: The line. With row 0, it gets its own number in the ledger as its row.
            identity: The account and address of its order; a job without any keeps it.
            budget: What the job may cost, in the account's currency, whoever sends.

        Raises:
            LedgerConflictError: When its key or poNumber is there with other contents, or when it shares an order with
                other lines.
            BudgetError: When it may cost more than is left of the budget; it was not added.
            LineBusyError: When another process is adding it, such as a plan that has not ended; it was not added.
            LedgerError: When the ledger is `copied`, holds another job, or another account's orders, or cannot be
                written.
        """
        self._writing()
        request = ArmRequest(job, line, identity, units(budget))
        armed: Armed = await self._taken(
            self._open_writer().arm(request), lambda armed: [armed.line] if armed.mine else []
        )
        return armed

    async def _taken(self, future: "asyncio.Future[T]", taken: Callable[[T], list[LedgerLine]]) -> T:
        """Wait for lines; they go back if the caller is cancelled meanwhile."""
        writer = self._open_writer()
        try:
            return await shielded(future)
        except asyncio.CancelledError:
            self._given_up.add(future)
            future.add_done_callback(lambda done: writer.give_back([] if done.exception() else taken(done.result())))
            future.add_done_callback(self._given_up.discard)
            raise

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        """Record facts about lines, each with its journal row. Durable on return; done also if the caller is cancelled.

        Args:
            changes: The facts, in order; several may be about one line.
            rules: The settling rules, for facts about absence.
            doubts: poNumber and order id of each answer on a connection that was not in step: those lines are put in
                doubt (T16) in the same transaction, unless a person named their order.

        Returns:
            For every change, the line as it stands after it; then the lines that came into doubt.

        Raises:
            LedgerConflictError: When some changes were refused; it names them.
            LedgerError: When nothing could be written; the changes are kept, and written later.
        """
        self._writing()
        await self._found()
        written = self._open_writer().record(tuple(changes), rules, tuple(doubts))
        return await shielded(written)

    async def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that placed lines may get, for a ledger that does not keep codes.

        Args:
            found: The codes as the vendor lists them now, by line: JSON as in `Change.codes`.
        """
        self._writing()
        await self._found()
        records = self._records
        if records is None:
            raise self._not_open()
        return await self._failing(records.vet(found))

    async def recover(self) -> int:
        """Put lines in doubt (T7) whose worker's lease has ended; those of workers that are alive stay.

        Returns:
            How many there were.
        """
        self._writing()
        await self._found()
        claiming = self._claiming
        if claiming is None:
            raise self._not_open()
        return await self._failing(claiming.recover())

    async def lines(
        self, *, states: Collection[LineState] = (), after: int = 0, with_codes: bool = False
    ) -> AsyncIterator[LedgerLine]:
        """Stream lines in order of `seq`; bounded memory, each chunk as it stands when it is read.

        Args:
            states: Only these; empty is all.
            after: Only lines with a greater `seq`.
            with_codes: Whether to fill in `codes`.

        Raises:
            LedgerError: Also when codes do not open with this key.
        """
        job = await self._found()
        if job is None:
            return
        wanted = tuple(dict.fromkeys(states))
        box = self._box() if with_codes else None
        place = await self._read(lambda c: place_after(c, job.id, after))
        while True:
            chunk, place = await self._read(
                partial(read_next, job=job.id, states=wanted, place=place, limit=_READ_CHUNK)
            )
            for line in await self._with_codes(chunk, box):
                yield line
            if len(chunk) < _READ_CHUNK:
                return

    async def _with_codes(self, lines: list[LedgerLine], box: CodeBox | None) -> list[LedgerLine]:
        seqs = [line.seq for line in lines if line.state is LineState.PLACED]
        if box is None or not seqs:
            return lines
        stored = await self._read(lambda c: read_codes(c, seqs))
        return [
            msgspec.structs.replace(line, codes=box.open(stored[line.seq], line.seq)) if line.seq in stored else line
            for line in lines
        ]

    async def find(self, key: str, *, with_codes: bool = False) -> LedgerLine | None:
        """Return the order that the line of a key is, or travels in; None when there is no such line.

        Args:
            key: The caller's row key.
            with_codes: Whether to fill in `codes`.

        Raises:
            LedgerError: Also when codes do not open with this key.
        """
        job = await self._found()
        found = None if job is None else await self._read(lambda c: read_key(c, job.id, key))
        if found is None or not with_codes:
            return found
        return (await self._with_codes([found], self._box()))[0]

    async def packed(self, orders: Sequence[LedgerLine]) -> dict[int, list[PackedLine]]:
        """Return the lines that travel in some orders, in the order in which the vouchers are dealt to them.

        Args:
            orders: The orders; those of a single line have no entry.
        """
        self._opened()
        seqs = [order.seq for order in orders if order.lines > 1]
        found: dict[int, list[PackedLine]] = {}
        for line in await self._read(lambda c: read_packed(c, seqs)) if seqs else ():
            found.setdefault(line.pack, []).append(line)
        return found

    async def kept(self, keys: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the columns that ride along with some lines, by key; see `OrderLine.kept`.

        Args:
            keys: The keys of the lines, also of lines that share an order. One without such columns has no entry.
        """
        job = await self._found()
        return {} if job is None else await self._read(lambda c: read_kept(c, job.id, keys))

    async def kept_names(self) -> list[str]:
        """Return the names of the columns that ride along with the lines of the job, in the order of the input."""
        job = await self._found()
        return [] if job is None else await self._read(lambda c: read_kept_names(c, job.id))

    async def counts(self) -> Counts:
        """Return the ledger in numbers, from one snapshot."""
        job = await self._found()
        return await self._read(lambda c: count(c, 0 if job is None else job.id))

    async def committed(self) -> Decimal:
        """Return what the job has cost, and what its orders under way may cost, in the account's currency."""
        job = await self._found()
        return Decimal(0) if job is None else amount(await self._read(lambda c: read_committed(c, job.id)))

    async def journal(self, *, seq: int | None = None, after: int = 0) -> AsyncIterator[JournalRow]:
        """Stream the append-only journal, oldest first.

        Args:
            seq: Only this line's entries; None is all.
            after: Only entries with a greater id.
        """
        job = await self._found()
        if job is None:
            return
        while True:
            chunk = await self._read(partial(read_journal, job=job.id, seq=seq, after=after, limit=_READ_CHUNK))
            for row in chunk:
                yield row
            if len(chunk) < _READ_CHUNK:
                return
            after = chunk[-1].id

    async def get_fact(self, name: str) -> str | None:
        """Return a fact kept with `set_fact`, None when there is none.

        Args:
            name: The fact's name.
        """
        job = await self._found()
        return None if job is None else await self._read(lambda c: get_fact(c, job.id, name))

    async def set_fact(self, name: str, value: str) -> None:
        """Keep a small fact about the run beside it, durably.

        Args:
            name: The fact's name.
            value: The fact.

        Raises:
            LedgerError: Also when nothing was planned yet, and the ledger names no job.
        """
        work = self._writing()
        job = await self._made()

        async def run(connection: DatabaseConnection) -> None:
            async with connection.transaction():
                await bound_wait(connection)
                await set_facts(connection, job.id, {name: value})

        await self._run(work.writer, run)
        known = work.known_job()  # it may have been read again meanwhile
        work.job = known._replace(facts=known.facts | {name: value})

    async def pause(self, reason: str) -> None:
        """Pause the job: the next claim of any worker gives nothing. What is under way ends. Journalled.

        Args:
            reason: Why; a later reason replaces it.
        """
        await self._set_pause(storable_text(reason) or "no reason was given")

    async def unpause(self) -> None:
        """Let claims give lines again; does nothing to a job that is not paused."""
        await self._set_pause("")

    async def _set_pause(self, reason: str) -> None:
        work = self._writing()
        job = (await self._made()).id
        await self._run(work.writer, lambda c: set_pause(c, job, reason, work.clock.now()))

    async def paused(self) -> str | None:
        """Return why the job is paused, None when it is not."""
        job = await self._found()
        if job is None:
            return None
        return await self._read(lambda c: read_pause(c, job.id))

    async def require_key(self) -> None:
        """Refuse to go on without the key that voucher codes are recognised with: no line could be claimed.

        Raises:
            LedgerKeyError: When the key is missing or another one.
        """
        CodeMarks(self._box).open_key((await self._read(read_keys)).get(MARKS_KEY))

    async def settles(self) -> bool:
        """Return whether this worker is the one that settles doubts now; it takes or renews the lease for that."""
        work = self._writing()
        job = await self._found()
        if job is None or work.lease is None:
            return False
        return await self._failing(work.lease.settles(job.id))

    async def holders(self) -> list[Holder]:
        """Return the workers of the job whose lease lasts, with the orders that each is sending."""
        job = await self._found()
        return [] if job is None else await self._read(lambda c: read_holders(c, job.id))

    async def overview(self) -> Overview:
        """Return the job in groups, from one snapshot; reads every line a few times."""
        job = await self._found()
        return await self._read(lambda c: read_overview(c, 0 if job is None else job.id))

    async def note_run(self, note: RunNote) -> None:
        """Keep what a run says about itself; its later note replaces it.

        Args:
            note: The note.
        """
        work = self._writing()
        job = await self._made()

        async def run(connection: DatabaseConnection) -> None:
            async with connection.transaction():
                await bound_wait(connection)
                await note_run(connection, job.id, note)

        await self._run(work.writer, run)

    # Private.

    def _box(self) -> CodeBox:
        key = secret_variable("XOXO_LEDGER_KEY").value if self._key is None else self._key
        return CodeBox(key)

    def _opened(self) -> Work:
        if self._work is None:
            raise self._not_open()
        return self._work

    def _writing(self) -> Work:
        work = self._opened()
        if self._writer is None:
            raise LedgerError(f"{self.name} is open to read only")
        if self._approving is not None and self._approving is asyncio.current_task():
            raise LedgerError("`approve` of a plan wrote to the ledger that is being planned; it may only read")
        return work

    def _open_writer(self) -> LedgerWriter:
        if self._writer is None:
            raise self._not_open()
        return self._writer

    def _not_open(self) -> LedgerError:
        return LedgerError(f"{self.name} is not open: use `async with PostgresLedger(...)`")

    async def _failing(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except DatabaseError as error:
            raise ledger_error(error) from error

    async def _run(self, link: Link, work: Callable[[DatabaseConnection], Awaitable[T]], *, again: bool = False) -> T:
        return await self._failing(link.run(work, again=again))

    async def _read(self, work: Callable[[DatabaseConnection], Awaitable[T]]) -> T:
        return await self._run(self._opened().reader, work, again=True)

    async def _whole(self, run: Callable[[Whole], Awaitable[T]]) -> T:
        """Do something with the job's lines as a whole, in one transaction."""
        work = self._writing()
        job = await self._made()

        async def whole(connection: DatabaseConnection) -> T:
            async def once() -> T:
                await bound_wait(connection)
                return await run(Whole(connection, await reread(connection, job), work.clock.now()))

            return await undisturbed(connection, once)

        return await self._run(work.writer, whole)

    async def _found(self) -> JobRow | None:
        """Return the job, also where another program has planned it since this ledger was opened."""
        work = self._opened()
        if work.job is None:
            work.job = await self._read(self._find)
            if work.job is not None and work.lease is not None:
                await self._failing(work.lease.work_on(work.job.id))
        return work.job

    async def _made(self) -> JobRow:
        """Return the job, which is made if the ledger names one that is not there yet."""
        work, job, name = self._writing(), await self._found(), self._wanted
        if job is None and name is not None:
            job = work.job = await self._run(work.writer, lambda c: make_job(c, name))
        return work.known_job() if job is None else job

    async def _refresh(self) -> None:
        """Read the job again: what is cached of it has changed."""
        work = self._opened()
        if work.job is not None:
            name = work.job.name
            work.job = await self._read(lambda c: find_job(c, name))
