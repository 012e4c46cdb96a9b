"""The one thread that writes to a ledger, with group commit: all waiting tasks share one transaction and one fsync.

After a failed transaction the state on disk is not known. So the writer drops the connection, opens the database again,
and brings it to disk in full before the next transaction. Claims of a failed transaction fail, so nothing is sent for
them. Results are written a second time. Those that fail again stay in memory, and come first in the next transaction.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from xoxo_async.bulk.ledger.arming import ArmRequest
from xoxo_async.bulk.ledger.bookkeeping import ClaimRequest
from xoxo_async.bulk.ledger.lines import Armed, Change, LedgerLine, PlannedLine, Rules
from xoxo_async.bulk.ledger.owners import Identity
from xoxo_async.bulk.ledger.recording import RecordRequest, given_back, refusal_of
from xoxo_async.bulk.ledger.sqlite.failures import failure
from xoxo_async.bulk.ledger.sqlite.holding import Holding
from xoxo_async.bulk.ledger.sqlite.journal import last_row
from xoxo_async.bulk.ledger.sqlite.lock import FileLock
from xoxo_async.bulk.ledger.sqlite.schema import connect, copy_to
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.tasks import Arm, Claim, Record, Step, Stop, Task, resolve
from xoxo_async.bulk.ledger.sqlite.wal import Wal, unmark
from xoxo_async.bulk.ledger.sqlite.watch import FileWatch
from xoxo_async.errors import BulkError, LedgerError

__all__ = ["LedgerWriter"]

_Shared = Record | Claim | Arm
"""Tasks that share a transaction."""


class LedgerWriter:
    """The writing thread of one open ledger; its methods are called on the event loop and never wait.

    Args:
        path: The ledger.
        session: Does the work of a transaction; its connection belongs to the writer from here on.
        lock: Keeps the note of how far the journal goes.
        holding: Writes the first transaction of a new holder.
        watch: Detects that the file is no longer the one that was opened.
        loop: The event loop on which callers wait.
    """

    def __init__(
        self,
        path: Path,
        session: LedgerSession,
        lock: FileLock,
        holding: Holding,
        watch: FileWatch,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._path: Final = path
        self._session: Final = session
        self._lock: Final = lock
        self._holding: Final = holding
        self._watch: Final = watch
        self._loop: Final = loop
        self._queue: Final[SimpleQueue[Task]] = SimpleQueue()
        self._wal: Final = Wal(path, lock)
        self._put_off: list[Task] = []
        self._kept: list[RecordRequest] = []
        self._open_plan = False
        self._trusted = True
        self._sealing = True
        self._released = False
        # A daemon: a program that does not close its ledger still ends, and the next holder recovers.
        self._thread: Final = threading.Thread(target=self._run, name=f"ledger {path.name}", daemon=True)
        self._thread.start()

    # On the event loop.

    def claim(self, limit: int, budget: int | None) -> "asyncio.Future[list[LedgerLine]]":
        """Queue a claim of lines to send."""
        future: asyncio.Future[list[LedgerLine]] = self._loop.create_future()
        self._queue.put(Claim(future, ClaimRequest(limit, budget)))
        return future

    def arm(
        self, job: str, line: PlannedLine, identity: Identity | None, budget: int | None
    ) -> "asyncio.Future[Armed]":
        """Queue a line to be sent at once."""
        future: asyncio.Future[Armed] = self._loop.create_future()
        self._queue.put(Arm(future, ArmRequest(job, line, identity, budget)))
        return future

    def record(
        self, changes: Sequence[Change], rules: Rules, doubts: Sequence[tuple[str, int]]
    ) -> "asyncio.Future[list[LedgerLine]]":
        """Queue facts to record; they are recorded also if the caller no longer waits."""
        future: asyncio.Future[list[LedgerLine]] = self._loop.create_future()
        self._queue.put(Record(future, RecordRequest(changes, rules, doubts)))
        return future

    def give_back(self, lines: Sequence[LedgerLine]) -> None:
        """Queue the return of claimed lines whose caller is gone; nothing was sent for them."""
        if lines:
            self._queue.put(Record(None, given_back(lines)))

    def step(self, run: Callable[[LedgerSession], object]) -> "asyncio.Future[Any]":
        """Queue a transaction of its own."""
        return self._ask(run, last=True, plan=False)

    def plan(self, run: Callable[[LedgerSession], object] | None, *, last: bool = False) -> "asyncio.Future[Any]":
        """Queue a piece of a plan. All pieces are one transaction; one plan at a time.

        Args:
            run: The piece; None rolls back the pieces before it.
            last: Whether to commit after it. Until then every other task waits.
        """
        return self._ask(run, last=last, plan=True)

    def _ask(self, run: Callable[[LedgerSession], object] | None, *, last: bool, plan: bool) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        bound = None if run is None else partial(run, self._session)
        self._queue.put(Step(future, bound, last=last, plan=plan))
        return future

    def stop(self) -> None:
        """End after all queued tasks, with a last try for results that could not be written; blocks until then."""
        self._queue.put(Stop(None))
        self._thread.join()

    @property
    def ended_cleanly(self) -> bool:
        """Whether everything is in the file, once `stop` has ended."""
        return self._released

    @property
    def has_written(self) -> bool:
        """Whether this holder has left its mark in the file."""
        return self._session.since > 0

    # In the thread.

    def _run(self) -> None:
        running = True
        while running:
            batch = [self._queue.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._queue.get_nowait())
            running = self._serve(batch)

    def _serve(self, batch: list[Task]) -> bool:
        """Serve tasks in order, neighbours that may share a transaction in one; return whether to go on."""
        group: list[_Shared] = []
        for task in batch:
            if isinstance(task, Stop):
                self._serve_group(group)
                self._end()
                return False
            if self._open_plan and not (isinstance(task, Step) and task.plan):
                self._put_off.append(task)
            elif isinstance(task, _Shared):
                group.append(task)
            else:
                self._serve_group(group)
                group = []
                if isinstance(task, Step):
                    self._serve_step(task)
        self._serve_group(group)
        if self._put_off and not self._open_plan:
            waited, self._put_off = self._put_off, []
            return self._serve(waited)
        return True

    def _serve_group(self, group: list[_Shared]) -> None:
        if not group and not self._kept:
            return
        records = [task for task in group if isinstance(task, Record)]
        takers = [task for task in group if not isinstance(task, Record)]
        if takers and (trouble := self._watch.trouble()):
            # The file has lost its name, so the next run may not find an intent that is written now.
            self._refuse(takers, LedgerError(trouble))
            if not records:
                return
            takers = []
        error = self._try([task.request for task in records], takers)
        if error is not None:
            # A failed commit may still be on disk when the file is read again. Give its lines back: no caller got them.
            self._kept += [given_back(lines) for task in takers if (lines := _taken(task))]
            self._refuse(takers, failure(self._path, error))
            takers = []
            error = self._try([task.request for task in records], [])
        for record in records:
            if error is not None:
                self._kept.append(record.request)
                results = len(record.request.changes)
                record.error = LedgerError(
                    f"{failure(self._path, error).message}; results kept in memory until the file can be"
                    f" written: {results}. If the process ends before, they are lost with it, and their rows are"
                    " in doubt"
                )
            else:
                record.error = refusal_of(record.request)
        for taker in takers:
            taker.error = taker.request.error if isinstance(taker, Arm) else taker.request.refusal
        for task in [*records, *takers]:
            task.result = task.request.armed if isinstance(task, Arm) else task.request.lines
        self._answer([*records, *takers])

    def _refuse(self, takers: "Sequence[Claim | Arm]", error: BulkError) -> None:
        """Fail those who want lines to send."""
        for task in takers:
            task.error = error
        self._answer(takers)

    def _try(self, records: list[RecordRequest], takers: "Sequence[Claim | Arm]") -> Exception | None:
        """Write kept results, records, and lines that are taken in one transaction; return the error."""
        if not (self._kept or records or takers):
            return None
        try:
            self._begin()
            self._session.work(
                [*self._kept, *records],
                [task.request for task in takers if isinstance(task, Claim)],
                [task.request for task in takers if isinstance(task, Arm)],
            )
            self._session.finish()
            self._session.connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - every error must reach the callers
            self._distrust()
            return error
        self._kept.clear()
        self._committed()
        return None

    def _serve_step(self, task: Step) -> None:
        try:
            if task.run is None:
                self._roll_back()
            else:
                self._refuse_moved()
                if not self._open_plan:
                    self._begin()
                self._open_plan = True
                task.result = task.run()
                self._session.forget_steps()
                if task.last:
                    self._session.finish()
                    self._session.connection.execute("COMMIT")
                    self._open_plan = False
                    self._committed()
        except BulkError as error:
            task.error = error
            self._roll_back()
        except Exception as error:  # noqa: BLE001 - every error must reach the caller
            task.error = failure(self._path, error)
            self._open_plan = False
            self._distrust()
        self._answer([task])

    def _begin(self) -> None:
        """Begin a transaction on a trusted connection, with this holder's mark in the database."""
        if not self._trusted:
            self._connect_anew()
        if not self._session.since:
            self._take_hold()
        if self._sealing:
            self._seal()
        self._session.noted = 0
        self._session.connection.execute("BEGIN IMMEDIATE")

    def _connect_anew(self) -> None:
        """Replace a connection that failed, if the file still is the one that was opened."""
        session = self._session
        session.connection.close()
        self._refuse_moved()
        session.connection = connect(self._path)
        self._refuse_moved()
        if not self._wal.flush(session.connection):
            raise LedgerError(f"{self._path} cannot be brought to disk: another program keeps reading it")
        if session.since:
            unmark(session.connection)  # the failure may have come between setting the mark and removing it
        self._trusted = True

    def _refuse_moved(self) -> None:
        if trouble := self._watch.trouble():
            raise LedgerError(trouble)

    def _take_hold(self) -> None:
        session, connection = self._session, self._session.connection
        connection.execute("BEGIN IMMEDIATE")
        session.take_hold(os.getpid())
        session.finish()
        self._holding.write(connection)
        row = last_row(connection)
        if self._holding.is_first:
            # Before the commit: a ledger that has its place, and whose lock file does not name it, counts as a copy.
            # For a later holder the notes are the proof of a copy, so they stay until the finding is committed.
            self._lock.begin(self._holding.ledger, row)
        connection.execute("COMMIT")
        session.held()
        self._lock.begin(self._holding.ledger, row)
        self._wal.check_point(connection)

    def _seal(self) -> None:
        """Seal codes that are in clear, if there is a key now; afterwards the `-wal` has none in clear either."""
        connection, sealed = self._session.connection, False
        while self._sealing:
            connection.execute("BEGIN IMMEDIATE")
            more = self._holding.seal_some(connection)
            connection.execute("COMMIT")
            sealed, self._sealing = sealed or more, more
        if sealed:
            self._wal.check_point(connection, empty=True)

    def _committed(self) -> None:
        """Note how far the journal goes, and shorten the `-wal`. No task fails here: its transaction is committed."""
        try:
            self._wal.committed(self._session.connection, self._session.noted)
        except (OSError, sqlite3.Error):
            self._distrust()

    def _roll_back(self) -> None:
        self._open_plan = False
        self._session.forget()
        try:
            if self._session.connection.in_transaction:
                self._session.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._trusted = False

    def _distrust(self) -> None:
        self._roll_back()
        self._trusted = False

    def _end(self) -> None:
        self._roll_back()  # an unfinished plan
        waited, self._put_off = self._put_off, []
        self._serve(waited)
        self._serve_group([])
        session = self._session
        with suppress(sqlite3.Error, LedgerError):
            if session.since:
                self._begin()
                session.let_go()
                session.connection.execute("COMMIT")
                self._lock.note_journal(last_row(session.connection))
            self._released = True
        with suppress(sqlite3.Error, LedgerError):
            if self._watch.trouble():
                self._save_all()
        with suppress(sqlite3.Error):
            session.connection.close()

    def _save_all(self) -> None:
        """Bring everything into the open file; if it has no name any more, into a new one."""
        self._wal.flush(self._session.connection)
        if self._watch.gone:
            copy_to(self._session.connection, self._watch.rescue)

    def _answer(self, tasks: Sequence[Task]) -> None:
        """Resolve all futures with one call_soon_threadsafe."""
        with suppress(RuntimeError):  # the loop is closed, so no caller waits
            self._loop.call_soon_threadsafe(resolve, tasks)


def _taken(task: Claim | Arm) -> Sequence[LedgerLine]:
    """Return the lines that a caller was to get."""
    return task.request.mine if isinstance(task, Arm) else task.request.lines
