"""The embedded ledger: one SQLite file for one process at a time; every result is durable before it is returned."""

import asyncio
import os
import platform
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from xoxo_async.bulk.ledger.budget import amount, units
from xoxo_async.bulk.ledger.clock import Boot, boot_clock
from xoxo_async.bulk.ledger.facts import CURRENCY, KEPT_NAMES, PAUSED, RUNS
from xoxo_async.bulk.ledger.kept import names_of
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
from xoxo_async.bulk.ledger.overview import Overview, RunNote, with_note
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.backlog import read_backlog
from xoxo_async.bulk.ledger.sqlite.codes import MARKS_KEY, read_codes, unpacked
from xoxo_async.bulk.ledger.sqlite.journal import read_journal
from xoxo_async.bulk.ledger.sqlite.kept import read_kept
from xoxo_async.bulk.ledger.sqlite.lock import holder_of
from xoxo_async.bulk.ledger.sqlite.meta import fact, get_meta, read_identity, read_kind, set_meta
from xoxo_async.bulk.ledger.sqlite.overview import read_overview
from xoxo_async.bulk.ledger.sqlite.packs import pack_of, read_packed
from xoxo_async.bulk.ledger.sqlite.statements import read_key, read_state
from xoxo_async.bulk.ledger.sqlite.sums import count_orders, read_committed
from xoxo_async.bulk.ledger.sqlite.tally import count
from xoxo_async.bulk.ledger.sqlite.view import LedgerView
from xoxo_async.bulk.ledger.terms import NO_TERMS, Holder, Identity, Planned, PlanTerms, Pricing, Share
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.errors import ConfigError, LedgerConflictError, LedgerError
from xoxo_async.file_locks import POSIX
from xoxo_async.file_names import address_in, way_out
from xoxo_async.secret_sources import secret_variable
from xoxo_async.waiting import outlast, shielded

if TYPE_CHECKING:
    import anyio

    from xoxo_async.bulk.ledger.sqlite.opening import LedgerFile, Opened
    from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
    from xoxo_async.bulk.ledger.sqlite.writer import LedgerWriter

__all__ = ["SqliteLedger"]

T = TypeVar("T")

_READ_CHUNK: Final = 500
_PLACED: Final = LineState.PLACED


class SqliteLedger:
    """A ledger in one SQLite file (and its `-wal`, `-shm` and `.lock` beside it), all 0600, for one process at a time.

    Use it with `async with`; it belongs to the event loop it was opened in. Every method raises `LedgerError` when the
    file cannot be read or written. A claim that cannot be written fails, so nothing is sent without a durable intent. A
    result that cannot be written fails as well, and stays in memory for the next transaction; recording it again is
    safe. Keep the file on a local disk: SQLite's WAL does not work over network file systems.

    Args:
        path: The file; made when it is not there, unless `must_exist`.
        job: The job that it must hold, or that its first plan begins; None takes the file's own.
        clock: The wall clock, in epoch seconds.
        boot: The clock of this machine, which nobody can set; absence is counted on it. Default: the system's, or
            `clock` if that is given.
        codes_key: The key that encrypts voucher codes: 32 bytes as URL-safe base64. None reads `XOXO_LEDGER_KEY`;
            empty, or unset there, keeps them in clear. With a key, codes that are in clear already are sealed before
            anything else is written, and from then on the ledger opens only with that key.
        store_codes: Whether voucher codes are kept; otherwise only order ids are, and a keyed hash of each code.
        must_exist: Whether a missing file is an error.
        read_only: Whether to read only: this takes no lock and changes nothing, and another process may write
            meanwhile. Methods that write raise.
        keep_unused: Whether a ledger that this opening made stays when nothing was planned in it.

    Raises:
        ConfigError: `path` is a URL, or keywords of a database such as `dbname=`.
        LedgerLockedError: On opening: another process holds the ledger, or this one has it open already.
        LedgerError: On opening: the file is no ledger, cut off, damaged, of a newer version, has a second name (hard
            link), or the key is wrong. Later: the file was deleted, renamed or replaced; then no line is handed out.

    Example:
        ```python
        async with SqliteLedger("march.db") as ledger:
            print(await ledger.counts())
        ```
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        job: str | None = None,
        clock: Callable[[], float] | None = None,
        boot: Callable[[], Boot] | None = None,
        codes_key: str | None = None,
        store_codes: bool = True,
        must_exist: bool = False,
        read_only: bool = False,
        keep_unused: bool = True,
    ) -> None:
        if not POSIX:
            raise ConfigError(
                "a ledger in a file needs the file locks of POSIX, which this system does not have: use a ledger in "
                "PostgreSQL"
            )
        kind = address_in(path)
        if kind:
            raise ConfigError(f"SqliteLedger needs the path of a file, not {kind}; {way_out(path)}")
        self.path: Final = Path(path)
        self._file: Final = Path(os.path.realpath(path))
        self._wall: Final = clock or time.time
        self._boot: Final = boot or (boot_clock() if clock is None else lambda: Boot("", self._wall()))
        self._key: Final = codes_key
        self._store_codes: Final = store_codes
        self._must_exist: Final = must_exist
        self._keep_unused: Final = keep_unused
        self._only_read: Final = LedgerView(self.path, self._file) if read_only else None
        self._view: LedgerView | None = None
        self._open: _Open | None = None
        self._asked: Final = job
        self._job: str | None = None
        self._kind: JobKind | None = None
        self._copied = False
        self._older = False
        self._given_up: Final[set[asyncio.Future[Any]]] = set()
        self._identity: Identity | None = None
        self._approving: asyncio.Task[object] | None = None

    @property
    def name(self) -> str:
        """The path as the caller wrote it: the ledger's name in reports and messages."""
        return str(self.path)

    @property
    def argument(self) -> str:
        """The path: what `--ledger` takes to reach this ledger."""
        return str(self.path)

    @property
    def job(self) -> str | None:
        """The job this ledger holds; before its first plan the one that was asked for, None without one."""
        return self._job or self._asked

    @property
    def kind(self) -> JobKind | None:
        """What the job of this ledger is of; None before its first line."""
        return self._kind

    @property
    def copied(self) -> bool:
        """Whether this file may be an older or another copy of the ledger that earlier runs wrote to.

        Then its planned lines may have been sent. It stays True, also for later openings, until `restored`. A restored
        snapshot of the whole disk or folder cannot be recognised.
        """
        return self._copied

    @property
    def older(self) -> bool:
        """Whether a `copied` ledger, opened to write, surely is an older state of this very ledger.

        The lock file beside it names later entries: a backup was put back. Then the orders of its planned lines are its
        own, and are adopted. Any other copy may be a second ledger, and a person decides.
        """
        return self._older

    @property
    def identity(self) -> Identity | None:
        """The account and address of this ledger, None before they are set."""
        return self._identity

    @property
    def holder(self) -> int | None:
        """The process that holds this ledger, None when none does; this process if it is open to write."""
        return holder_of(self._file)

    @property
    def keeps_codes(self) -> bool:
        """Whether voucher codes are kept."""
        return self._store_codes

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Take the ledger's lock, check the file (or make it), and start its writer.

        Raises:
            LedgerLockedError: When another process holds the ledger, or this one has it open already.
            LedgerError: When the file cannot be used, or holds another job; the message has the reason.
        """
        if self._open is not None or self._view is not None:
            raise LedgerError(f"{self.path} is open already")
        if self._only_read is not None:
            job = await asyncio.to_thread(self._only_read.job)
            self._refuse_other_job(job)
            self._job = job
            self._view, self._copied = self._only_read, self._only_read.copied
            self._identity = await self._read(read_identity)
            self._kind = await self._read(read_kind)
            return
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, self._take, loop)
        try:
            opened = await outlast(opening)
        except asyncio.CancelledError:
            # Close a half-opened ledger, or it keeps its lock until the process ends.
            if opening.exception() is None:
                await self._let_go(opening.result())
            raise
        self._open, parts = opened, opened.parts
        self._job, self._kind, self._identity = parts.job, parts.kind, parts.identity
        self._copied, self._older = parts.holding.copied, parts.holding.older

    def _take(self, loop: asyncio.AbstractEventLoop) -> "_Open":
        """Open the file, and start its writer; blocks."""
        # Imported here: a command that only reads takes a tenth less time without all that writes.
        import anyio  # noqa: PLC0415

        from xoxo_async.bulk.ledger.marks import CodeMarks  # noqa: PLC0415
        from xoxo_async.bulk.ledger.sqlite.opening import LedgerFile  # noqa: PLC0415
        from xoxo_async.bulk.ledger.sqlite.writer import LedgerWriter  # noqa: PLC0415

        box = self._box() if self._store_codes else None
        marks = CodeMarks(self._box)
        file = LedgerFile(
            self.path, self._file, box, marks, must_exist=self._must_exist, wall=self._wall, boot=self._boot
        )

        def start(parts: "Opened") -> "LedgerWriter":
            self._refuse_other_job(parts.job)
            return LedgerWriter(self._file, parts.session, parts.lock, parts.holding, parts.watch, loop)

        return _Open(file, *file.open(start), planning=anyio.Lock())

    def _refuse_other_job(self, job: str | None) -> None:
        if job and self._asked and job != self._asked:
            raise LedgerError(f"{self.path} holds the job {job!r}, not {self._asked!r}: a file holds one job")

    async def aclose(self) -> None:
        """Finish the calls under way, write what is left, and release the lock. Safe to call twice."""
        opened, self._open, self._view = self._open, None, None
        if opened is None:
            return
        try:
            # Lines of a claim whose caller was cancelled are given back before the end.
            await outlast(asyncio.gather(*self._given_up, return_exceptions=True))
        finally:
            await self._let_go(opened)

    async def _let_go(self, opened: "_Open") -> None:
        def end() -> None:
            opened.writer.stop()
            opened.file.close(
                opened.parts,
                clean=opened.writer.ended_cleanly,
                has_written=opened.writer.has_written,
                keep_unused=self._keep_unused,
            )

        await outlast(asyncio.get_running_loop().run_in_executor(None, end))

    def now(self) -> float:
        """Return the ledger's clock: seconds that nobody can set, across processes and a suspended machine.

        Raises:
            LedgerError: When the ledger is not open to write.
        """
        if self._open is None:
            raise self._not_open()
        return self._open.parts.holding.clock.now()

    async def plan(self, job: str, lines: AsyncIterator[PlannedLine], terms: PlanTerms = NO_TERMS) -> Planned:
        """Add lines, all or none: an error anywhere, also in `lines` or in `approve`, leaves the ledger as it was.

        Claims and results wait until planning ends, also while `approve` asks a person.

        Args:
            job: The job's name; a ledger holds one job.
            lines: The lines. A line that is there already, with the same contents, stays as it is.
            terms: What else the plan has to keep to.

        Returns:
            How many were added, how many were known, and how many were withdrawn.

        Raises:
            LedgerConflictError: When a key or poNumber is there with other contents; names key and row.
            PlanError: When planned lines are missing from the plan and may not be; names them.
            LedgerError: When the ledger holds another job, or another account's orders, or cannot be written; or when
                `approve` writes to it.
        """
        from xoxo_async.bulk.ledger.sqlite.planning import run_plan  # noqa: PLC0415 - as in `_take`

        opened = self._to_write()

        def planned() -> None:
            self._job, self._kind = job, terms.kind
            self._identity = self._identity or terms.identity
            if terms.restored:
                self._copied = False

        async def ask(outcome: Planned, shares: list[Share] | None) -> None:
            if terms.approve is not None:
                self._approving = asyncio.current_task()
                try:
                    await terms.approve(outcome, shares)
                finally:
                    self._approving = None

        asking = msgspec.structs.replace(terms, approve=ask if terms.approve else None)
        async with opened.planning:
            return await run_plan(opened.writer.plan, job, lines, asking, planned)

    async def rebind(self, identity: Identity, *, reason: str, expected: Identity | UnsetType | None = UNSET) -> None:
        """Bind the ledger to another account or address, on a person's word; journalled.

        Args:
            identity: The new account and address.
            reason: Why.
            expected: What it belongs to as the caller knows it; None is no account. Default: whatever it is.

        Raises:
            LedgerConflictError: When it does not belong to `expected`; nothing was changed.
            LedgerError: When it cannot be written.
        """
        writer = self._writer()
        if expected is not UNSET and expected != self._identity:  # nobody else writes to this ledger
            raise LedgerConflictError("this ledger belongs to another account or address by now; nothing was changed")
        await writer.step(lambda session: session.rebind(identity, reason))
        self._identity = identity

    async def restored(self, *, reason: str, copied: bool = False) -> int:
        """Put every planned line in doubt (T15): this ledger may be an older copy, and they may have been sent.

        Unknown lines may have been sent again, so their absence is counted from now on. Call `recover` first.

        Args:
            reason: The reason for that; journalled.
            copied: Whether it may be a copy beside another ledger, and no person denies it.

        Returns:
            How many lines there were.
        """
        moved = int(await self._writer().step(lambda session: session.restored(reason, copied=copied)))
        self._copied = False
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
        return int(await self._writer().step(lambda session: session.withdraw(keys, reason)))

    async def reprice(self, pricing: Pricing) -> None:
        """Update what orders that are not placed may cost at most; reads each of them.

        Args:
            pricing: What a piece may cost today.
        """
        await self._writer().step(lambda session: session.reprice(pricing))

    async def backlog(self, *, doubted: bool = False) -> list[Share]:
        """Return what is planned and not sent; reads each such line.

        Args:
            doubted: Whether to count in what may have been sent, and may be sent again.
        """
        return await self._read(lambda connection: read_backlog(connection, doubted=doubted))

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        """Take up to `limit` planned lines for sending (T1), in order. Durable on return.

        It gives none when none is left, or when the job is paused. If the caller is cancelled meanwhile, the lines are
        given back.

        Args:
            limit: How many; no more than can be sent at once (see `MAX_HOLD_S`).
            budget: What the job may cost, in the account's currency. A claim reserves what its lines may cost at most.

        Raises:
            BudgetError: When the next line may cost more than is left of the budget; nothing was taken.
            LedgerError: When the intent cannot be written: nothing may be sent.
        """
        writer = self._writer()
        if limit < 1:
            return []
        return await self._taken(writer, writer.claim(limit, units(budget)), lambda lines: lines)

    async def arm(
        self, job: str, line: PlannedLine, *, identity: Identity | None = None, budget: Decimal | None = None
    ) -> Armed:
        """Add one line and take it for sending in one transaction (T0, T1). Durable on return.

        A line that is there with the same contents is taken if it is planned, and otherwise returned as it stands. Many
        callers share one transaction. If the caller is cancelled meanwhile, an armed line is given back.

        Args:
            job: The job's name; a new ledger keeps it.
            line: The line. With row 0, it gets its own number in the ledger as its row.
            identity: The account and address of its order; a ledger without any keeps it.
            budget: As for `claim`.

        Raises:
            LedgerConflictError: When its key or poNumber is there with other contents, or when it shares an order with
                other lines.
            BudgetError: When it may cost more than is left of the budget; it was not added.
            LedgerError: When the ledger is `copied`, holds another job, or another account's orders, or cannot be
                written.
        """
        writer = self._writer()
        armed = await self._taken(
            writer,
            writer.arm(job, line, identity, units(budget)),
            lambda armed: [armed.line] if armed.mine else [],
        )
        self._job, self._identity = self._job or job, self._identity or identity
        self._kind = self._kind or JobKind.ORDERS
        return armed

    async def _taken(
        self, writer: "LedgerWriter", future: "asyncio.Future[T]", lines_of: Callable[[T], Sequence[LedgerLine]]
    ) -> T:
        """Wait for lines to send; if the caller is cancelled meanwhile, give them back."""
        try:
            return await shielded(future)
        except asyncio.CancelledError:
            self._given_up.add(future)
            future.add_done_callback(lambda done: writer.give_back([] if done.exception() else lines_of(done.result())))
            future.add_done_callback(self._given_up.discard)
            raise

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        """Record facts about lines, each with its journal row. Durable on return; done also if the caller is cancelled.

        Changes that do not apply never hold up those that do: these are written, then the error is raised. A proof of
        another order than the one stored is journalled and refused.

        Args:
            changes: The facts, in order; several may be about one line.
            rules: The settling rules, for facts about absence.
            doubts: poNumber and order id of each answer on a connection that was not in step: those lines are put in
                doubt (T16) in the same transaction, unless a person named their order.

        Returns:
            For every change, the line as it stands after it; then the lines that came into doubt.

        Raises:
            LedgerConflictError: When some changes were refused; it names them.
            LedgerError: When nothing could be written; the changes are kept for the next transaction.
        """
        return await self._writer().record(tuple(changes), rules, tuple(doubts))

    async def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that placed lines may get, for a ledger that does not keep codes.

        Args:
            found: The codes as the vendor lists them now, by line: JSON as in `Change.codes`.

        Returns:
            Distinct codes by line, without those that another line has. Each code of another line becomes an alarm, and
            so does an order that lists more codes than it has pieces.

        Raises:
            LedgerError: When the alarms cannot be written, or the ledger's key is missing.
        """
        vetted: dict[int, tuple[StoredCode, ...]] = await self._writer().step(lambda session: session.vet(found))
        return vetted

    async def recover(self) -> int:
        """Put every line that a dead holder was sending in doubt (T7); call it before the first claim.

        Returns:
            How many there were.
        """
        return int(await self._writer().step(lambda session: session.recover()))

    async def pause(self, reason: str) -> None:
        """Pause the job: until `unpause`, a claim gives nothing, also after the ledger was closed. Journalled.

        Args:
            reason: Why; a later reason replaces it.

        Raises:
            LedgerError: When it cannot be written.
        """
        await self._writer().step(lambda session: session.pause(reason))

    async def unpause(self) -> None:
        """Let claims give lines again; does nothing to a job that is not paused.

        Raises:
            LedgerError: When it cannot be written.
        """
        await self._writer().step(lambda session: session.unpause())

    async def paused(self) -> str | None:
        """Return why the job is paused, None when it is not."""
        return await self.get_fact(PAUSED) or None

    async def require_key(self) -> None:
        """Refuse to go on without the key that voucher codes are recognised with: no line could be claimed.

        Raises:
            LedgerKeyError: When the key is missing or another one.
        """
        stored = await self._read(lambda connection: get_meta(connection, MARKS_KEY))
        if stored is not None:  # a new ledger makes its key with the first write
            from xoxo_async.bulk.ledger.marks import CodeMarks  # noqa: PLC0415 - as in `_take`

            CodeMarks(self._box).open_key(stored)

    async def settles(self) -> bool:
        """Return True: the one process that holds the file settles what is in doubt."""
        return True

    async def holders(self) -> list[Holder]:
        """Return the process that holds the file, if one does; it is on this machine."""
        pid = self.holder
        if pid is None:
            return []
        # Count orders, not lines: lines that share an order are claimed together.
        claimed = await self._read(lambda connection: count_orders(connection, LineState.SENDING))
        return [Holder(platform.node(), pid, claimed)]

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
        wanted = tuple(dict.fromkeys(states))
        box = self._box() if with_codes else None
        while True:
            at = after

            def read(connection: sqlite3.Connection, at: int = at) -> list[LedgerLine]:
                return _with_codes(connection, read_state(connection, wanted, at, _READ_CHUNK), box)

            chunk = await self._read(read)
            for line in chunk:
                yield line
            if len(chunk) < _READ_CHUNK:
                return
            after = chunk[-1].seq

    async def find(self, key: str, *, with_codes: bool = False) -> LedgerLine | None:
        """Return the order that the line of a key is, or travels in; None when there is no such line.

        Args:
            key: The caller's row key.
            with_codes: Whether to fill in `codes`.

        Raises:
            LedgerError: Also when codes do not open with this key.
        """
        box = self._box() if with_codes else None

        def read(connection: sqlite3.Connection) -> LedgerLine | None:
            line = read_key(connection, key, pack_of(connection, key))
            return None if line is None else _with_codes(connection, [line], box)[0]

        return await self._read(read)

    async def packed(self, orders: Sequence[LedgerLine]) -> dict[int, list[PackedLine]]:
        """Return the lines that travel in some orders, in the order in which the vouchers are dealt to them.

        Args:
            orders: The orders; those of a single line have no entry.
        """
        seqs = [order.seq for order in orders if order.lines > 1]
        found: dict[int, list[PackedLine]] = {}
        for line in await self._read(lambda connection: read_packed(connection, seqs)) if seqs else ():
            found.setdefault(line.pack, []).append(line)
        return found

    async def kept(self, keys: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the columns that ride along with some lines, by key; see `OrderLine.kept`.

        Args:
            keys: The keys of the lines, also of lines that share an order. One without such columns has no entry.
        """
        return await self._read(lambda connection: read_kept(connection, keys))

    async def kept_names(self) -> list[str]:
        """Return the names of the columns that ride along with the lines of the job, in the order of the input."""
        return names_of(await self.get_fact(KEPT_NAMES))

    async def counts(self) -> Counts:
        """Return the ledger in numbers, from one snapshot; reads every line."""
        return await self._read(count)

    async def committed(self) -> Decimal:
        """Return what the job has cost, and what its orders under way may cost, in the account's currency."""
        return amount(
            await self._read(lambda connection: read_committed(connection, get_meta(connection, fact(CURRENCY)) or ""))
        )

    async def journal(self, *, seq: int | None = None, after: int = 0) -> AsyncIterator[JournalRow]:
        """Stream the append-only journal, oldest first.

        Args:
            seq: Only this line's entries; None is all. Reads the whole journal either way.
            after: Only entries with a greater id.
        """
        while True:
            at = after

            def read(connection: sqlite3.Connection, at: int = at) -> list[JournalRow]:
                return read_journal(connection, seq, at, _READ_CHUNK)

            chunk = await self._read(read)
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
        return await self._read(lambda connection: get_meta(connection, fact(name)))

    async def set_fact(self, name: str, value: str) -> None:
        """Keep a small fact about the run beside it, durably.

        Args:
            name: The fact's name.
            value: The fact.
        """
        await self._writer().step(lambda session: set_meta(session.connection, fact(name), value))

    async def overview(self) -> Overview:
        """Return the job in groups, from one snapshot; reads every line twice."""
        return await self._read(read_overview)

    async def note_run(self, note: RunNote) -> None:
        """Keep what a run says about itself; its later note replaces it.

        Args:
            note: The note.
        """

        def keep(session: "LedgerSession") -> None:
            name = fact(RUNS)
            set_meta(session.connection, name, with_note(get_meta(session.connection, name), note))

        await self._writer().step(keep)

    # Private.

    def _writer(self) -> "LedgerWriter":
        return self._to_write().writer

    def _to_write(self) -> "_Open":
        if self._open is None:
            raise self._not_open()
        if self._approving is not None and self._approving is asyncio.current_task():
            # It would wait for the plan's transaction, which waits for `approve`. Other tasks may wait: they go on
            # once the plan has ended.
            raise LedgerError("`approve` of a plan wrote to the ledger that is being planned; it may only read")
        return self._open

    def _not_open(self) -> LedgerError:
        if self._view is not None:
            return LedgerError(f"{self.path} is open to read only")
        return LedgerError(f"{self.path} is not open: use `async with SqliteLedger(...)`")

    def _box(self) -> CodeBox:
        key = secret_variable("XOXO_LEDGER_KEY").value if self._key is None else self._key
        return CodeBox(key)

    async def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        if self._view is not None:
            return await asyncio.to_thread(self._view.read, run)
        if self._open is None:
            raise self._not_open()
        return await self._open.parts.reader.read(run)


class _Open(NamedTuple):
    """The parts of a ledger that is open to write."""

    file: "LedgerFile"
    parts: "Opened"
    writer: "LedgerWriter"
    planning: "anyio.Lock"


def _with_codes(connection: sqlite3.Connection, lines: list[LedgerLine], box: CodeBox | None) -> list[LedgerLine]:
    if box is None:
        return lines
    stored = read_codes(connection, [line.seq for line in lines if line.state is _PLACED])
    for line in lines:
        if (codes := stored.get(line.seq)) is not None:
            # The line was made here, and nobody has it yet: a copy of its fields takes four times as long.
            msgspec.structs.force_setattr(line, "codes", unpacked(box.open(codes, line.seq)))
    return lines
