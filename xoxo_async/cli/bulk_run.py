"""Run, resume, reconcile: the work itself, the signals that end it, and what is said afterwards."""

import os
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import anyio
import anyio.abc
import msgspec

from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger import Counts, LineState
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.bulk.report import Pause, Report
from xoxo_async.cli import exits
from xoxo_async.cli.ask import confirm_spending
from xoxo_async.cli.bulk_plan import Asked, facts, show_totals, totals_of
from xoxo_async.cli.connect import SERVER, Connection, is_real_money, open_client, run_async, server_of
from xoxo_async.cli.orders import UniqueOrders
from xoxo_async.cli.progress import shown
from xoxo_async.cli.render import amounts, json_text, out, say
from xoxo_async.errors import ConfigError, LedgerError, XoxoError

__all__ = ["Work", "run_work"]

_SANDBOX_SETTLE_S: Final = 1.0
"""The sandbox ends with its command: no order of an earlier one can still be on its way."""
_SETTLE_S: Final = 150.0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One `xoxo bulk run`, `resume` or `reconcile`, as it was asked for."""

    action: str
    orders: str
    ledger: Path
    connection: Connection
    job: str = ""
    concurrency: int | Literal["auto"] = "auto"
    settle: float | None = None
    resend: Literal["settled", "never"] = "settled"
    no_codes: bool = False
    max_spend: Decimal | None = None
    pack: bool = False
    skip_invalid: bool = False
    pause_limit: float = 60.0
    grace: float = 30.0
    yes: bool = False
    as_json: bool = False

    @property
    def settle_s(self) -> float:
        """Seconds after a lost answer before absence counts."""
        if self.settle is not None:
            return self.settle
        return _SANDBOX_SETTLE_S if self.connection.sandbox else _SETTLE_S

    def continued_by(self, action: str) -> str:
        """Return the command line that goes on with this work under the same settings.

        Args:
            action: `run`, `resume` or `reconcile`.
        """
        command = ["bulk", action, *([self.orders] if action == "run" else []), "--ledger", str(self.ledger)]
        if action == "run":
            command += [flag for flag, on in (("--pack", self.pack), ("--skip-invalid", self.skip_invalid)) if on]
        command += ["--job", self.job] if self.job else []
        command += ["--concurrency", str(self.concurrency)] if self.concurrency != "auto" else []
        command += ["--rate", _number(self.connection.rate)] if self.connection.rate is not None else []
        command += ["--settle", _number(self.settle)] if self.settle is not None else []
        command += ["--resend", self.resend] if self.resend != "settled" else []
        command += ["--no-codes"] if self.no_codes else []
        command += ["--pause-limit", _number(self.pause_limit)] if self.pause_limit != 60.0 else []
        command += ["--grace", _number(self.grace)] if self.grace != 30.0 else []
        command += self.connection.flags
        if action != "reconcile":
            command += ["--max-spend", f"{self.max_spend:f}"] if self.max_spend is not None else []
            command += ["--yes"] if self.yes else []
        command += ["--json"] if self.as_json else []
        return exits.command(*command)


def _number(value: float | None) -> str:
    return "none" if value == float("inf") else f"{value:g}"


class Ended(msgspec.Struct):
    """How the work ended.

    Attributes:
        report: The job's state; None when no ledger was reached.
        error: What ended it, None for an end in order.
        began: Whether anything may have been sent.
        idle: Whether there was nothing to do.
        manual: Lines that wait for a person.
        skipped: Bad rows that were left out.
    """

    report: Report | None = None
    error: XoxoError | None = None
    began: bool = False
    idle: bool = False
    manual: int = 0
    skipped: int = 0


def run_work(work: Work) -> int:
    """Do the work, say how it ended, and return the exit code.

    Args:
        work: What was asked for.
    """
    if work.action != "reconcile":
        _agree(work)
    started = time.monotonic()
    ended = run_async(lambda: _Shift(work).work())
    elapsed = time.monotonic() - started
    if ended.report is not None and ended.error is None:
        return _tell(work, msgspec.structs.replace(ended.report, elapsed_s=elapsed), ended)
    return _tell_failure(work, ended)


def _agree(work: Work) -> None:
    """Have a person agree to the totals where orders would cost money."""
    if work.yes or not is_real_money(work.connection):
        return
    # Without a terminal this refuses, before anything is read or asked.
    asks = sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()
    what = f"issue the orders of {work.orders or work.ledger}"
    if asks and work.action == "run":
        totals = totals_of(Asked(work.orders, work.connection, pack=work.pack, skip_invalid=work.skip_invalid))
        show_totals(totals)
        for fact in facts(totals):
            say(fact)
        what = f"issue {totals.pieces:,} vouchers, face value {amounts(totals.face)}"
    confirm_spending(work.connection, what, yes=False)


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
        return self._ended

    async def _do(self) -> None:
        work = self._work
        async with (
            open_client(work.connection) as client,
            SqliteLedger(work.ledger, store_codes=not work.no_codes, must_exist=work.action != "run") as ledger,
        ):
            issuer = BulkIssuer(
                client,
                ledger,
                job=self._job(ledger),
                concurrency=work.concurrency,
                settle_s=work.settle_s,
                resend=work.resend,
                pack=work.pack,
                skip_invalid=work.skip_invalid,
                max_spend=work.max_spend,
                pause_limit_s=work.pause_limit,
            )
            await self._bind(ledger)
            before = await ledger.counts()
            self._issuer = issuer
            try:
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

    async def _bind(self, ledger: SqliteLedger) -> None:
        """Keep a job with the server it was begun at: at another one, every order of it would look absent."""
        address = self._work.connection.address
        known = await ledger.get_meta(SERVER)
        if known is None:
            await ledger.set_meta(SERVER, address)
        elif known != address and server_of(known) != server_of(address):
            raise ConfigError(
                f"{ledger.path} was begun against {known}, not {address}: its orders are not there; nothing was sent"
            )

    def _first_words(self) -> str:
        """Return what stands on the screen if nothing later can be said: after kill -9, or a power cut."""
        follow = self._work.continued_by("reconcile" if self._work.action == "reconcile" else "resume")
        return f"ledger {self._work.ledger}; should this be cut off, go on with: {follow}"

    async def _act(self, issuer: BulkIssuer) -> Report:
        if self._work.action == "reconcile":
            return await issuer.reconcile()
        if self._work.action == "resume":
            return await issuer.resume()
        totals = await issuer.plan(UniqueOrders(self._work.orders))
        self._ended.skipped = totals.skipped
        for fact in facts(totals):
            say(fact)
        return await issuer.issue()

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
        if ended.report is None:
            ended.report = Report.of(ledger, counts, pause=Pause.INTERRUPTED, reason="cut off")

    async def _listen(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Stop in order at the first signal, at once at the second, and without any ado at the third."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
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


def _tell(work: Work, report: Report, ended: Ended) -> int:
    """Print a report, and what to do next; return its exit code."""
    code = report.exit_code or (exits.REJECTED if ended.skipped else 0)
    follow = _follow(work, report, ended, code)
    write = say if work.as_json else out
    if ended.idle and code == 0:
        delivered = f"{report.issued:,} of {report.rows:,} issued"
        write(f"nothing left to do: {delivered}" + (f", {report.pending:,} pending delivery" if report.pending else ""))
    for line in summary(report):
        write(line)
    if ended.skipped:
        write(f"  skipped  {ended.skipped:>10,} bad rows, not in the ledger")
    if report.pause:
        say(f"paused ({report.pause.value}): {exits.scrub(report.reason)}")
    if follow:
        say(f"continue with: {follow}")
    elif report.issued and not work.as_json:
        elsewhere = work.connection.flags if work.no_codes else []
        target = f"{work.ledger.stem}-codes.csv"
        say(
            "the codes: "
            + exits.command("bulk", "export", "--ledger", work.ledger, *elsewhere, "--out", target, "--reveal")
        )
    if work.as_json:
        told = msgspec.to_builtins(report, builtin_types=(Decimal,))
        out(json_text({**told, "skipped": ended.skipped, "exit_code": code, "continue_with": follow}))
    return code


def summary(report: Report) -> list[str]:
    """Return a report in lines for people.

    Args:
        report: The report.
    """
    names = ("issued", "pending", "rejected", "unknown", "not_sent")
    shared = f" in {report.orders:,} orders" if report.orders != report.rows else ""
    lines = [f"job {report.job} · {report.rows:,} rows{shared} · ledger {report.ledger} · {report.elapsed_s:.1f} s"]
    lines += [f"  {name.replace('_', ' '):<9}{getattr(report, name):>10,}" for name in names]
    return [*lines, f"  charged   {amounts(report.charged)}"]


def _follow(work: Work, report: Report, ended: Ended, code: int) -> str:
    """Return the command that continues; empty when nothing is left to continue."""
    if code == 0:
        return ""
    if code == exits.INTERRUPTED and not ended.began:
        return work.continued_by(work.action)
    if code == exits.REJECTED and not report.rejected:
        return ""  # only rows that were left out
    if code == exits.REJECTED or (report.unknown and ended.manual == report.unknown and not report.not_sent):
        return exits.command("bulk", "status", "--ledger", work.ledger)
    if work.action == "reconcile" and not report.not_sent:
        return work.continued_by("reconcile")
    return work.continued_by("resume")


def _tell_failure(work: Work, ended: Ended) -> int:
    """Print what ended the work before it was done; return the exit code."""
    error = ended.error
    if error is None:
        code = exits.INTERRUPTED
        told: dict[str, object] = {"error": "interrupted, nothing was sent", "exit_code": code}
        say("interrupted, nothing was sent")
    else:
        # Once orders were sent, a ledger that fails is no wrong usage: the run goes on when it is mended.
        code = exits.PAUSED if ended.began else exits.exit_code_of(error, bulk=True)
        told = exits.told(error, code)
        exits.show_origin(error)
        say(f"error: {exits.say_error(error)}")
    if ended.began and ended.report is not None:
        told |= msgspec.to_builtins(ended.report, builtin_types=(Decimal,))
        for line in summary(ended.report):
            say(line)
    if code > exits.USAGE:
        follow = work.continued_by("resume" if ended.began and work.action == "run" else work.action)
        told["continue_with"] = follow
        say(f"continue with: {follow}")
    if work.as_json:
        out(json_text(told))
    return code
