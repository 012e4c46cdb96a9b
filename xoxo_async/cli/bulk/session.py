"""Do the work of a command that sends the lines of a ledger, of whatever kind they are, and end it on signals."""

import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Generic, Protocol, TypeVar

import anyio
import anyio.abc
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.lines import Counts
from xoxo_async.bulk.ledger.opening import open_ledger
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.settings import Bounds, kept_bounds
from xoxo_async.cli.bulk.continuing import keep_settings
from xoxo_async.cli.bulk.outcome import Outcome, print_failure, print_report
from xoxo_async.cli.bulk.problems import noting, problems_file, say_problems
from xoxo_async.cli.bulk.progress import showing_progress
from xoxo_async.cli.bulk.request import WorkRequest
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import agree, need_a_person
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.failures import one_error
from xoxo_async.cli.output import say, say_command
from xoxo_async.cli.signals import as_before, listen
from xoxo_async.cli.wording import stopping
from xoxo_async.errors import ConfigError, LedgerError, XoxoError

__all__ = ["ClientOpener", "Totals", "Work", "run_work"]

_STILL_PLANNING_S: Final = 5.0


class Issuer(Protocol):
    """The part of any issuer that a command needs at any time."""

    @property
    def progress(self) -> Progress:
        """What the run has done so far."""
        ...

    def stop(self, reason: str = ...) -> None:
        """Take no more lines."""
        ...


class Totals(Protocol):
    """The part of the sums of any plan that a command needs."""

    @property
    def skipped(self) -> int:
        """Bad rows that were left out."""
        ...

    @property
    def added(self) -> int:
        """Rows that are new to the ledger."""
        ...

    @property
    def absent(self) -> int:
        """Rows of the ledger that the input lacks, where it brings new ones."""
        ...


IssuerT = TypeVar("IssuerT", bound=Issuer)
TotalsT = TypeVar("TotalsT", bound=Totals)


class Work(Protocol[IssuerT, TotalsT]):
    """What one kind of job says of itself to the command that works on it."""

    @property
    def request(self) -> WorkRequest:
        """The command."""
        ...

    @property
    def kind(self) -> JobKind:
        """What its job is of."""
        ...

    @property
    def doing(self) -> str:
        """What the command does, for the refusal without a person: `issuing the orders of march.csv`."""
        ...

    @property
    def keeps_codes(self) -> bool:
        """Whether the ledger keeps what the rows get."""
        ...

    @property
    def starts_with(self) -> str:
        """The command that starts a job of this kind."""
        ...

    def issuer(self, client: BulkClient, ledger: Ledger, kept: Bounds, job: str) -> IssuerT:
        """Return the issuer that does the work."""
        ...

    def why_distrusted(self, ledger: Ledger, kept: Bounds) -> str:
        """Return what happens to planned rows that may have been sent; empty where the ledger is trusted."""
        ...

    async def plan(
        self, issuer: IssuerT, approve: Callable[[TotalsT], Awaitable[None]], problems: ProblemSink | None
    ) -> TotalsT:
        """Plan the rows of the command's input."""
        ...

    async def outlook(self, issuer: IssuerT) -> TotalsT:
        """Return what a resume would send."""
        ...

    def show(self, totals: TotalsT) -> None:
        """Print the sums of what would be sent."""
        ...

    def question(self, totals: TotalsT) -> str:
        """Return what a person has to agree to; empty where nothing is sent."""
        ...

    async def act(self, issuer: IssuerT) -> Report:
        """Send or settle what is planned."""
        ...


class ClientOpener(Protocol):
    """Opens a client for a block."""

    def __call__(self, connection: Connection, *, say_lookups: bool) -> AbstractAsyncContextManager[BulkClient]:
        """Open it; with `say_lookups`, it also prints retries of look-ups."""
        ...


def run_work(work: Work[IssuerT, TotalsT], open_client: ClientOpener) -> int:
    """Do the work, print how it ended, and return the exit code.

    Args:
        work: What to do.
        open_client: Opens the client.
    """
    request = work.request
    if request.asks:
        need_a_person(request.connection, work.doing)
    started = time.monotonic()
    with as_before():
        outcome = run_async(lambda: CommandRun(work, open_client).work())
    elapsed = time.monotonic() - started
    if outcome.report is not None and outcome.error is None:
        return print_report(request, msgspec.structs.replace(outcome.report, elapsed_s=elapsed), outcome)
    return print_failure(request, outcome, elapsed)


class CommandRun(Generic[IssuerT, TotalsT]):
    """One run of the command, from opening its files to closing them. It receives signals all that time.

    Args:
        work: What to do.
        open_client: Opens the client.
    """

    def __init__(self, work: Work[IssuerT, TotalsT], open_client: ClientOpener) -> None:
        self._does: Final = work
        self._request: Final = work.request
        self._open_client: Final = open_client
        self._issuer: IssuerT | None = None
        self._all: Final = anyio.CancelScope()
        self._sending: Final = anyio.CancelScope()
        self._outcome: Final = Outcome()
        self._planned = False
        self._problems: Final = problems_file(work.request.problems)

    async def work(self) -> Outcome:
        """Do the work, and return how it ended."""
        async with anyio.create_task_group() as group:
            await group.start(listen, self._stop)
            with self._all:
                try:
                    await self._work_on_the_ledger()
                except XoxoError as error:
                    self._outcome.error = error
                except BaseExceptionGroup as errors:
                    one = one_error(errors)
                    if not isinstance(one, XoxoError):
                        raise
                    self._outcome.error = one
            group.cancel_scope.cancel()
        outcome = self._outcome
        if isinstance(outcome.error, LedgerError) and outcome.report is not None:
            outcome.report = msgspec.structs.replace(outcome.report, pause=Pause.LEDGER, reason=outcome.error.message)
        return outcome

    async def _work_on_the_ledger(self) -> None:
        async with self._ledger() as ledger:
            require_kind(ledger, self._does.kind)
            kept = await kept_bounds(ledger)
            async with self._open_client(self._request.connection_within(kept), say_lookups=False) as client:
                await self._issue(client, ledger, kept)

    async def _issue(self, client: BulkClient, ledger: Ledger, kept: Bounds) -> None:
        issuer = self._does.issuer(client, ledger, kept, await self._job(ledger))
        before = await ledger.counts()
        if why := self._does.why_distrusted(ledger, kept):
            say(why)
        self._issuer = issuer
        try:
            await self._prepare(issuer, ledger)
            say_command(f"Progress is saved in {self._request.ledger}. If interrupted, run", self._follow())
            async with showing_progress(issuer.progress, ledger):
                with self._sending:
                    self._outcome.report = await self._does.act(issuer)
        finally:
            with anyio.CancelScope(shield=True):
                await self._look_back(issuer, ledger, before)

    def _ledger(self) -> Ledger:
        request = self._request
        return open_ledger(
            request.ledger,
            store_codes=self._does.keeps_codes,
            must_exist=request.action != "run",
            keep_unused=False,
        )

    async def _job(self, ledger: Ledger) -> str:
        if self._request.action != "run" and await ledger.get_fact(PLANNED_AT) is None:
            raise ConfigError(f"{ledger.name} holds no job yet: start one with `{self._does.starts_with}`")
        return ledger.job or self._request.ledger.first_job

    async def _prepare(self, issuer: IssuerT, ledger: Ledger) -> None:
        """Plan the rows of a run. Before real money moves, ask a person to agree to the sums."""
        request = self._request
        if request.action == "run":
            async with anyio.create_task_group() as group:
                group.start_soon(self._say_still_planning)
                with noting(self._problems):
                    sink = None if self._problems is None else self._problems.add
                    totals = await self._does.plan(issuer, self._approve, sink)
                self._outcome.skipped = totals.skipped
                self._outcome.added, self._outcome.absent = totals.added, totals.absent
                group.cancel_scope.cancel()
        elif request.asks:
            await self._approve(await self._does.outlook(issuer))
        if request.action != "reconcile":
            await keep_settings(
                ledger, {action: request.flags(action, bounds=False) for action in ("resume", "reconcile")}
            )

    async def _say_still_planning(self) -> None:
        while not self._planned:
            await anyio.sleep(_STILL_PLANNING_S)
            if not self._planned:
                say(f"checking the rows of {self._request.source} …")

    async def _approve(self, totals: TotalsT) -> None:
        """Print the sums of what the run would send. Before real money moves, ask a person to agree."""
        self._planned = True
        say_problems(self._problems)
        self._does.show(totals)
        if self._request.asks and (what := self._does.question(totals)):
            await agree(self._request.connection, what)

    def _follow(self) -> str:
        """Return the command that continues. After kill -9 or a power cut only the first line has it."""
        action = self._request.action
        return self._request.continued_by("reconcile" if action == "reconcile" else "resume", anew=action == "resume")

    async def _look_back(self, issuer: IssuerT, ledger: Ledger, before: Counts) -> None:
        """Read the counts of the ledger after the work, also after an error."""
        outcome = self._outcome
        outcome.began = issuer.progress.phase != "planning"
        try:
            counts = await ledger.counts()
        except LedgerError:
            return
        outcome.idle = counts == before
        outcome.manual = counts.for_a_person
        outcome.cancelled = counts.delivery_cancelled
        if outcome.report is None:
            report = Report.of(ledger, counts, pause=Pause.INTERRUPTED, reason="cut off")
            outcome.report = msgspec.structs.replace(report, placed_now=issuer.progress.placed)

    def _stop(self, number: signal.Signals, group: anyio.abc.TaskGroup, at_once: bool) -> None:
        if self._issuer is None or self._issuer.progress.phase == "planning":
            self._all.cancel()
            return
        self._issuer.stop(f"interrupted by {number.name}")
        if at_once:
            self._sending.cancel()
            return
        in_flight, grace_s = self._issuer.progress.in_flight, self._request.grace
        say(stopping(number.name, in_flight, grace_s, self._does.kind.words))
        group.start_soon(self._cut_off)

    async def _cut_off(self) -> None:
        await anyio.sleep(self._request.grace)
        self._sending.cancel()
