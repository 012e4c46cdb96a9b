"""`BulkIssuer`: plan, send, settle, report. Running it again does only what is left."""

import time
from collections.abc import AsyncIterable, Callable, Collection, Iterable
from decimal import Decimal
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.deciding import Decision, Resolved, decide_line
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import OrdersFile
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.ledger.facts import BOUNDS
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.one_run import OneRun, check_keys
from xoxo_async.bulk.order_road import OrderRoad
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.preparing import Approval, Preparer
from xoxo_async.bulk.prices import Prices
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.session import BulkSession
from xoxo_async.bulk.settings import Bounds, Settings, kept_bounds, rate_of
from xoxo_async.bulk.trust import Trust
from xoxo_async.errors import ConfigError
from xoxo_async.services import checks

__all__ = ["BulkIssuer"]


class BulkIssuer:
    """Issue many orders, each accounted for exactly once. Moves money.

    The issuer writes the intent of a row durably before the request leaves, and the result after the answer. A row that
    ends without proof is looked up by poNumber. It is sent again, under the same poNumber, only if its order is proven
    absent.

    The ledger keeps the bounds of its job: `max_spend`, `max_errors`, `settle_s`, `resend` and `concurrency`. If a
    bound is left out, its last value holds, for `resume` and for a second `run`; a new value replaces it.

    Args:
        client: An `XoxoClient`: sends and looks up. Its rate limits pace the run, its hooks receive the run's events.
        ledger: The job's ledger; one ledger holds one job.
        job: The job's name; poNumbers are derived from it and the rows' keys. Default: the ledger's job.
        concurrency: Requests in flight at most, within the client's `max_connections`. `auto` (the default) lets a
            paced run have as many as its allowance needs at the latency that the server has (at 100 orders a minute
            and 120 s an answer, two hundred), and a run without limits 64.
        settle_s: Seconds after a lost answer before "no such order" counts. Default: 150. Below the vendor's 120 s it
            may count too early.
        resend: `settled` (the default) sends a row again once its order is proven absent; `never` leaves it to a
            person.
        check: Whether rows are checked against the catalog before anything is sent.
        skip_invalid: Whether bad rows are left out. Otherwise nothing is sent if one row is bad.
        pack: Whether lines that want nothing but codes (no `email`, `po_number` or `details` of their own) may share an
            order of the same product and denomination, up to the product's limit: up to ten times the vouchers a
            minute. Each line still gets its own codes. Needs a ledger that keeps codes.
        max_spend: What the job may cost, in the account's currency. What an order may cost at most is reserved when its
            intent is written, and settled when its charge is known; the run pauses before it could go over. To lift a
            bound that the ledger keeps, pass a greater one.
        max_errors: How many rows of the job may be refused: a number, or a share of the rows that are settled so far,
            such as `5%`. If more are, the run pauses: requests in flight end, and no other row is sent. A share counts
            from 20 settled rows and two refused ones on, since the first refused row may be all that is settled. Rows
            that other workers and earlier runs have settled count as well, so going on needs a greater bound, or
            `none`.
        pause_limit_s: How many seconds the run waits for the vendor before it pauses: for a server that does not
            answer, and for the end of a penalty. A penalty that is known to be longer pauses it at once.
        missing: What happens to planned rows that the input of a later `run` lacks: `refuse` stops before anything is
            sent and names them, `withdraw` cancels those that were never sent, `keep` sends them.
        restore: Whether the ledger replaces a lost one, or is an older copy of one. Then every planned row is looked up
            before it is sent, and the absence of an unknown row is counted from now on. An order found under a row's
            poNumber is adopted if every field that the vendor returns matches.
        notify: Whether the vendor mails the codes of every row that has an `email`, as if `notify_receiver` were set in
            all of them. False leaves it to the rows. None, the default, does what an earlier plan of this ledger did.
            A row that is planned keeps what it was planned with.
        address: The address that the ledger stores, instead of the client's base URL: for a local server whose port
            changes. A ledger belongs to one account at one address.
        clock: A monotonic clock, in seconds.
        wall: The clock that absence is counted on. Default: the ledger's.

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
        client: BulkClient,
        ledger: Ledger,
        *,
        job: str = "",
        concurrency: int | Literal["auto"] | None = None,
        settle_s: float | None = None,
        resend: Literal["settled", "never"] | None = None,
        check: bool = True,
        skip_invalid: bool = False,
        pack: bool = False,
        max_spend: Decimal | None = None,
        max_errors: int | str | None = None,
        pause_limit_s: float = 60.0,
        missing: Literal["refuse", "withdraw", "keep"] = "refuse",
        restore: bool = False,
        notify: bool | None = None,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._own_bounds: Final = Bounds(
            max_spend=max_spend, max_errors=max_errors, settle_s=settle_s, resend=resend, concurrency=concurrency
        )
        self._settings: Final = Settings(
            check=check,
            skip_invalid=skip_invalid,
            pack=pack,
            pause_limit_s=pause_limit_s,
            missing=missing,
            restore=restore,
            notify=notify,
        )
        self._settings.check_bounds(self._own_bounds)
        if pack and not ledger.keeps_codes:
            raise ConfigError("pack needs a ledger that keeps codes: they are dealt out to the lines of an order once")
        self._client: Final = client
        self._ledger: Final = ledger
        self._job: Final = job
        self._identity: Final = identity_of(client, address)
        self._trust: Final = Trust(ledger, restore=restore)
        self._clock: Final = clock
        self._wall: Final = wall or ledger.now
        self._warnings: tuple[str, ...] = ()
        self._run: Final = OneRun()

    @property
    def progress(self) -> Progress:
        """What the current or the last run has done so far. It is the same object for all runs."""
        return self._run.progress

    def stop(self, reason: str = "interrupted") -> None:
        """Take no more lines. Requests in flight end and are recorded, then the run returns its report.

        It stops the current run. Before a run it stops the next one, which then sends nothing and has the reason in its
        report: so a stop just before a run is not lost. After a run that was stopped it does nothing. Every later run
        works again.

        Args:
            reason: Why, for the report.
        """
        self._run.stop(reason)

    async def run(
        self,
        orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine],
        *,
        approve: Approval | None = None,
        problems: ProblemSink | None = None,
    ) -> Report:
        """Plan all rows, then issue what is not issued yet. Moves money.

        All rows are planned in one transaction before the first is sent: a bad row leaves ledger and account as they
        were. Rows that the ledger has already are not planned again, so running again resumes. Lines that waited for
        their codes when the run began are looked up once, too.

        Args:
            orders: A file from `read_orders`, or any iterable of order lines; it is read once.
            approve: Asked before anything is planned for good, as in `plan`.
            problems: Takes every problem of the rows, as in `plan`.

        Returns:
            The report, also when the run paused.

        Raises:
            PlanError: When rows are bad, or planned rows are missing; each is named, nothing was sent.
            LedgerConflictError: When the ledger has a row with other contents; nothing was sent.
            LedgerError: When the ledger fails; nothing is sent without a durable intent.
            ConfigError: When the ledger is of another account or address, nothing was sent.
            XoxoError: When the catalog cannot be read; nothing was sent.
        """
        with self._run.alone():
            started = self._clock()
            await self.plan(orders, approve=approve, problems=problems)
            return await self._work(started, send=True)

    async def issue(self) -> Report:
        """Issue the planned rows, and look up the rows that wait for codes: `run` without planning.

        Moves money. It ends a pause of the job, as `run` and `resume` do.

        Returns:
            The report, also when the run paused.

        Raises:
            ConfigError: When the ledger is of another account or address, nothing was sent.
            LedgerError: When the ledger fails.
        """
        with self._run.alone():
            return await self._work(self._clock(), send=True)

    async def plan(
        self,
        orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine],
        *,
        approve: Approval | None = None,
        problems: ProblemSink | None = None,
    ) -> PlanTotals:
        """Write all rows into the ledger as planned, or none. Moves no money; one getBalance call.

        The bounds that were given are kept in the same transaction.

        Args:
            orders: As for `run`.
            approve: Called once with what would be sent now, this ledger's earlier rows included, before the plan
                becomes durable. An error that it raises leaves the ledger as it was.
            problems: Called with every problem of the rows, such as `ProblemsFile.add`; the error and the totals name
                the first twenty. An error that it raises leaves the ledger as it was.

        Returns:
            What is to be sent now, added up, beside the balance.

        Raises:
            PlanError: As for `run`.
            LedgerConflictError: As for `run`.
            ConfigError: The job has no name, the ledger is of another account or address, or `max_spend` cannot be
                enforced: a product's currency has no known rate, or the account's currency has changed.
        """
        job = self._job or self._ledger.job
        if not job:
            raise ConfigError("the ledger is new and needs a job name: poNumbers are derived from it")
        checks.needed("job", job)
        bounds = await self._bounds()
        if bounds.rate is None:
            bounds = msgspec.structs.replace(bounds, rate=rate_of(self._client))
        totals = await self._preparer(bounds).plan(job, orders, approve, problems)
        self._warnings = totals.warnings
        return totals

    async def outlook(self) -> PlanTotals:
        """Return what `resume` would send now, added up, at today's prices. Moves no money; one getBalance call.

        Raises:
            ConfigError: As for `plan`.
        """
        return await self._preparer(await self._bounds()).outlook()

    async def resume(self) -> Report:
        """Go on with the ledger's job: settle unknown rows, send planned rows. Moves money.

        With `max_spend`, today's prices are read first: one getBalance call, and one getVouchers call a hundred
        products.

        Returns:
            The report.

        Raises:
            ConfigError: When the ledger is of another account or address, or `max_spend` cannot be enforced; nothing
                was sent.
            LedgerError: When the ledger fails.
        """
        with self._run.alone():
            return await self._work(self._clock(), send=True, pending=True)

    async def reconcile(self) -> Report:
        """Settle unknown and pending lines. Places no order, ever.

        Returns:
            The report; lines that are proven absent count as not sent from then on.

        Raises:
            ConfigError: When the ledger is of another account or address.
            LedgerError: When the ledger fails.
        """
        with self._run.alone():
            return await self._work(self._clock(), send=False, pending=True)

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

        Use it for a client id that was replaced in the vendor's dashboard, or for an address that changed its name.
        Another account does not have the ledger's orders, so every order would look absent and be bought again.

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
            ConfigError: There is no such row, no person can decide about it, or the order is not this row's.
            XoxoError: The order cannot be looked up.
        """
        await check_identity(self._client, self._ledger, self._identity)
        return await decide_line(self._client, self._ledger, key, decision)

    async def _bounds(self) -> Bounds:
        """Return the bounds that hold: the caller's, and for the others the ledger's. A job of points is refused."""
        require_kind(self._ledger, JobKind.ORDERS)
        bounds = self._own_bounds.over(await kept_bounds(self._ledger))
        self._settings.check_bounds(bounds)
        return bounds

    def _preparer(self, bounds: Bounds) -> Preparer:
        return Preparer(self._client, self._ledger, self._settings, bounds, self._identity, self._trust)

    async def _work(self, started: float, *, send: bool, pending: bool | None = None) -> Report:
        """Do one run: compare the identity, put lines of a dead holder or a lost ledger in doubt, work, report."""
        bounds = await self._bounds()
        if send:
            await self._ledger.require_key()
        session = self._begin(bounds)
        await check_identity(self._client, self._ledger, self._identity)
        await self._ledger.recover()
        await self._trust.doubt_planned_rows()
        if send and await self._ledger.paused() is not None:
            await self._ledger.unpause()  # whoever calls this goes on, on a person's word; workers have shifts
        currency = await self._keep(bounds) if send else ""
        report = await session.work(send=send, pending=pending, currency=currency, started=started)
        return msgspec.structs.replace(report, warnings=self._warnings)

    def _begin(self, bounds: Bounds) -> BulkSession:
        """Return the session of one run; from here on `stop` stops it."""
        settings = self._settings
        session = BulkSession(
            self._client,
            self._ledger,
            OrderRoad(self._client, self._ledger),
            bounds,
            self._run.progress,
            restore=settings.restore,
            pause_limit_s=settings.pause_limit_s,
            clock=self._clock,
            wall=self._wall,
        )
        return self._run.begin(session)

    async def _keep(self, bounds: Bounds) -> str:
        """Keep the bounds of a run that places orders in the ledger, and set today's prices if it has a budget.

        Returns:
            The account's currency; empty without a budget.
        """
        currency = ""
        if bounds.max_spend is not None:
            prices = await Prices.read(self._client, self._ledger, check=True, max_spend=bounds.max_spend)
            await prices.reprice()
            await prices.keep_currency()
            currency = prices.currency
        bounds = msgspec.structs.replace(bounds, rate=rate_of(self._client))
        if bounds != await kept_bounds(self._ledger):
            await self._ledger.set_fact(BOUNDS, bounds.to_json())
        return currency
