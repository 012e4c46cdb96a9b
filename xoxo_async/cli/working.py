"""Run the process of `xoxo worker`: its client, its signals, its health checks, and what it tells an operator."""

import os
import signal
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Literal, Protocol, Self

import anyio
import anyio.abc
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.opening import open_ledger, read_open_jobs, require_fit
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.report import Shift
from xoxo_async.bulk.running.progress import clock_time
from xoxo_async.bulk.settings import Bounds, kept_bounds
from xoxo_async.bulk.shift import run_shift
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.servers import address_of, at_its_server, books_of
from xoxo_async.cli.command_line import command_line, same_command
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.failures import one_error, scrub
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.output import say, say_command
from xoxo_async.cli.signals import as_before, listen
from xoxo_async.cli.wording import count, stopping
from xoxo_async.workers.health import serving_health
from xoxo_async.workers.loop import Engine, Worker
from xoxo_async.workers.shifts import ShiftSettings

__all__ = ["WorkerRequest", "run_worker"]

_CUT_OFF_S: Final = 5.0
"""Seconds that a worker has to record what it cut off, before everything else is cancelled as well."""

_SANDBOX_SETTLE_S: Final = 1.0

_SAME_S: Final = 2.0
"""Two moments that are no further apart are told once: the clocks of machine and ledger differ a little."""


class ClientOpener(Protocol):
    """Opens a client for a block."""

    def __call__(self, connection: Connection, *, say_lookups: bool) -> AbstractAsyncContextManager[BulkClient]:
        """Open it; with `say_lookups`, it also prints retries of look-ups."""
        ...


class WorkerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of one `xoxo worker`.

    Attributes:
        ledger: The ledger, or the database with all its jobs.
        connection: Where orders go.
        engine: What delivers the shifts.
        health: Host and port of the health checks; None for no checks.
        concurrency: The most requests in flight; None takes what the ledger keeps.
        settle: Seconds after a lost answer before a missing order counts as absent; None takes what the ledger keeps.
        resend: Whether to place a proven absent order again; None takes what the ledger keeps.
        no_codes: Whether the ledger keeps no voucher codes.
        pause_limit: Seconds that a shift waits for the vendor.
        shift: Seconds of a shift.
        grace: Seconds that requests in flight have after the first signal.
        until_done: Whether to end once no job has lines that a worker may work on.
        as_json: Whether to print JSON at the end.
    """

    ledger: LedgerAddress
    connection: Connection
    engine: Literal["pgqueuer", "none"]
    health: tuple[str, int] | None
    concurrency: int | Literal["auto"] | None
    settle: float | None
    resend: Literal["settled", "never"] | None
    no_codes: bool
    pause_limit: float
    shift: float
    grace: float
    until_done: bool
    as_json: bool

    @classmethod
    def of(
        cls, ledger: LedgerAddress, *, rate: float | None, base_url: str, client_id: str, sandbox: bool, **flags: Any
    ) -> Self:
        """Return the request of a command line.

        Args:
            ledger: The ledger.
            rate: placeOrder calls a minute.
            base_url: Replaces `XOXO_BASE_URL`.
            client_id: Replaces `XOXO_CLIENT_ID`.
            sandbox: Whether to start a sandbox for this command alone.
            flags: The other flags.
        """
        connections = flags["concurrency"] if isinstance(flags["concurrency"], int) else 0
        connection = Connection(
            base_url=base_url,
            client_id=client_id,
            sandbox=sandbox,
            books=books_of(ledger),
            rate=rate,
            connections=connections,
        )
        return cls(ledger=ledger, connection=connection, **flags)


def run_worker(request: WorkerRequest, open_client: ClientOpener) -> int:
    """Work until stopped, print how it ended, and return the exit code.

    Args:
        request: The command.
        open_client: Opens the client.
    """
    started = time.monotonic()

    async def work() -> WorkerRun:
        run = WorkerRun(request, open_client)
        await run.work()
        return run

    with as_before():
        run = run_async(work)
    return run.end(time.monotonic() - started)


class WorkerRun:
    """One run of the command. It receives signals all that time.

    Args:
        request: The command.
        open_client: Opens the client.
    """

    def __init__(self, request: WorkerRequest, open_client: ClientOpener) -> None:
        self._request: Final = request
        self._open_client: Final = open_client
        self._worker: Worker | None = None
        self._all: Final = anyio.CancelScope()
        self._stopped_by: signal.Signals | None = None
        self._cut_off = False
        self._others: dict[str, str] = {}  # the jobs that no worker works on, and the command for each

    async def work(self) -> None:
        """Work until stopped.

        Raises:
            XoxoError: The worker could not begin, or cannot go on.
        """
        try:
            async with anyio.create_task_group() as group:
                await group.start(listen, self._stop)
                with self._all:
                    await self._work()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            raise one_error(errors) from None

    async def _work(self) -> None:
        request = self._request
        connection, bounds = await self._at_the_job(request.connection)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._open_client(connection, say_lookups=False))
            settle_s = request.settle
            if settle_s is None and bounds.settle_s is None and connection.sandbox:
                settle_s = _SANDBOX_SETTLE_S
            worker = self._worker = Worker(
                client,
                self._open_jobs,
                self._ledger,
                run_shift=run_shift,
                settings=ShiftSettings(
                    seconds=request.shift,
                    concurrency=request.concurrency,
                    settle_s=settle_s,
                    resend=request.resend,
                    pause_limit_s=request.pause_limit,
                    address=address_of(connection),
                ),
                told=_Teller().tell,
                troubled=lambda line: say(f"trouble: {scrub(line)}"),
                noted=lambda line: say(scrub(line)),
                others=lambda: {job: _why_left_out(command) for job, command in self._others.items()},
                check=lambda: require_fit(request.ledger),
                many=not request.ledger.is_file and request.ledger.job is None,
            )
            if request.health is not None:
                host, port = request.health
                port = await stack.enter_async_context(serving_health(worker.state, host=host, port=port, shown=scrub))
                say(f"health checks at http://{host}:{port}/live and /ready")
            say(f"worker {os.getpid()} on {request.ledger.name}, engine {request.engine}")
            await worker.run(until_done=request.until_done, engine=self._engine())

    async def _at_the_job(self, connection: Connection) -> tuple[Connection, Bounds]:
        """Return the connection with the server and the rate of the one job; of many jobs, as it is."""
        ledger = self._request.ledger
        if not ledger.is_file and ledger.job is None:
            return connection, Bounds()
        async with open_ledger(ledger, must_exist=True, read_only=True) as opened:
            require_kind(opened, JobKind.ORDERS)  # here, since no shift begins on a job without open lines
            kept = await kept_bounds(opened)
            connection = at_its_server(connection, opened)
        if connection.rate is None and kept.rate is not None:
            rate = float("inf") if kept.rate == "none" else kept.rate
            connection = msgspec.structs.replace(connection, rate=rate)
        return connection, kept

    async def _open_jobs(self) -> list[str]:
        ledger = self._request.ledger
        found = await read_open_jobs(ledger)
        flags = self._request.connection.flags
        self._others = {job: _command_of(kind, ledger.with_job(job), flags) for job, kind in found.others.items()}
        return found.names

    def _ledger(self, job: str) -> Ledger:
        return open_ledger(self._request.ledger, job=job, store_codes=not self._request.no_codes, must_exist=True)

    def _engine(self) -> Engine | None:
        database = self._request.ledger.database
        if self._request.engine == "none" or database is None:
            return None
        from xoxo_async.workers.queue import PgqueuerEngine

        return PgqueuerEngine(database)

    def _stop(self, number: signal.Signals, group: anyio.abc.TaskGroup, at_once: bool) -> None:
        self._stopped_by = self._stopped_by or number
        group.start_soon(self._stop_work, number, at_once)

    async def _stop_work(self, number: signal.Signals, at_once: bool) -> None:
        worker = self._worker
        if worker is None:
            self._all.cancel()
            return
        if not at_once:
            worker.stop()
            grace_s, in_flight = self._request.grace, worker.progress.in_flight
            say(stopping(number.name, in_flight, grace_s))
            await anyio.sleep(grace_s)
        self._cut_off = True
        worker.cut_off()
        await anyio.sleep(_CUT_OFF_S)
        self._all.cancel()

    # The end.

    def end(self, elapsed_s: float) -> int:
        """Print how the work ended, and return the exit code.

        Args:
            elapsed_s: How long it took.
        """
        last = {} if self._worker is None else self._worker.last
        issued = 0 if self._worker is None else self._worker.state.issued
        refused = {} if self._worker is None else self._worker.refused
        code = exits.of_worker(
            {shift.report.exit_code for job, shift in last.items() if job not in refused},
            stopped_by=self._stopped_by,
            cut_off=self._cut_off,
            refused=bool(refused),
        )
        follow = "" if code in (exits.DONE, exits.REJECTED) else self._next_command(last)
        how = "stopped" if self._stopped_by is not None else "ended" if refused else "done"
        say(f"{how}: this worker issued {count(issued, 'row')}")
        cut = 0 if self._worker is None else self._worker.cut_in_flight
        if cut:
            say(f"{count(cut, 'order')} in flight cut off, in doubt now: a later shift looks them up first")
        for job, why in refused.items():
            say(f"job {job} was left out: {scrub(why)}")
        if follow:
            say_command("continue with", follow)
        if self._request.as_json:
            print_json(
                {
                    "ledger": self._request.ledger.name,
                    "issued_now": issued,
                    "jobs": {job: _to_json(shift) for job, shift in last.items()},
                    "left_out": {job: scrub(why) for job, why in refused.items()},
                    "elapsed_s": round(elapsed_s, 3),
                    "continue_with": follow,
                    "exit_code": code,
                }
            )
        return code

    def _next_command(self, last: dict[str, Shift]) -> str:
        """Return the command that continues. No worker ends a pause, so the first paused job needs a `resume`."""
        paused = [job for job, shift in last.items() if shift.paused is not None]
        if not paused or self._stopped_by is not None:
            others = [command for command in self._others.values() if command]
            return others[0] if others and self._stopped_by is None else same_command()
        request, ledger = self._request, self._request.ledger
        ledger = ledger if ledger.is_file else ledger.with_job(paused[0])
        return command_line("bulk", "resume", "--ledger", ledger.argument, *request.connection.flags)


def _command_of(kind: str, ledger: LedgerAddress, flags: list[str]) -> str:
    """Return the command that sends a job without keys; empty if this version does not know its kind."""
    if kind not in {known.value for known in JobKind}:
        return ""
    return command_line(*JobKind(kind).command.split()[1:], "--ledger", ledger.argument, *flags)


def _why_left_out(command: str) -> str:
    if not command:
        return "a newer version of xoxo-async has planned it"
    return f"no worker sends points, links or mails; go on with it by `{command}`, also in several processes at once"


def _to_json(shift: Shift) -> dict[str, object]:
    report = shift.report
    names = ("rows", "issued", "pending", "rejected", "unknown", "not_sent", "alarms_total")
    facts: dict[str, object] = {name: getattr(report, name) for name in names}
    return {**facts, "left": shift.left, "paused": shift.paused}


class _Teller:
    """Prints what shifts did: of each job, nothing a second time."""

    def __init__(self) -> None:
        self._told: Final[dict[str, str]] = {}
        self._doubts: Final[dict[str, tuple[int, float]]] = {}

    def tell(self, shift: Shift) -> None:
        """Print what a shift did, what it left in doubt, and why it cannot go on.

        Args:
            shift: The shift.
        """
        report, job = shift.report, f"job {shift.job}"
        doubt = self._doubt(shift)
        if shift.issued:
            done = f"this worker {shift.issued:,}, the job {report.issued + report.pending:,} of {report.rows:,} issued"
            say(f"{job}: {done}{doubt and f'; {doubt}'}")
        elif doubt:
            say(f"{job}: {doubt}")
        if report.superseded:
            results = count(report.superseded, "result")
            say(f"{results} came after another worker had taken the lines over; look-ups settle these lines")
        line = ""
        if shift.paused is not None:
            waits = f"; its {count(shift.in_doubt, 'row')} in doubt are still looked up" if shift.in_doubt else ""
            line = f"{job} is paused: {scrub(shift.paused)}{waits}"
        elif report.reason and shift.again_in_s != 0:
            line = f"{job}: {scrub(report.reason)}"
        if line and line != self._told.get(shift.job):
            say(line)
        self._told[shift.job] = line

    def _doubt(self, shift: Shift) -> str:
        """Return how many rows are in doubt and when they are looked up; empty if that was told."""
        in_doubt = shift.in_doubt - shift.report.in_flight
        now = time.time()
        at = 0.0 if shift.lookup_in_s is None else now + shift.lookup_in_s
        before, when = self._doubts.get(shift.job, (0, 0.0))
        self._doubts[shift.job] = (in_doubt, at)
        if in_doubt <= 0 or (in_doubt == before and abs(at - when) < _SAME_S and not shift.issued):
            return ""
        again = f", looked up again at {clock_time(at, now)}" if at else ""
        return f"{in_doubt:,} in doubt{again}"
