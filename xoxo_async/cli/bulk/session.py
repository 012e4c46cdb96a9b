"""Do the work of `xoxo bulk run`, `resume` and `reconcile`, and end it on signals."""

import os
import signal
import time
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import anyio
import anyio.abc
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.intake.orders_file import ORDERS, OrdersFile
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.opening import open_ledger
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.settings import Bounds, kept_bounds
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.continuing import keep_settings
from xoxo_async.cli.bulk.outcome import Outcome, print_failure, print_report
from xoxo_async.cli.bulk.problems import noting, problems_file, say_problems
from xoxo_async.cli.bulk.progress import showing_progress
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.bulk.servers import address_of
from xoxo_async.cli.bulk.totals import mails, print_totals, summary
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import agree, need_a_person
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.failures import one_error
from xoxo_async.cli.output import say, say_command
from xoxo_async.cli.signals import as_before, ending_signals
from xoxo_async.cli.wording import amounts, count, stopping
from xoxo_async.errors import ConfigError, LedgerError, XoxoError

__all__ = ["run_request"]

_STILL_PLANNING_S: Final = 5.0


class ClientOpener(Protocol):
    """Opens a client for a block."""

    def __call__(self, connection: Connection, *, say_lookups: bool) -> AbstractAsyncContextManager[BulkClient]:
        """Open it; with `say_lookups`, it also prints retries of look-ups."""
        ...


def run_request(request: RunRequest, open_client: ClientOpener) -> int:
    """Do the work, print how it ended, and return the exit code.

    Args:
        request: The command.
        open_client: Opens the client.
    """
    if request.asks:
        need_a_person(request.connection, f"issuing the orders of {request.orders or request.ledger}")
    started = time.monotonic()
    with as_before():
        outcome = run_async(lambda: CommandRun(request, open_client).work())
    elapsed = time.monotonic() - started
    if outcome.report is not None and outcome.error is None:
        return print_report(request, msgspec.structs.replace(outcome.report, elapsed_s=elapsed), outcome)
    return print_failure(request, outcome, elapsed)


class CommandRun:
    """One run of the command, from opening its files to closing them. It receives signals all that time.

    Args:
        request: The command.
        open_client: Opens the client.
    """

    def __init__(self, request: RunRequest, open_client: ClientOpener) -> None:
        self._request: Final = request
        self._open_client: Final = open_client
        self._issuer: BulkIssuer | None = None
        self._all: Final = anyio.CancelScope()
        self._sending: Final = anyio.CancelScope()
        self._outcome: Final = Outcome()
        self._planned = False
        self._problems: Final = problems_file(request.problems)

    async def work(self) -> Outcome:
        """Do the work, and return how it ended."""
        async with anyio.create_task_group() as group:
            await group.start(self._listen)
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
            kept = await kept_bounds(ledger)
            async with self._open_client(self._request.connection_within(kept), say_lookups=False) as client:
                await self._issue(client, ledger, kept)

    async def _issue(self, client: BulkClient, ledger: Ledger, kept: Bounds) -> None:
        issuer = self._issuer_of(client, ledger, kept, await self._job(ledger))
        before = await ledger.counts()
        self._say_why_distrusted(ledger, kept)
        self._issuer = issuer
        try:
            await self._prepare(issuer, ledger)
            say_command(f"Progress is saved in {self._request.ledger}. If interrupted, run", self._follow())
            async with showing_progress(issuer.progress, ledger):
                with self._sending:
                    self._outcome.report = await self._act(issuer)
        finally:
            with anyio.CancelScope(shield=True):
                await self._look_back(issuer, ledger, before)

    def _ledger(self) -> Ledger:
        request = self._request
        return open_ledger(
            request.ledger,
            store_codes=not request.no_codes,
            must_exist=request.action != "run",
            keep_unused=False,
        )

    def _issuer_of(self, client: BulkClient, ledger: Ledger, kept: Bounds, job: str) -> BulkIssuer:
        request = self._request
        return BulkIssuer(
            client,
            ledger,
            job=job,
            concurrency=request.concurrency,
            settle_s=request.settle_within(kept),
            resend=request.resend,
            pack=request.pack,
            skip_invalid=request.skip_invalid,
            notify=request.notify or None,
            max_spend=request.max_spend,
            max_errors=request.max_errors,
            pause_limit_s=request.pause_limit,
            missing=request.missing,
            restore=request.restore,
            address=address_of(request.connection),
        )

    async def _job(self, ledger: Ledger) -> str:
        if self._request.action != "run" and await ledger.get_fact(PLANNED_AT) is None:
            raise ConfigError(f"{ledger.name} holds no job yet: start one with `xoxo bulk run ORDERS --ledger …`")
        return ledger.job or self._request.ledger.first_job

    def _say_why_distrusted(self, ledger: Ledger, kept: Bounds) -> None:
        request = self._request
        if not (ledger.copied or request.restore):
            return
        why = "this ledger's file is a copy, or an older state of it" if ledger.copied else "--restore"
        bounds = Bounds(settle_s=request.settle_within(kept)).over(kept)
        wait_s = bounds.rules(restore=request.restore).settle_s
        say(f"{why}: planned rows are looked up before they are sent, which takes {wait_s:g} s")

    async def _prepare(self, issuer: BulkIssuer, ledger: Ledger) -> None:
        """Plan the rows of a run. Before real money moves, ask a person to agree to the sums."""
        request = self._request
        if request.action == "run":
            async with anyio.create_task_group() as group:
                group.start_soon(self._say_still_planning)
                with noting(self._problems):
                    sink = None if self._problems is None else self._problems.add
                    totals = await issuer.plan(self._orders(), approve=self._approve, problems=sink)
                self._outcome.skipped = totals.skipped
                self._outcome.added, self._outcome.absent = totals.added, totals.absent
                group.cancel_scope.cancel()
        elif request.asks:
            await self._approve(await issuer.outlook())
        if request.action != "reconcile":
            await keep_settings(
                ledger, {action: request.flags(action, bounds=False) for action in ("resume", "reconcile")}
            )

    def _orders(self) -> OrdersFile:
        return RowsFile(self._request.orders, ORDERS, choices=self._request.reading)

    async def _say_still_planning(self) -> None:
        while not self._planned:
            await anyio.sleep(_STILL_PLANNING_S)
            if not self._planned:
                say(f"checking the rows of {self._request.orders} …")

    async def _approve(self, totals: PlanTotals) -> None:
        """Print the sums of what the run would send. Before real money moves, ask a person to agree."""
        self._planned = True
        say_problems(self._problems)
        asks = self._request.asks
        if asks:
            print_totals(totals)
        for line in summary(totals):
            say(line)
        if asks and (totals.orders or totals.in_doubt):
            what = f"issue {count(totals.pieces, 'voucher')}, face value {amounts(totals.face)}"
            what += f", and {count(totals.in_doubt, 'row')} in doubt" if totals.in_doubt else ""
            what += f"; {mails(totals)}" if totals.addressed else ""
            await agree(self._request.connection, what)

    def _follow(self) -> str:
        """Return the command that continues. After kill -9 or a power cut only the first line has it."""
        action = self._request.action
        return self._request.continued_by("reconcile" if action == "reconcile" else "resume", anew=action == "resume")

    async def _act(self, issuer: BulkIssuer) -> Report:
        match self._request.action:
            case "reconcile":
                return await issuer.reconcile()
            case "resume":
                return await issuer.resume()
            case _:
                return await issuer.issue()

    async def _look_back(self, issuer: BulkIssuer, ledger: Ledger, before: Counts) -> None:
        """Read the counts of the ledger after the work, also after an error."""
        outcome = self._outcome
        outcome.began = issuer.progress.phase != "planning"
        try:
            counts = await ledger.counts()
        except LedgerError:
            return
        outcome.idle = counts == before
        outcome.manual = counts.states.get(LineState.MANUAL, 0)
        outcome.cancelled = counts.delivery_cancelled
        if outcome.report is None:
            report = Report.of(ledger, counts, pause=Pause.INTERRUPTED, reason="cut off")
            outcome.report = msgspec.structs.replace(report, placed_now=issuer.progress.placed)

    async def _listen(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Stop in order after the first signal, stop at once after the second, and end the process after the third."""
        with anyio.open_signal_receiver(*ending_signals()) as signals:
            task_status.started()
            heard = 0
            async with anyio.create_task_group() as group:
                async for number in signals:
                    heard += 1
                    if heard > 2:
                        os._exit(exits.INTERRUPTED)  # safe: every intent is on disk before its request leaves
                    self._stop(number, group, at_once=heard > 1)

    def _stop(self, number: signal.Signals, group: anyio.abc.TaskGroup, *, at_once: bool) -> None:
        if self._issuer is None or self._issuer.progress.phase == "planning":
            self._all.cancel()
            return
        self._issuer.stop(f"interrupted by {number.name}")
        if at_once:
            self._sending.cancel()
            return
        in_flight, grace_s = self._issuer.progress.in_flight, self._request.grace
        say(stopping(number.name, in_flight, grace_s))
        group.start_soon(self._cut_off)

    async def _cut_off(self) -> None:
        await anyio.sleep(self._request.grace)
        self._sending.cancel()
