"""The one thread that writes to a ledger. What waits when it comes free shares one transaction and one fsync.

When a transaction fails, nothing of it is believed: the connection is dropped, the database is opened anew and brought
to disk in full before the next one. Claims of a failed transaction fail, so nothing is sent on them. Results are
tried once more; those that still cannot be written fail too, but are kept, and go first into the next transaction.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from xoxo_async.bulk.ledger import DEFAULT_RULES, Change, Evidence, LedgerLine, Rules
from xoxo_async.bulk.ledger_files import FileLock, create_private, sidecar
from xoxo_async.bulk.ledger_schema import connect
from xoxo_async.bulk.ledger_session import ClaimOrder, LedgerSession, RecordOrder, refusal
from xoxo_async.bulk.ledger_store import set_meta
from xoxo_async.errors import BudgetError, BulkError, LedgerError

__all__ = ["LedgerWriter", "failure"]


_LONG_WAL: Final = 4 * 1024 * 1024


def failure(path: Path, error: Exception) -> BulkError:
    """Return the error that says which ledger failed, and how.

    Args:
        path: The ledger.
        error: What the storage raised.
    """
    return error if isinstance(error, BulkError) else LedgerError(f"{path} failed: {error}")


class _Task:
    """Something asked of the writer, and the future its asker waits on."""

    __slots__ = ("error", "future", "result")

    def __init__(self, future: "asyncio.Future[Any] | None") -> None:
        self.future: Final = future
        self.result: object = None
        self.error: Exception | None = None


class _Record(_Task):
    __slots__ = ("order",)

    def __init__(self, future: "asyncio.Future[Any] | None", order: RecordOrder) -> None:
        super().__init__(future)
        self.order: Final = order


class _Claim(_Task):
    __slots__ = ("order",)

    def __init__(self, future: "asyncio.Future[Any] | None", order: ClaimOrder) -> None:
        super().__init__(future)
        self.order: Final = order


class _Step(_Task):
    """Work of its own: a transaction, or a piece of one that stays open until `last`; None is to give it up."""

    __slots__ = ("last", "plan", "run")

    def __init__(
        self,
        future: "asyncio.Future[Any] | None",
        run: Callable[[LedgerSession], object] | None,
        *,
        last: bool,
        plan: bool,
    ) -> None:
        super().__init__(future)
        self.run: Final = run
        self.plan: Final = plan
        self.last: Final = last


class _Stop(_Task):
    __slots__ = ()


class LedgerWriter:
    """The writing thread of one open ledger; its methods are called on the event loop and never wait.

    Args:
        path: The ledger.
        session: What a transaction does; its connection belongs to the writer from here on.
        lock: Where the length of the `-wal` is noted.
        loop: Where the askers wait.
    """

    def __init__(self, path: Path, session: LedgerSession, lock: FileLock, loop: asyncio.AbstractEventLoop) -> None:
        self._path: Final = path
        self._session: Final = session
        self._lock: Final = lock
        self._loop: Final = loop
        self._queue: Final[SimpleQueue[_Task]] = SimpleQueue()
        self._wal: Final = sidecar(path, "-wal")
        self._put_off: list[_Task] = []
        self._kept: list[RecordOrder] = []
        self._open_plan = False
        self._trusted = True
        self._released = False
        # A daemon: a program that forgets to close its ledger still ends, and the next holder recovers.
        self._thread: Final = threading.Thread(target=self._run, name=f"ledger {path.name}", daemon=True)
        self._thread.start()

    # On the event loop.

    def claim(self, limit: int, budget: int | None) -> "asyncio.Future[list[LedgerLine]]":
        """Ask for lines to send; those that no one is left to send go back by themselves."""
        future: asyncio.Future[list[LedgerLine]] = self._loop.create_future()
        self._queue.put(_Claim(future, ClaimOrder(limit, budget)))
        return future

    def record(self, changes: Sequence[Change], rules: Rules) -> "asyncio.Future[list[LedgerLine]]":
        """Ask for facts to be recorded; they are, also when nobody waits any more."""
        future: asyncio.Future[list[LedgerLine]] = self._loop.create_future()
        self._queue.put(_Record(future, RecordOrder(changes, rules)))
        return future

    def give_back(self, lines: Sequence[LedgerLine]) -> None:
        """Return claimed lines whose claimer is gone; nothing was sent for them."""
        if lines:
            self._queue.put(_Record(None, _returned(lines)))

    def step(self, run: Callable[[LedgerSession], object]) -> "asyncio.Future[Any]":
        """Ask for a transaction of its own."""
        return self._ask(run, last=True, plan=False)

    def plan(self, run: Callable[[LedgerSession], object] | None, *, last: bool = False) -> "asyncio.Future[Any]":
        """Ask for a piece of a plan, all of which is one transaction; one plan at a time.

        Args:
            run: The piece; None rolls back the pieces before it.
            last: Whether to commit after it. Until then every other task waits.
        """
        return self._ask(run, last=last, plan=True)

    def _ask(self, run: Callable[[LedgerSession], object] | None, *, last: bool, plan: bool) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Step(future, run, last=last, plan=plan))
        return future

    def stop(self) -> "asyncio.Future[None]":
        """Ask for the end: after everything asked before, and a last try for what could not be written."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(_Stop(future))
        return future

    @property
    def ended_cleanly(self) -> bool:
        """Whether everything is in the file, once `stop` has ended."""
        return self._released

    # In the thread.

    def _run(self) -> None:
        running = True
        while running:
            batch = [self._queue.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._queue.get_nowait())
            running = self._serve(batch)

    def _serve(self, batch: list[_Task]) -> bool:
        """Do what is asked, in order, with neighbours grouped; return whether to go on."""
        group: list[_Record | _Claim] = []
        for task in batch:
            if isinstance(task, _Stop):
                self._serve_group(group)
                self._end(task)
                return False
            if self._open_plan and not (isinstance(task, _Step) and task.plan):
                self._put_off.append(task)
            elif isinstance(task, _Record | _Claim):
                group.append(task)
            else:
                self._serve_group(group)
                group = []
                if isinstance(task, _Step):
                    self._serve_step(task)
        self._serve_group(group)
        if self._put_off and not self._open_plan:
            waited, self._put_off = self._put_off, []
            return self._serve(waited)
        return True

    def _serve_group(self, group: list[_Record | _Claim]) -> None:
        if not group and not self._kept:
            return
        records = [task for task in group if isinstance(task, _Record)]
        claims = [task for task in group if isinstance(task, _Claim)]
        error = self._try([task.order for task in records], [task.order for task in claims])
        if error is not None:
            # A commit that failed may still be there when the file is read again: such lines were never handed out.
            self._kept += [_returned(task.order.lines) for task in claims if task.order.lines]
            for claim in claims:
                claim.error = failure(self._path, error)
                claim.order.lines, claim.order.short = [], ""
            error = self._try([task.order for task in records], [])
        for record in records:
            if error is not None:
                self._kept.append(record.order)
                record.error = LedgerError(
                    f"{failure(self._path, error).message}; {len(record.order.changes)} results are kept in memory, and"
                    " written before anything else once the file can be written again"
                )
            else:
                record.error = refusal(record.order)
        for claim in claims:
            if claim.order.short and not claim.order.lines:
                claim.error = BudgetError(claim.order.short)
        for task in group:
            task.result = task.order.lines
        self._answer(group)

    def _try(self, records: list[RecordOrder], claims: list[ClaimOrder]) -> Exception | None:
        """Write what was kept, records and claims in one transaction; return what went wrong."""
        if not (self._kept or records or claims):
            return None
        try:
            self._begin()
            self._session.work([*self._kept, *records], claims)
            self._session.connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, its askers must hear of it
            self._distrust()
            return error
        self._kept.clear()
        self._shorten_wal()
        return None

    def _serve_step(self, task: _Step) -> None:
        try:
            if task.run is None:
                self._roll_back()
            else:
                if not self._open_plan:
                    self._begin()
                self._open_plan = True
                task.result = task.run(self._session)
                if task.last:
                    self._session.connection.execute("COMMIT")
                    self._open_plan = False
                    self._shorten_wal()
        except BulkError as error:
            task.error = error
            self._roll_back()
        except Exception as error:  # noqa: BLE001 - whatever it is, its asker must hear of it
            task.error = failure(self._path, error)
            self._open_plan = False
            self._distrust()
        self._answer([task])

    def _begin(self) -> None:
        """Begin a transaction on a connection that can be trusted, as the holder the database knows of."""
        session = self._session
        if not self._trusted:
            session.connection.close()
            session.connection = connect(self._path)
            self._flush()
            if session.since:
                self._note_wal(needed="")  # the failure may have come between giving the note and taking it back
            self._trusted = True
        if not session.since:
            session.connection.execute("BEGIN IMMEDIATE")
            session.take_hold(os.getpid())
            session.connection.execute("COMMIT")
            session.held()
            self._check_point()
        session.connection.execute("BEGIN IMMEDIATE")

    def _shorten_wal(self) -> None:
        """Move a long `-wal` into the file; a failure here concerns no task, its transaction is committed."""
        try:
            size = self._wal.stat().st_size
            self._lock.note_wal(size)
            if size > _LONG_WAL:
                self._check_point()
        except (OSError, sqlite3.Error):
            self._distrust()

    def _check_point(self) -> None:
        """Bring everything into the file, with a note there that what follows is in the `-wal`.

        The note is taken back by the first transaction of the new `-wal`. So a file that has the note, and no `-wal`
        beside it, was copied without its latest transactions; whoever else checkpoints it, copies the taking back too.
        """
        self._note_wal(needed="yes")
        self._flush()
        self._note_wal(needed="")

    def _note_wal(self, *, needed: str) -> None:
        connection = self._session.connection
        connection.execute("BEGIN IMMEDIATE")
        set_meta(connection, "wal_needed", needed)
        connection.execute("COMMIT")

    def _flush(self) -> None:
        """Bring everything to the file, and the file to disk.

        After a failed fsync the kernel forgets that pages were not written; only writing them again helps, and this
        does.
        """
        try:
            self._lock.empty_note()
        except OSError as error:
            raise sqlite3.OperationalError(f"its lock file cannot be written: {error.strerror}") from error
        busy: int = self._session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise sqlite3.OperationalError("another program keeps reading the ledger")

    def _roll_back(self) -> None:
        self._open_plan = False
        try:
            if self._session.connection.in_transaction:
                self._session.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._trusted = False

    def _distrust(self) -> None:
        self._session.forget()
        self._roll_back()
        self._trusted = False

    def _end(self, task: _Stop) -> None:
        self._roll_back()  # a plan that was never finished
        waited, self._put_off = self._put_off, []
        self._serve(waited)
        self._serve_group([])
        session = self._session
        with suppress(sqlite3.Error):
            if session.since:
                self._begin()
                session.let_go()
                session.connection.execute("COMMIT")
            self._released = True
        self._lock.end_note()  # closing may empty the `-wal`
        with suppress(sqlite3.Error):
            session.connection.close()
        self._leave_wal()
        self._answer([task])

    def _leave_wal(self) -> None:
        """Where letting go failed, the note may still be in the file: an empty `-wal` says that it is complete."""
        if not self._released and not self._wal.exists():
            with suppress(LedgerError):
                create_private(self._wal)

    def _answer(self, tasks: Sequence[_Task]) -> None:
        """Wake every asker, at the price of one."""
        with suppress(RuntimeError):  # the loop is closed, and its askers with it
            self._loop.call_soon_threadsafe(_resolve, tasks)


def _returned(lines: Sequence[LedgerLine]) -> RecordOrder:
    return RecordOrder(
        [
            Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch, reason="the claim was given up")
            for line in lines
        ],
        DEFAULT_RULES,
    )


def _resolve(tasks: Sequence[_Task]) -> None:
    for task in tasks:
        if task.future is None or task.future.done():
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
