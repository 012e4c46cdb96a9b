"""Shifts by pgqueuer: a queue in the ledger's own database, with heartbeats, redelivery and a dashboard of its own.

The ledger says what is to be sent, and gives each line to one worker. The queue only says who works on which job now.
So a shift that is delivered twice, or to two workers at once, is harmless, and so is a queue that was emptied.
"""

from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from xoxo_async.bulk.report import Shift
from xoxo_async.bulk.running.runner import single_error
from xoxo_async.errors import ConfigError, LedgerError, XoxoError
from xoxo_async.postgres.address import DatabaseAddress

if TYPE_CHECKING:
    from pgqueuer import PgQueuer

__all__ = ["PREFIX", "PgqueuerEngine", "ShiftWorker"]

PREFIX: Final = "xoxo_shift "
"""Begins the entrypoint of a message; the job's name follows. Each job has an entrypoint of its own, because pgqueuer
has one queue for the whole database and gives a worker only messages of the entrypoints that it asks for."""

_TICK_S: Final = 60.0
_TROUBLE_S: Final = 5.0
_LOOK_S: Final = timedelta(seconds=5)
_WHERE: Final = (
    "SELECT quote_ident(nspname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE relname = 'pgqueuer' AND relkind = 'r'"
    " ORDER BY nspname = current_schema() DESC NULLS LAST, nspname = 'public' DESC, nspname LIMIT 1"
)
_MAY_USE: Final = (
    "SELECT coalesce(bool_and(has_table_privilege(oid, right_)), false) FROM pg_class,"
    " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS right_ WHERE relkind = 'r' AND relname LIKE 'pgqueuer%'"
    " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
)
_HEARTBEAT: Final = timedelta(seconds=30)
"""A shift whose worker sends no heartbeat for so long is delivered again."""


class ShiftWorker(Protocol):
    """The part of `Worker` that a queue uses. See there."""

    @property
    def name(self) -> str:
        """This process."""
        ...

    @property
    def stopping(self) -> anyio.Event:
        """Set once the worker was told to stop."""
        ...

    @property
    def many(self) -> bool:
        """Whether it works on all jobs there are."""
        ...

    async def open_jobs(self) -> list[str]:
        """Return the jobs that have open lines."""
        ...

    def takes(self, job: str) -> bool:
        """Return whether it would work on a job now: it does not leave the job out."""
        ...

    @property
    def refused(self) -> Mapping[str, str]:
        """The jobs that the worker leaves out, and why."""
        ...

    @property
    def failing(self) -> Mapping[str, str]:
        """The jobs whose last shift failed, and why."""
        ...

    async def shift(self, job: str) -> Shift | None:
        """Do one shift on a job."""
        ...

    def outlives(self, error: XoxoError) -> bool:
        """Return whether a worker goes on after an error, and tell it once."""
        ...

    def note(self, line: str) -> None:
        """Tell a line that is no trouble."""
        ...


class PgqueuerEngine:
    """Deliver shifts through pgqueuer. Each worker enqueues one shift a minute for each job that has open lines.

    So an open job has a shift in the queue for each worker, and also for each process that has ended since: those are
    taken by the others, and leave the queue once nothing is left. Shifts that find no free worker wait. A worker asks
    only for shifts of the jobs that it can work on, in turns, and for none while it does one: another worker may be
    free. A worker of all jobs takes the shifts of jobs away that have no open lines, such as a purged one. The tables
    of pgqueuer are made at the first start, which needs the right to create them.

    Args:
        address: The database's. A pooler in transaction mode is refused: the queue listens on its connection.
        tick_s: Seconds between two looks for jobs with open lines.
    """

    def __init__(self, address: DatabaseAddress, *, tick_s: float = _TICK_S) -> None:
        if find_spec("pgqueuer") is None:
            raise ConfigError("the engine pgqueuer is not installed: pip install 'xoxo-async[cluster]'")
        self._address: Final = address
        self._tick_s: Final = tick_s

    async def __call__(self, worker: ShiftWorker) -> None:
        """Deliver shifts until the worker is stopped; a database that fails is waited for.

        Args:
            worker: Does the shifts.

        Raises:
            LedgerError: The database cannot be used at the start.
            ConfigError: The worker's only job cannot be worked on, the user may not make or use pgqueuer's tables, or a
                pooler shares the connection.
        """
        from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain  # noqa: PLC0415 - an extra

        while not worker.stopping.is_set():
            try:
                await self._deliver(worker)
            except (*FOREIGN, DatabaseError) as error:
                if worker.stopping.is_set():
                    return  # pgqueuer tells of a lost connection when the shift under way ends: the work is done
                failure = explain(error, self._address)
                lasting = LedgerError(failure.message)
                if failure.final or not worker.outlives(lasting):
                    raise lasting from None
                with anyio.move_on_after(_TROUBLE_S):
                    await worker.stopping.wait()

    async def _deliver(self, worker: ShiftWorker) -> None:
        from pgqueuer import PgQueuer  # noqa: PLC0415 - an extra

        from xoxo_async.postgres.connecting import connect  # noqa: PLC0415 - an extra

        connection: Any = await connect(self._address, purpose="queue")
        try:
            await self._require_session(connection)
        except BaseException:
            connection.terminate()
            raise
        queue = PgQueuer.from_asyncpg_connection(connection)
        delivery = _Delivery(queue, worker)
        try:
            await self._make_tables(connection, queue)
            async with anyio.create_task_group() as group:
                group.start_soon(delivery.tick, self._tick_s)
                group.start_soon(delivery.turn)
                group.start_soon(_shut_down, queue, worker)
                # Take one message at a time: what this worker holds, no other one can take.
                await queue.run(
                    dequeue_timeout=_LOOK_S, batch_size=1, max_concurrent_tasks=2, heartbeat_timeout=_HEARTBEAT
                )
                group.cancel_scope.cancel()
            if delivery.lasting is not None:
                raise delivery.lasting
        except BaseExceptionGroup as errors:
            raise single_error(errors) from None
        finally:
            connection.terminate()

    async def _require_session(self, connection: Any) -> None:
        """Refuse a pooler that gives this connection to others: what is listened to and set on it would be theirs."""
        from xoxo_async.postgres.connecting import connect  # noqa: PLC0415 - an extra
        from xoxo_async.postgres.pooling import is_pooled, shares_sessions  # noqa: PLC0415 - an extra

        if not await is_pooled(connection):
            return
        other = await connect(self._address, purpose="queue", check=False)
        try:
            shared = await shares_sessions(connection, other)
        finally:
            other.terminate()
        if shared:
            raise ConfigError(
                f"the database {self._address.name} is behind a pooler in transaction mode, and the engine pgqueuer"
                " listens on its connection: name the port of the server itself, or use --engine none"
            )

    async def _make_tables(self, connection: Any, queue: "PgQueuer") -> None:
        import asyncpg  # noqa: PLC0415 - an extra

        queries: Any = queue.queries
        # A user of its own name's schema made them there; the queue looks for them in the current schema alone.
        where = await connection.fetchval(_WHERE)
        if where is not None:
            await connection.execute(f"SET search_path TO {where}")
        apply = self._address.command("ledger", "migrate", "--roles", "apply")
        advice = f"run `{apply}` as its owner, or use --engine none"
        async with queries.schema_lock():  # many workers may start at once
            if where is None and not await queries.schema_is_installed():
                try:
                    await queries.install()
                except asyncpg.InsufficientPrivilegeError:
                    raise ConfigError(
                        f"the database {self._address.name} has no tables of pgqueuer, and this user may not make them:"
                        f" start one worker as the database's owner once, then {advice}"
                    ) from None
        if not await connection.fetchval(_MAY_USE):
            raise ConfigError(
                f"the database {self._address.name} does not give this user the rights to the tables of pgqueuer:"
                f" {advice}"
            )


class _Entrypoints(dict[Any, Any]):
    """The functions of the entrypoints that a worker asks for.

    A message may be on its way when its entrypoint is left. Then pgqueuer still finds the function here, which gives it
    back: without one the message would stay with this worker until its heartbeat is too old.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left: Final[dict[Any, Any]] = {}

    def leave(self, entrypoint: str) -> None:
        self._left[entrypoint] = self.pop(entrypoint)

    def __missing__(self, entrypoint: str) -> Any:
        return self._left[entrypoint]


class _Delivery:
    """What one connection asks the queue for, and what it does with each message.

    Args:
        queue: The queue.
        worker: Does the shifts.

    Attributes:
        lasting: The error that ends the worker; None without one.
    """

    def __init__(self, queue: "PgQueuer", worker: ShiftWorker) -> None:
        self._queue: Final = queue
        self._queries: Final[Any] = queue.queries
        self._worker: Final = worker
        self._asked: Final = _Entrypoints()
        queue.qm.entrypoint_registry = self._asked
        self._served: Final[set[str]] = set()  # the jobs that this worker can work on
        self._had: Final[set[str]] = set()  # the jobs that wait until others have had their turn
        self._busy = False
        self.lasting: XoxoError | None = None

    async def turn(self) -> None:
        """Ask for all jobs again and again: another worker may have taken the shift that this one asks for."""
        while True:
            await anyio.sleep(_LOOK_S.total_seconds())
            self._had.clear()
            self._ask()

    async def tick(self, every_s: float) -> None:
        """Look for jobs again and again.

        Args:
            every_s: Seconds between two looks.
        """
        while True:
            wait_s = every_s
            try:
                await self._look()
            except XoxoError as error:
                self._fail(error)
                wait_s = min(every_s, _TROUBLE_S)
            await anyio.sleep(wait_s)

    async def _look(self) -> None:
        """Ask for the shifts of each open job, and enqueue one for each, unless it still waits or works."""
        queued = await self._queued()  # before the jobs: a job that is opened later keeps its messages
        jobs = await self._worker.open_jobs()
        over = (self._served | queued if self._worker.many else self._served) - set(jobs)
        for job in sorted(over):
            if job in queued:
                await self._queries.clear_queue(PREFIX + job)
                if job not in self._served:
                    self._worker.note(f"job {job} has no lines for a worker: its old shift was taken out of the queue")
        self._served.difference_update(over)
        for job in jobs:
            if self._worker.takes(job):
                self._served.add(job)
                await self._enqueue(job)
        self._ask()

    async def _enqueue(self, job: str) -> None:
        key = f"{PREFIX}{job} {self._worker.name}"
        await self._queries.enqueue(PREFIX + job, None, dedupe_key=key, on_conflict="skip")

    async def _queued(self) -> set[str]:
        """Return the jobs that have messages."""
        entrypoints = {str(size.entrypoint) for size in await self._queries.queue_size()}
        return {name.removeprefix(PREFIX) for name in entrypoints if name.startswith(PREFIX)}

    def _ask(self) -> None:
        """Ask for the shifts of jobs that this worker can work on; for none while it does one: others may be free."""
        is_free = not self._busy and not self._worker.stopping.is_set()
        served = self._served - self._had if is_free else set[str]()
        for entrypoint in self._asked.keys() - {PREFIX + job for job in served}:
            self._asked.leave(entrypoint)
        for job in served:
            if PREFIX + job not in self._asked:
                self._add(job)

    def _add(self, job: str) -> None:
        @self._queue.entrypoint(PREFIX + job, accepts_context=False)
        async def shift(_message: Any) -> None:
            await self._handle(job)

    async def _handle(self, job: str) -> None:
        """Handle a message. It leaves the queue at the end, unless this raises."""
        from pgqueuer import RetryRequested  # noqa: PLC0415 - an extra

        is_free = not self._busy and not self._worker.stopping.is_set() and self._worker.takes(job)
        # One that was on its way when this worker got another one goes back: some other worker may be free.
        again_s = await self._shift(job) if is_free else 0.0
        if again_s is not None:
            # An insert wakes all workers, also one that finds its message there. What is given back wakes nobody, and
            # an idle worker would see it at its next look.
            await self._enqueue(job)
            raise RetryRequested(timedelta(seconds=again_s))

    async def _shift(self, job: str) -> float | None:
        """Do a shift, and return when it is to be delivered again; None if it is not."""
        self._busy = True
        self._ask()
        try:
            return await self._again_in_s(job)
        except XoxoError as error:
            self._fail(error)
            return _TROUBLE_S
        finally:
            self._busy = False
            await self._give_turns(job)

    async def _give_turns(self, job: str) -> None:
        """Ask first for other jobs than those just worked on, where such a shift waits.

        The queue gives the oldest message first, and one that was given back stays the oldest.
        """
        for had in ({*self._had, job}, {job}, set[str]()):
            self._had.clear()
            self._had.update(had)
            waiting = [PREFIX + other for other in self._served - had]
            if waiting and await self._queries.eligible_queued_work(waiting):
                break
        self._ask()

    async def _again_in_s(self, job: str) -> float | None:
        worker = self._worker
        done = await worker.shift(job)
        if done is not None:
            return done.again_in_s
        if job in worker.failing:
            return _TROUBLE_S
        if job in worker.refused:
            self._served.discard(job)  # another worker may be able to do it
        elif not worker.stopping.is_set():
            await self._look()  # its last line may have ended meanwhile, and the job may be purged
            return 0.0 if job in self._served else None
        return 0.0

    def _fail(self, error: XoxoError) -> None:
        if not self._worker.outlives(error):
            self.lasting = error
            self._queue.shutdown.set()


async def _shut_down(queue: "PgQueuer", worker: ShiftWorker) -> None:
    await worker.stopping.wait()
    queue.shutdown.set()
