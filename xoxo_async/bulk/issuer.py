"""`BulkIssuer`: plan, send, settle, report; running it again does only what is left."""

import time
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Generator, Iterable
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, Literal

import anyio
import msgspec

from xoxo_async.bulk.deciding import Decision, Resolved, decide_line
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import OrdersFile
from xoxo_async.bulk.intake.stream import rows_of
from xoxo_async.bulk.intake.unique import OtherSpellings
from xoxo_async.bulk.ledger.facts import CURRENCY, LAST_SLOT
from xoxo_async.bulk.ledger.lines import LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger, Planned, PlanTerms, Share
from xoxo_async.bulk.planning.catalog import PlanCatalog, add_up
from xoxo_async.bulk.planning.planner import Planner
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.report import Pause, Report
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.reconcile import Reconciler
from xoxo_async.bulk.running.runner import Runner
from xoxo_async.client import XoxoClient
from xoxo_async.config import check_count, check_number
from xoxo_async.errors import ApiError, ConfigError, PlanError
from xoxo_async.services import checks
from xoxo_async.services.account import Balance
from xoxo_async.services.orders import PLACE_ORDER

__all__ = ["BulkIssuer"]

_TOO_MUCH: Final = Decimal(10) ** 12
_UNPACED: Final = 64
"""In flight without a rate limit: enough to keep a processor busy; more only queue at the server."""


class BulkIssuer:
    """Issue many orders, each accounted for exactly once. Moves money.

    Every row's intent is durable before its request leaves, and its result is written after the answer. What ends
    without proof is looked up by poNumber; only what is proven absent is sent again, under the same poNumber.

    Args:
        client: Sends and looks up. Its rate limits pace the run.
        ledger: The job's ledger; one ledger holds one job.
        job: The job's name; poNumbers are derived from it and the rows' keys. Default: the ledger's job.
        concurrency: Requests in flight at most, within the client's `max_connections`. `auto` lets a paced run have as
            many as its allowance needs at the latency the server has (at 100 orders a minute and 120 s an answer, two
            hundred), and a run without limits 64.
        settle_s: Seconds after a lost answer before "no such order" counts. Below the vendor's 120 s it may count too
            early.
        resend: `settled` sends again what is proven absent; `never` leaves it to a person.
        check: Whether rows are checked against the catalogue before anything is sent.
        skip_invalid: Whether bad rows are left out; otherwise one of them spoils the plan, and nothing is sent.
        pack: Whether lines that want nothing but codes (no `email`, `po_number` or `details` of their own) may share an
            order of the same product and denomination, up to the product's limit: up to ten times the vouchers a
            minute. Each line still gets its own codes. Needs a ledger that keeps codes.
        max_spend: What the job may cost, in the account's currency. What an order may cost at most is reserved when
            its intent is written, and settled when its charge is known; the run pauses before it could go over.
        pause_limit_s: How long the run waits for the vendor before it pauses: for a server that does not answer, and
            for the end of a penalty. A penalty that is known to be longer pauses it at once.
        missing: What becomes of planned rows that `run` is not given again: `refuse` stops before anything is sent and
            names them, `withdraw` cancels those that were never sent, `keep` has them sent.
        restore: Whether the ledger replaces a lost one, or is an older copy of one: then every planned row is looked up
            before it is sent, and the absence of an unknown row is counted from now on. An order found under a row's
            poNumber is adopted where it matches in everything that the vendor tells.
        address: What the ledger calls the server, instead of the client's base URL: for a server of the caller's own
            whose port changes. A ledger belongs to one account at one address.

    Raises:
        ConfigError: When a setting makes no sense.

    Example:
        ```python
        async with SqliteLedger("march.db") as ledger:
            report = await BulkIssuer(xoxo, ledger, job="march").run(read_orders("orders.csv"))
        ```
    """

    def __init__(
        self,
        client: XoxoClient,
        ledger: Ledger,
        *,
        job: str = "",
        concurrency: int | Literal["auto"] = "auto",
        settle_s: float = 150.0,
        resend: Literal["settled", "never"] = "settled",
        check: bool = True,
        skip_invalid: bool = False,
        pack: bool = False,
        max_spend: Decimal | None = None,
        pause_limit_s: float = 60.0,
        missing: Literal["refuse", "withdraw", "keep"] = "refuse",
        restore: bool = False,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        if concurrency != "auto":
            check_count("concurrency, unless 'auto',", concurrency)
        check_number("settle_s", settle_s, zero=True)
        check_number("pause_limit_s", pause_limit_s, zero=True)
        if resend not in {"settled", "never"}:
            raise ConfigError(f"resend must be 'settled' or 'never', not {resend!r}")
        if missing not in {"refuse", "withdraw", "keep"}:
            raise ConfigError(f"missing must be 'refuse', 'withdraw' or 'keep', not {missing!r}")
        if max_spend is not None and not _is_amount(max_spend):
            raise ConfigError(f"max_spend must be a Decimal from 0, not {max_spend!r}")
        if max_spend is not None and not check:
            raise ConfigError("max_spend needs check=True: what a row may cost is in the catalogue")
        if pack and not ledger.keeps_codes:
            raise ConfigError("pack needs a ledger that keeps codes: they are dealt out to the lines of an order once")
        self._client: Final = client
        self._ledger: Final = ledger
        self._job: Final = job
        self._check: Final = check
        self._skip_invalid: Final = skip_invalid
        self._pack: Final = pack
        self._max_spend: Final = max_spend
        self._missing: Final[Literal["refuse", "withdraw", "keep"]] = missing
        self._restore: Final = restore
        self._distrusted = False
        self._identity: Final = identity_of(client, address)
        self._warnings: tuple[str, ...] = ()
        self._clock: Final = clock
        self._wall: Final = wall or ledger.now
        self._concurrency: Final = _in_flight_limit(client, concurrency)
        self._pause_limit_s: Final = pause_limit_s
        # Two look-ups that say absent, a tenth of the settling time apart.
        self._rules: Final = Rules(resend=resend, settle_s=settle_s, spacing_s=settle_s / 10, restore=restore)
        self._progress: Final = Progress()
        self._runner: Runner | None = None  # of the run at hand
        self._at_work = False
        self._stop_wanted: str | None = None
        self._was_stopped = False

    @property
    def progress(self) -> Progress:
        """What the run at hand has done so far, or the last one did; the same object for all runs."""
        return self._progress

    def stop(self, reason: str = "interrupted") -> None:
        """Take no more lines; what is in flight ends and is written down, then the run returns its report.

        It stops the run at hand, once. While none is at hand it holds back the next one, which then sends nothing and
        says so in its report: a wish to stop is not lost because it comes a moment before the run begins. After a run
        that was stopped it does nothing. Every later run works again.

        Args:
            reason: Why, for the report.
        """
        if self._runner is not None:
            self._runner.stop(Pause.INTERRUPTED, reason)
            self._was_stopped = True
        elif self._at_work or not self._was_stopped:
            self._stop_wanted = self._stop_wanted or reason

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Let one run of this issuer be at work at a time."""
        if self._at_work:
            raise ConfigError("this issuer is already running: wait for the end of that run; nothing was sent")
        self._at_work = True
        self._progress.begin()
        try:
            yield
        finally:
            self._at_work, self._runner, self._stop_wanted = False, None, None

    async def run(
        self, orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine], *, approve: "Approval | None" = None
    ) -> Report:
        """Plan all rows, then issue what is not issued yet. Moves money.

        All rows are planned in one transaction before the first is sent: a bad row leaves ledger and account as they
        were. Rows the ledger knows already are not planned again, so running again resumes: lines that waited for
        their codes when it began are looked at once more, too.

        Args:
            orders: A file from `read_orders`, or any iterable of order lines; it is read once.
            approve: Asked before anything is planned for good, as in `plan`.

        Returns:
            The report, also when the run paused.

        Raises:
            PlanError: When rows are bad, or planned rows are missing; each is named, nothing was sent.
            LedgerConflictError: When a row stands in the ledger with other content, nothing was sent.
            LedgerError: When the ledger fails; nothing is sent without a durable intent.
            ConfigError: When the ledger is of another account or address, nothing was sent.
            XoxoError: When the catalogue cannot be read; nothing was sent.
        """
        with self._alone():
            started = self._clock()
            await self.plan(orders, approve=approve)
            return await self._work(started, send=True)

    async def issue(self) -> Report:
        """Issue what is planned and not issued yet, and look at what waits for codes: `run` without its first half.

        Moves money.

        Returns:
            The report, also when the run paused.

        Raises:
            ConfigError: When the ledger is of another account or address, nothing was sent.
            LedgerError: When the ledger fails.
        """
        with self._alone():
            return await self._work(self._clock(), send=True)

    async def plan(
        self, orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine], *, approve: "Approval | None" = None
    ) -> PlanTotals:
        """Write all rows into the ledger as planned, or none. Moves no money; one getBalance call.

        Args:
            orders: As for `run`.
            approve: Called once with what would be sent now, this ledger's earlier rows included, before the plan
                becomes durable. An error that it raises leaves the ledger as it was.

        Returns:
            What is to be sent now, added up, beside the balance.

        Raises:
            PlanError: As for `run`.
            LedgerConflictError: As for `run`.
            ConfigError: The job has no name, the ledger is of another account or address, or `max_spend` cannot be held
                to: a product's currency has no known rate, or the account's currency has changed.
        """
        job = self._job or self._ledger.job
        if not job:
            raise ConfigError("the ledger is new and needs a job name: poNumbers are derived from it")
        checks.needed("job", job)
        await check_identity(self._client, self._ledger, self._identity)
        balance, catalogue = await self._prices()
        spellings = OtherSpellings(self._ledger)
        await spellings.read()
        planner = Planner(catalogue, pack=self._pack, skip_invalid=self._skip_invalid, spellings=spellings)
        totals = planner.totals

        async def look(planned: Planned, shares: list[Share] | None) -> None:
            nonlocal totals
            if shares is not None:
                totals = await self._totals(shares, catalogue)
                totals.skipped, totals.problems = planner.totals.skipped, planner.totals.problems
                totals.warned, totals.warnings = planner.totals.warned, planner.totals.warnings
            else:
                totals.orders = planned.orders
            totals.withdrawn, totals.unwanted = planned.withdrawn, planned.unwanted
            if planned.withdrawn and totals.skipped:
                raise _maybe_the_same(planned.withdrawn, totals)
            self._warnings = totals.warnings
            await self._complete(totals, balance)
            if approve is not None:
                await approve(totals)

        terms = PlanTerms(
            identity=self._identity,
            missing=self._missing,
            pricing=None if catalogue is None else catalogue.at_most,
            approve=look,
            restored=self._why_distrusted(),
            copied=self._may_be_anothers(),
        )
        await self._ledger.recover()  # what a dead holder was sending is in doubt, and may be missing from the input
        await self._ledger.plan(job, planner.plan(rows_of(orders, job)), terms)
        self._distrusted = self._distrusted or bool(terms.restored)
        await self._keep_currency(balance)
        return totals

    async def outlook(self) -> PlanTotals:
        """Return what `resume` would send now, added up, at today's prices. Moves no money; one getBalance call.

        Raises:
            ConfigError: As for `plan`.
        """
        await check_identity(self._client, self._ledger, self._identity)
        balance, catalogue = await self._prices()
        if catalogue is not None and self._max_spend is not None:
            await self._ledger.reprice(catalogue.at_most)
        totals = await self._totals(await self._ledger.backlog(), catalogue)
        await self._complete(totals, balance)
        return totals

    async def _prices(self) -> tuple[Balance | None, PlanCatalog | None]:
        """Read the balance, and what the ledger's earlier rows cost today."""
        if not self._check:
            return None, None
        balance = await self._balance()
        if balance is not None and self._max_spend is not None:
            known = await self._ledger.get_fact(CURRENCY)
            if known and known != balance.currency:
                raise ConfigError(
                    f"the account's currency was {known} when this job began, and is {balance.currency} now: max_spend"
                    " cannot be held to; nothing was sent"
                )
        catalogue = PlanCatalog(self._client, balance.currency if balance is not None else "")
        await catalogue.load_shares(await self._ledger.backlog(doubted=True))
        return balance, catalogue

    async def _totals(self, shares: list[Share], catalogue: PlanCatalog | None) -> PlanTotals:
        if catalogue is not None:
            await catalogue.load_shares(shares)
        return add_up(shares, catalogue)

    async def _complete(self, totals: PlanTotals, balance: Balance | None) -> None:
        """Add to totals what ledger, account and allowance say; refuse a bound that cannot be held."""
        totals.balance = balance
        if self._rules.resend == "settled":
            states = (await self._ledger.counts()).states
            totals.in_doubt = sum(states.get(state, 0) for state in _IN_DOUBT) - totals.unwanted
        interval_s = self._client.dispatcher.pacer.interval_s(PLACE_ORDER.name)
        totals.expected_s = totals.orders * interval_s if interval_s else None
        if self._max_spend is not None and totals.cost_at_most is None:
            raise ConfigError(
                "max_spend cannot be held to: the vendor gives no exchange rate for some products; nothing was sent"
            )

    async def _keep_currency(self, balance: Balance | None) -> None:
        """Remember which currency the account has, since a budget is in it."""
        if balance is not None and not await self._ledger.get_fact(CURRENCY):
            await self._ledger.set_fact(CURRENCY, balance.currency)

    async def _balance(self) -> Balance | None:
        try:
            return await self._client.account.get_balance()
        except ApiError:
            if self._max_spend is not None:
                raise
            return None  # the plan is checked without it

    async def resume(self) -> Report:
        """Go on with the ledger's job: settle what is unknown, send what is planned. Moves money.

        With `max_spend`, today's prices are read first: one getBalance call, and one getVouchers call a hundred
        products.

        Returns:
            The report.

        Raises:
            ConfigError: When the ledger is of another account or address, or `max_spend` cannot be held to; nothing was
                sent.
            LedgerError: When the ledger fails.
        """
        with self._alone():
            return await self._work(self._clock(), send=True, pending=True)

    async def withdraw(self, keys: Collection[str] | None, *, reason: str) -> int:
        """Cancel rows that were never sent, all or none. Moves no money, and makes no call.

        Args:
            keys: Whose; None is every planned row that was never sent.
            reason: Why; kept in the journal.

        Returns:
            How many rows were cancelled.

        Raises:
            ConfigError: There is no reason, or `keys` is one text.
            LedgerConflictError: A key is not there, or its row was sent; names it.
        """
        if isinstance(keys, str):
            raise ConfigError(f"keys must be a list of keys, not one text: {keys!r} would stand for its letters")
        return await self._ledger.withdraw(keys, reason=checks.needed("reason", reason))

    async def rebind(self, *, reason: str) -> None:
        """Let the ledger belong to this client's account and address, on a person's word. Moves no money.

        For a client id that was replaced in the vendor's dashboard, or an address that changed its name. At another
        account every order of the ledger looks absent, and would be bought again.

        Args:
            reason: Why; kept in the journal.

        Raises:
            ConfigError: There is no reason.
            LedgerError: The ledger cannot be written.
        """
        await self._ledger.rebind(self._identity, reason=checks.needed("reason", reason))

    async def resolve(self, key: str, decision: Decision) -> Resolved:
        """Record a person's decision about one row. Moves no money; one getOrderDetails call for `placed`.

        An order id is looked up first: the order has to exist, to match the row, and to be no other row's.

        Args:
            key: The row's key.
            decision: What was decided.

        Returns:
            The row as it stands now, and what the vendor has.

        Raises:
            ConfigError: There is no such row, it is not a person's to decide, or the order is not this row's.
            XoxoError: The order cannot be looked up.
        """
        await check_identity(self._client, self._ledger, self._identity)
        return await decide_line(self._client, self._ledger, key, decision)

    async def reconcile(self) -> Report:
        """Settle unknown and pending lines; sends no order, ever.

        Returns:
            The report; lines proven absent are now counted as not sent.

        Raises:
            LedgerError: When the ledger fails.
        """
        with self._alone():
            return await self._work(self._clock(), send=False, pending=True)

    async def _work(self, started: float, *, send: bool, pending: bool = False) -> Report:
        runner, reconciler = self._begin()
        await check_identity(self._client, self._ledger, self._identity)
        await self._ledger.recover()
        await self._distrust_a_copy()
        if send and self._max_spend is not None:
            await self._hold_to_the_bound(runner)
        counts = await self._ledger.counts()
        if counts.orders < counts.rows and not self._ledger.keeps_codes:
            raise ConfigError("lines of this ledger share orders, so it has to keep their codes; nothing was sent")
        if send:
            await self._pace_on()
        with self._client.dispatcher.telling_doubts(runner.hear_doubt):
            try:
                await self._send_and_settle(runner, reconciler, send=send)
                if (pending or counts.pending) and not runner.pause and not reconciler.pause:
                    await reconciler.refresh_pending()
                    if await runner.write_doubts():  # a look-up found out that a connection was not in step
                        await self._send_and_settle(runner, reconciler, send=send)
            finally:
                with anyio.CancelScope(shield=True):
                    await runner.write_doubts()
        return await self._report(started, runner, reconciler)

    async def _send_and_settle(self, runner: Runner, reconciler: Reconciler, *, send: bool) -> None:
        while True:
            # What an earlier run left unknown is settled after the rest, without holding a sender's place.
            if send:
                await runner.send_all()
            if not runner.interrupted.is_set():
                await reconciler.settle()
            if await runner.write_doubts() and not (runner.interrupted.is_set() or reconciler.pause):
                continue  # a look-up found out that a connection was not in step
            if not send or runner.pause or not (await self._ledger.counts()).states.get(LineState.PLANNED):
                return

    def _begin(self) -> tuple[Runner, Reconciler]:
        """Return what does the work of one run: an earlier one's may have been stopped, paused or cut off."""
        runner = self._runner = Runner(
            self._client,
            self._ledger,
            concurrency=self._concurrency,
            budget=None if self._max_spend is None else Decimal(self._max_spend),
            pause_limit_s=self._pause_limit_s,
            progress=self._progress,
            wall=self._wall,
        )
        self._was_stopped = self._stop_wanted is not None
        if self._stop_wanted is not None:
            runner.stop(Pause.INTERRUPTED, self._stop_wanted)
        reconciler = Reconciler(
            self._client,
            self._ledger,
            self._rules,
            progress=self._progress,
            # A pause ends the sending; what is in doubt is settled all the same, unless a person wants the end.
            stopped=runner.interrupted,
            pause_limit_s=self._pause_limit_s,
            watch=runner.watch_charges,
            write_doubts=runner.write_doubts,
            wall=self._wall,
        )
        return runner, reconciler

    async def _distrust_a_copy(self) -> None:
        """Have planned rows looked up before they are sent where this ledger may have forgotten that it sent them."""
        reason = self._why_distrusted()
        if reason and not self._distrusted:
            await self._ledger.restored(reason=reason, copied=self._may_be_anothers())
            self._distrusted = True

    def _may_be_anothers(self) -> bool:
        """Return whether what the vendor has of a distrusted ledger may be the order of another one."""
        return not self._restore and not self._ledger.older

    def _why_distrusted(self) -> str:
        """Return why this ledger may have forgotten that it sent its planned rows; empty where it has not."""
        if self._restore:
            return _RESTORED
        return _COPIED if self._ledger.copied else ""

    async def _hold_to_the_bound(self, runner: Runner) -> None:
        """Set what planned rows may cost to today's prices, and tell the runner the account's currency."""
        balance, catalogue = await self._prices()
        if catalogue is not None:
            await self._ledger.reprice(catalogue.at_most)
        await self._keep_currency(balance)
        runner.currency = balance.currency if balance is not None else ""

    async def _pace_on(self) -> None:
        """Keep the distance to the last slot that an earlier run took: runs begun one after another are no burst."""
        pacer = self._client.dispatcher.pacer
        interval_s, last = pacer.interval_s(PLACE_ORDER.name), await self._ledger.get_fact(LAST_SLOT)
        wait_s = float(last) + interval_s - self._wall() if last and interval_s else 0.0
        if 0 < wait_s <= interval_s:  # a clock that was set back must hold nobody up
            pacer.penalise(PLACE_ORDER.name, wait_s)

    async def _report(self, started: float, runner: Runner, reconciler: Reconciler) -> Report:
        counts = await self._ledger.counts()
        pause, reason = runner.pause, runner.reason
        if not pause and (counts.unknown or counts.pending):
            pause, reason = reconciler.pause, reconciler.reason
        report = Report.of(self._ledger, counts, pause=pause, reason=reason)
        now = {
            "placed_now": self._progress.placed,
            "elapsed_s": self._clock() - started,
            "warnings": self._warnings,
        }
        return msgspec.structs.replace(report, **now)


_IN_DOUBT: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)
_RESTORED: Final = "a person said that this ledger replaces another one"
_COPIED: Final = "its file is a copy, or an older state of it"

Approval = Callable[[PlanTotals], Awaitable[None]]
"""Looks at what would be sent now; an error that it raises keeps the plan from being made."""


def _maybe_the_same(withdrawn: int, totals: PlanTotals) -> PlanError:
    """Return the error for a plan that would withdraw rows which may stand in the input, and be bad there."""
    return PlanError(
        f"{withdrawn} planned {'row' if withdrawn == 1 else 'rows'} of this ledger would be withdrawn, since the input"
        f" lacks them, but {totals.skipped} of its rows are bad and may be these; nothing was changed. Mend the bad"
        f" rows, or withdraw rows by their keys (`xoxo bulk withdraw`)\n{totals.problems}",
        problems=tuple(problem.strip() for problem in totals.problems.splitlines()),
        total=totals.skipped,
    )


def _is_amount(value: object) -> bool:
    """Return whether a budget is one; NaN cannot even be compared."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        return False
    return Decimal(value).is_finite() and 0 <= value < _TOO_MUCH


def _in_flight_limit(client: XoxoClient, concurrency: int | Literal["auto"]) -> int:
    """Return the most requests in flight. The pool is never the queue: there, a request has its clock running."""
    if concurrency == "auto":
        paced = client.dispatcher.pacer.interval_s(PLACE_ORDER.name) > 0
        concurrency = client.max_connections if paced else _UNPACED
    return min(concurrency, client.max_connections)
