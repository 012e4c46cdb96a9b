"""Run, resume, reconcile: the work itself, and the signals that end it."""

import os
import signal
import time
from typing import Final

import anyio
import anyio.abc
import msgspec

from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.intake.orders_file import read_orders
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.settings import Bounds, kept_bounds
from xoxo_async.cli import exits
from xoxo_async.cli.ask import agree, need_a_person
from xoxo_async.cli.bulk_end import tell, tell_failure
from xoxo_async.cli.bulk_plan import facts, show_totals
from xoxo_async.cli.bulk_work import Ended, Work
from xoxo_async.cli.connect import SETTINGS, open_client, run_async
from xoxo_async.cli.progress import shown
from xoxo_async.cli.render import amounts, count, json_text, say
from xoxo_async.cli.signals import as_before, ending_signals
from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError, LedgerError, XoxoError

__all__ = ["run_work"]


def run_work(work: Work) -> int:
    """Do the work, say how it ended, and return the exit code.

    Args:
        work: What was asked for.
    """
    if work.asks:
        need_a_person(work.connection, f"issuing the orders of {work.orders or work.ledger}")
    started = time.monotonic()
    with as_before():
        ended = run_async(lambda: _Shift(work).work())
    elapsed = time.monotonic() - started
    if ended.report is not None and ended.error is None:
        return tell(work, msgspec.structs.replace(ended.report, elapsed_s=elapsed), ended)
    return tell_failure(work, ended, elapsed)


_STILL_PLANNING_S: Final = 5.0


class _Shift:
    """One stretch of work, from the first file opened to the last one closed, signals heard throughout.

    Args:
        work: What was asked for.
    """

    def __init__(self, work: Work) -> None:
        self._work: Final = work
        self._issuer: BulkIssuer | None = None
        self._all: Final = anyio.CancelScope()
        self._sending: Final = anyio.CancelScope()
        self._ended: Final = Ended()
        self._asked = False

    async def work(self) -> Ended:
        """Do it."""
        async with anyio.create_task_group() as group:
            await group.start(self._listen)
            with self._all:
                try:
                    await self._do()
                except XoxoError as error:
                    self._ended.error = error
                except BaseExceptionGroup as errors:
                    one = exits.one_error(errors)
                    if not isinstance(one, XoxoError):
                        raise
                    self._ended.error = one
            group.cancel_scope.cancel()
        ended = self._ended
        if isinstance(ended.error, LedgerError) and ended.report is not None:
            ended.report = msgspec.structs.replace(ended.report, pause=Pause.LEDGER, reason=ended.error.message)
        return ended

    async def _do(self) -> None:
        work = self._work
        async with SqliteLedger(
            work.ledger, store_codes=not work.no_codes, must_exist=work.action != "run", keep_unused=False
        ) as ledger:
            kept = await kept_bounds(ledger)
            async with open_client(work.connection_within(kept), aloud=False) as client:
                await self._issue(client, ledger, kept)

    async def _issue(self, client: XoxoClient, ledger: SqliteLedger, kept: Bounds) -> None:
        work, settle_s = self._work, self._work.settle_within(kept)
        issuer = BulkIssuer(
            client,
            ledger,
            job=self._job(ledger),
            concurrency=work.concurrency,
            settle_s=settle_s,
            resend=work.resend,
            pack=work.pack,
            skip_invalid=work.skip_invalid,
            max_spend=work.max_spend,
            pause_limit_s=work.pause_limit,
            missing=work.missing,
            restore=work.restore,
            address=work.connection.ledgers_name,
        )
        before = await ledger.counts()
        if ledger.copied or work.restore:
            why = "this ledger's file is a copy, or an older state of it" if ledger.copied else "--restore"
            wait_s = Bounds(settle_s=settle_s).over(kept).rules(restore=work.restore).settle_s
            say(f"{why}: planned rows are looked up before they are sent, and wait for that {wait_s:g} s")
        self._issuer = issuer
        try:
            await self._prepare(issuer, ledger)
            async with shown(issuer, ledger, self._first_words()):
                with self._sending:
                    self._ended.report = await self._act(issuer)
        finally:
            with anyio.CancelScope(shield=True):
                await self._look_back(issuer, ledger, before)

    def _job(self, ledger: SqliteLedger) -> str:
        known, asked = ledger.job, self._work.job
        if known and asked and known != asked:
            raise ConfigError(f"{ledger.path} holds the job {known!r}, not {asked!r}: one ledger, one job")
        if self._work.action != "run" and not known:
            raise ConfigError(f"{ledger.path} holds no job yet: begin it with `xoxo bulk run ORDERS --ledger …`")
        return known or asked or ledger.path.stem

    async def _prepare(self, issuer: BulkIssuer, ledger: SqliteLedger) -> None:
        """Plan the rows of a run, and have a person agree to what would be sent now, where it is real money."""
        work = self._work
        if work.action == "run":
            async with anyio.create_task_group() as group:
                group.start_soon(self._tell_planning)
                totals = await issuer.plan(read_orders(work.orders), approve=self._approve)
                self._ended.skipped = totals.skipped
                group.cancel_scope.cancel()
        elif work.asks:
            await self._approve(await issuer.outlook())
        if work.action != "reconcile":
            await self._keep_settings(ledger)

    async def _tell_planning(self) -> None:
        while not self._asked:
            await anyio.sleep(_STILL_PLANNING_S)
            if not self._asked:
                say(f"checking the rows of {self._work.orders} …")

    async def _approve(self, totals: PlanTotals) -> None:
        """Show what would be sent now, and have a person agree to it where it is real money."""
        self._asked = True
        asks = self._work.asks
        if asks:
            show_totals(totals)
        for fact in facts(totals):
            say(fact)
        if asks and (totals.orders or totals.in_doubt):
            what = f"issue {count(totals.pieces, 'voucher')}, face value {amounts(totals.face)}"
            what += f", and {count(totals.in_doubt, 'row')} in doubt" if totals.in_doubt else ""
            await agree(self._work.connection, what)

    def _first_words(self) -> str:
        """Return what stands on the screen if nothing later can be said: after kill -9, or a power cut."""
        action = self._work.action
        follow = self._work.continued_by("reconcile" if action == "reconcile" else "resume", anew=action == "resume")
        return f"ledger {self._work.ledger}; should this be cut off, go on with: {follow}"

    async def _act(self, issuer: BulkIssuer) -> Report:
        match self._work.action:
            case "reconcile":
                return await issuer.reconcile()
            case "resume":
                return await issuer.resume()
            case _:
                return await issuer.issue()

    async def _keep_settings(self, ledger: SqliteLedger) -> None:
        """Let whoever asks for the ledger's status later be told to go on within the same bounds."""
        flags = {action: self._work.flags(action) for action in ("resume", "reconcile")}
        await ledger.set_fact(SETTINGS, json_text(flags))

    async def _look_back(self, issuer: BulkIssuer, ledger: SqliteLedger, before: Counts) -> None:
        """Read what the ledger says once the work has ended, however it ended."""
        ended = self._ended
        ended.began = issuer.progress.phase != "planning"
        try:
            counts = await ledger.counts()
        except LedgerError:
            return
        ended.idle = counts == before
        ended.manual = counts.states.get(LineState.MANUAL, 0)
        ended.cancelled = counts.delivery_cancelled
        if ended.report is None:
            report = Report.of(ledger, counts, pause=Pause.INTERRUPTED, reason="cut off")
            ended.report = msgspec.structs.replace(report, placed_now=issuer.progress.placed)

    async def _listen(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Stop in order at the first signal, at once at the second, and without any ado at the third."""
        with anyio.open_signal_receiver(*ending_signals()) as signals:
            task_status.started()
            heard = 0
            async with anyio.create_task_group() as group:
                async for number in signals:
                    heard += 1
                    if heard > 2:
                        os._exit(exits.INTERRUPTED)  # the ledger is made for that
                    self._stop(number, group, at_once=heard > 1)

    def _stop(self, number: signal.Signals, group: anyio.abc.TaskGroup, *, at_once: bool) -> None:
        if self._issuer is None or self._issuer.progress.phase == "planning":
            self._all.cancel()
            return
        self._issuer.stop(f"interrupted by {number.name}")
        if at_once:
            self._sending.cancel()
            return
        in_flight = self._issuer.progress.in_flight
        say(f"{number.name}: taking no more lines; {in_flight} in flight get {self._work.grace:g} s. Again: end now.")
        group.start_soon(self._cut_off)

    async def _cut_off(self) -> None:
        await anyio.sleep(self._work.grace)
        self._sending.cancel()
