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

__all__ = ["ENTRYPOINT", "PgqueuerEngine", "ShiftWorker"]

ENTRYPOINT: Final = "xoxo_shift"
"""The name of the messages; the payload is the job's name."""

_TICK_S: Final = 60.0
_BUSY_S: Final = 0.5
"""Seconds until a shift is delivered again that came while its worker was busy: another one may be free."""

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
_ADVICE: Final = "run `xoxo ledger migrate --roles apply` as its owner, or use --engine none"
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

    async def open_jobs(self) -> list[str]:
        """Return the jobs that have open lines."""
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


class PgqueuerEngine:
    """Deliver shifts through pgqueuer. Each worker enqueues one shift a minute for each job that has open lines.

    So an open job has a shift in the queue for each worker, and also for each process that has ended since: those are
    taken by the others, and leave the queue once nothing is left. Shifts that find no free worker wait. The tables of
    pgqueuer are made at the first start, which needs the right to create them.

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
                failure = explain(error, self._address)
                lasting = LedgerError(failure.message)
                if failure.final or not worker.outlives(lasting):
                    raise lasting from None
                with anyio.move_on_after(_TROUBLE_S):
                    await worker.stopping.wait()

    async def _deliver(self, worker: ShiftWorker) -> None:
        from pgqueuer import PgQueuer, RetryRequested  # noqa: PLC0415 - an extra

        from xoxo_async.postgres.connecting import connect  # noqa: PLC0415 - an extra

        connection: Any = await connect(self._address, purpose="queue")
        try:
            await self._require_session(connection)
        except BaseException:
            connection.terminate()
            raise
        queue = PgQueuer.from_asyncpg_connection(connection)
        busy = False
        lasting: XoxoError | None = None

        @queue.entrypoint(ENTRYPOINT, accepts_context=False)
        async def shift(message: Any) -> None:
            nonlocal busy, lasting
            if busy or worker.stopping.is_set():
                raise RetryRequested(timedelta(seconds=_BUSY_S))
            busy = True
            try:
                job = message.payload.decode()
                done = await worker.shift(job)
                # Another worker may be able to do a shift that this one leaves out, or that failed here.
                waits = job in worker.refused or job in worker.failing
                again_s = done.again_in_s if done is not None else _TROUBLE_S if waits else 0.0
            except XoxoError as error:
                if not worker.outlives(error):
                    lasting = error
                    queue.shutdown.set()
                again_s = _TROUBLE_S
            finally:
                busy = False
            if again_s is not None:
                raise RetryRequested(timedelta(seconds=again_s))

        try:
            await self._make_tables(connection, queue)
            async with anyio.create_task_group() as group:
                group.start_soon(self._tick, queue, worker)
                group.start_soon(_shut_down, queue, worker)
                # Take one message at a time: what this worker holds, no other one can take.
                await queue.run(
                    dequeue_timeout=_LOOK_S, batch_size=1, max_concurrent_tasks=2, heartbeat_timeout=_HEARTBEAT
                )
                group.cancel_scope.cancel()
            if lasting is not None:
                raise lasting
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
        async with queries.schema_lock():  # many workers may start at once
            if where is None and not await queries.schema_is_installed():
                try:
                    await queries.install()
                except asyncpg.InsufficientPrivilegeError:
                    raise ConfigError(
                        f"the database {self._address.name} has no tables of pgqueuer, and this user may not make them:"
                        f" start one worker as the database's owner once, then {_ADVICE}"
                    ) from None
        if not await connection.fetchval(_MAY_USE):
            raise ConfigError(
                f"the database {self._address.name} does not give this user the rights to the tables of pgqueuer:"
                f" {_ADVICE}"
            )

    async def _tick(self, queue: "PgQueuer", worker: ShiftWorker) -> None:
        """Enqueue one shift for each open job, again and again; a shift that still waits or works is not repeated."""
        queries: Any = queue.queries
        while True:
            try:
                for job in await worker.open_jobs():
                    await queries.enqueue(
                        ENTRYPOINT, job.encode(), dedupe_key=f"xoxo {job} {worker.name}", on_conflict="skip"
                    )
            except XoxoError as error:
                worker.outlives(error)
            await anyio.sleep(self._tick_s)


async def _shut_down(queue: "PgQueuer", worker: ShiftWorker) -> None:
    await worker.stopping.wait()
    queue.shutdown.set()
