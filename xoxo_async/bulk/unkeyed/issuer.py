"""`UnkeyedIssuer`: plan, send, settle and report a job of calls without a key. Running it again does what is left."""

import time
from collections.abc import AsyncIterable, Callable, Collection, Iterable
from decimal import Decimal
from typing import Final, Generic, Literal, TypeVar

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.deciding import Decision, Resolved, decide_line
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.ledger.facts import BOUNDS
from xoxo_async.bulk.ledger.kinds import require_kind
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.one_run import OneRun, check_keys
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.session import BulkSession
from xoxo_async.bulk.settings import Bounds, kept_bounds, rate_of
from xoxo_async.bulk.trust import Trust
from xoxo_async.bulk.unkeyed.preparing import UnkeyedApproval, UnkeyedPreparer
from xoxo_async.bulk.unkeyed.road import UnkeyedRoad
from xoxo_async.bulk.unkeyed.sending import Sending
from xoxo_async.bulk.unkeyed.totals import UnkeyedTotals
from xoxo_async.config import check_count, check_number
from xoxo_async.errors import ConfigError
from xoxo_async.services import checks

__all__ = ["Row", "UnkeyedIssuer", "UnkeyedSettings"]

Row = TypeVar("Row", bound=msgspec.Struct)


class UnkeyedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a job without keys is sent. `BulkPoints` says what each setting means."""

    job: str = ""
    batch: int = 1
    concurrency: int | Literal["auto"] | None = None
    max_spend: Decimal | None = None
    max_errors: int | str | None = None
    settle_s: float | None = None
    balances: bool = False
    skip_invalid: bool = False
    pause_limit_s: float = 60.0
    missing: Literal["refuse", "withdraw", "keep"] = "refuse"
    restore: bool = False
    address: str = ""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigError: Names the value.
        """
        check_count("batch", self.batch)
        check_number("pause_limit_s", self.pause_limit_s, zero=True)
        if self.missing not in {"refuse", "withdraw", "keep"}:
            raise ConfigError(f"missing must be 'refuse', 'withdraw' or 'keep', not {self.missing!r}")

    def bounds(self) -> Bounds:
        """Return the bounds that the caller gave."""
        return Bounds(
            max_spend=self.max_spend,
            max_errors=self.max_errors,
            settle_s=self.settle_s,
            concurrency=self.concurrency,
        )


class UnkeyedIssuer(Generic[Row]):
    """A job of calls without a key. `BulkPoints`, `BulkLinks` and `BulkLinkMails` are its kinds.

    The intent of a row is durable before its request leaves, and its result is recorded after the answer. These calls
    have no key, so nobody can look up what became of a lost answer: such a row is left to a person, and is never sent
    again by itself.

    Args:
        client: Sends.
        ledger: The job's ledger.
        sending: The kind of the job.
        settings: How it is sent.
        clock: A monotonic clock, in seconds.
        wall: The ledger's clock. Default: the ledger's own.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        sending: Sending,
        settings: UnkeyedSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._sending: Final = sending
        self._settings: Final = settings
        self._own_bounds: Final = settings.bounds()
        self._identity: Final = identity_of(client, settings.address)
        self._trust: Final = Trust(ledger, restore=settings.restore)
        self._clock: Final = clock
        self._wall: Final = wall or ledger.now
        self._run: Final = OneRun()
        self._warnings: tuple[str, ...] = ()
        self._covered = False  # the next run need not ask what the company can spend: it was asked just now

    @property
    def progress(self) -> Progress:
        """What the current or the last run has done so far. It is the same object for all runs."""
        return self._run.progress

    def stop(self, reason: str = "interrupted") -> None:
        """Take no more rows. Calls in flight end and are recorded, then the run returns its report.

        It stops the current run; before a run it stops the next one, which then sends nothing.

        Args:
            reason: Why, for the report.
        """
        self._run.stop(reason)

    async def run(
        self,
        rows: RowsFile[Row] | Iterable[Row] | AsyncIterable[Row],
        *,
        approve: UnkeyedApproval | None = None,
        problems: ProblemSink | None = None,
    ) -> Report:
        """Plan all rows, then send what is not sent yet. Moves money.

        All rows are planned in one transaction before the first is sent: a bad row leaves ledger and account as they
        were. Rows that the ledger has already are not planned again, so running again sends only what is left.

        Args:
            rows: A file, or any iterable of rows; it is read once.
            approve: Asked before anything is planned for good, as in `plan`.
            problems: Takes every problem of the rows, as in `plan`.

        Returns:
            The report, also when the run paused. Its unknown rows wait for a person (`resolve`).

        Raises:
            PlanError: Rows are bad, planned rows are missing, or the company cannot pay; nothing was sent.
            LedgerConflictError: The ledger has a row with other contents; nothing was sent.
            LedgerError: The ledger fails, or holds a job of another kind; nothing is sent without a durable intent.
            ConfigError: The ledger is of another account or address, nothing was sent.
            XoxoError: What the company can spend cannot be read; nothing was sent.
        """
        with self._run.alone():
            started = self._clock()
            await self.plan(rows, approve=approve, problems=problems)
            return await self._work(started)

    async def plan(
        self,
        rows: RowsFile[Row] | Iterable[Row] | AsyncIterable[Row],
        *,
        approve: UnkeyedApproval | None = None,
        problems: ProblemSink | None = None,
    ) -> UnkeyedTotals:
        """Write all rows into the ledger as planned, or none. Moves no money; one call at most.

        Args:
            rows: As for `run`.
            approve: Called once with what would be sent now, this ledger's earlier rows included, before the plan
                becomes durable. An error that it raises leaves the ledger as it was.
            problems: Called with every problem of the rows; the error names the first twenty.

        Returns:
            What is to be sent now, added up.

        Raises:
            PlanError: As for `run`.
            LedgerConflictError: As for `run`.
            ConfigError: The job has no name, what all rows need is missing, or the ledger is of another account.
        """
        job = self._settings.job or self._ledger.job
        if not job:
            raise ConfigError("the ledger is new and needs a job name: its rows are named by it")
        checks.needed("job", job)
        totals = await self._preparer(await self._bounds()).plan(job, rows, approve, problems)
        self._covered = True  # a plan that is not covered is refused
        self._warnings = totals.warnings
        return totals

    async def outlook(self) -> UnkeyedTotals:
        """Return what `resume` would send now, added up. Moves no money; one call at most.

        Raises:
            ConfigError: The ledger is of another account or address.
            LedgerError: It holds a job of another kind.
        """
        preparer = self._preparer(await self._bounds())
        totals = await preparer.outlook()
        self._covered = not await preparer.shortage(totals)
        return totals

    async def resume(self) -> Report:
        """Send the planned rows of the ledger. Moves money. It ends a pause of the job.

        Returns:
            The report.

        Raises:
            ConfigError: The ledger is of another account or address; nothing was sent.
            LedgerError: The ledger fails, or holds a job of another kind.
        """
        with self._run.alone():
            return await self._work(self._clock())

    async def withdraw(self, keys: Collection[str] | None, *, reason: str) -> int:
        """Cancel rows that were never sent, all or none. Moves no money, and makes no call.

        Args:
            keys: The keys of the rows; None is every planned row that was never sent.
            reason: Why; kept in the journal.

        Returns:
            How many rows were cancelled.

        Raises:
            ConfigError: There is no reason, or `keys` is one text.
            LedgerConflictError: A key is not there, or its row was sent; names it.
        """
        check_keys(keys)
        return await self._ledger.withdraw(keys, reason=checks.needed("reason", reason))

    async def rebind(self, *, reason: str) -> None:
        """Bind the ledger to this client's account and address, on a person's word. Moves no money.

        Args:
            reason: Why; kept in the journal.

        Raises:
            ConfigError: There is no reason.
            LedgerError: The ledger cannot be written.
        """
        await self._ledger.rebind(self._identity, reason=checks.needed("reason", reason))

    async def resolve(self, key: str, decision: Decision) -> Resolved:
        """Record a person's decision about one row: sent (with or without an id), to be sent again, or refused.

        Moves no money, and makes no call. A row is sent again, or counted as refused, only once its last send is
        `settle_s` ago: before that the vendor's dashboard may not show it yet.

        Args:
            key: The row's key.
            decision: What was decided.

        Returns:
            The row as it stands now.

        Raises:
            ConfigError: There is no such row, or no person can decide about it now.
        """
        require_kind(self._ledger, self._sending.kind)
        return await decide_line(None, self._ledger, key, decision)

    async def _bounds(self) -> Bounds:
        """Return the bounds that hold: the caller's, and for the others the ledger's."""
        bounds = self._own_bounds.over(await kept_bounds(self._ledger))
        if rate := rate_of(self._client, self._sending.operation.name):
            bounds = msgspec.structs.replace(bounds, rate=rate)
        if bounds.max_spend is not None and not self._sending.unit:
            raise ConfigError("max_spend cannot be enforced: the vendor does not tell what these rows cost")
        return bounds

    def _preparer(self, bounds: Bounds) -> UnkeyedPreparer:
        settings = self._settings
        return UnkeyedPreparer(
            self._client,
            self._ledger,
            self._sending,
            bounds,
            self._identity,
            self._trust,
            batch=settings.batch,
            missing=settings.missing,
            skip_invalid=settings.skip_invalid,
        )

    async def _work(self, started: float) -> Report:
        """Do one run: compare the identity, leave rows of a dead holder or a lost ledger to a person, send, report."""
        ledger = self._ledger
        require_kind(ledger, self._sending.kind)
        bounds = await self._bounds()
        await ledger.require_key()
        session = self._begin(bounds)
        await check_identity(self._client, ledger, self._identity)
        await ledger.recover()
        await self._trust.doubt_planned_rows()
        if await ledger.paused() is not None:
            await ledger.unpause()  # whoever calls this goes on, on a person's word
        if bounds != await kept_bounds(ledger):
            await ledger.set_fact(BOUNDS, bounds.to_json())
        covered, self._covered = self._covered, False
        if not covered and (await ledger.counts()).states.get(LineState.PLANNED):
            await self._stop_unless_covered(session, bounds)
        currency = "" if bounds.max_spend is None else self._sending.unit
        report = await session.work(send=True, pending=False, currency=currency, started=started)
        return msgspec.structs.replace(report, warnings=self._warnings)

    def _begin(self, bounds: Bounds) -> BulkSession:
        """Return the session of one run; from here on `stop` stops it."""
        settings = self._settings
        session = BulkSession(
            self._client,
            self._ledger,
            UnkeyedRoad(self._client, self._ledger, self._sending, batch=settings.batch, balances=settings.balances),
            bounds,
            self._run.progress,
            restore=settings.restore,
            pause_limit_s=settings.pause_limit_s,
            clock=self._clock,
            wall=self._wall,
        )
        return self._run.begin(session)

    async def _stop_unless_covered(self, session: BulkSession, bounds: Bounds) -> None:
        """Send nothing where the company cannot pay for what is planned, unless a budget ends the run before."""
        preparer = self._preparer(bounds)
        if short := await preparer.shortage(await preparer.outlook()):
            session.pause(Pause.FUNDS, short)
