"""The steps of a plan: check the rows, write them into the ledger all or none, and add up what would be sent."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.events import InputChanged
from xoxo_async.bulk.identity import check_identity
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import OrdersFile
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.intake.stream import rows_of
from xoxo_async.bulk.intake.unique import OtherSpellings
from xoxo_async.bulk.ledger.facts import BOUNDS, COLUMNS, NOTIFY
from xoxo_async.bulk.ledger.lines import Counts, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import Approve, Identity, Ledger, Planned, PlanTerms, Share
from xoxo_async.bulk.planning.differing import RecentLines
from xoxo_async.bulk.planning.planner import ORDER_FIELDS, Planner
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.prices import Prices, keep_products
from xoxo_async.bulk.same_input import SameInput
from xoxo_async.bulk.settings import Bounds, Settings, kept_bounds
from xoxo_async.bulk.trust import Trust
from xoxo_async.errors import ConfigError, LedgerConflictError, PlanError
from xoxo_async.notifying import notify
from xoxo_async.services.orders.operations import PLACE_ORDER

__all__ = ["Approval", "Preparer"]

Approval = Callable[[PlanTotals], Awaitable[None]]
"""Is awaited with what would be sent now, before the plan is durable; an error that it raises undoes the plan."""

_IN_DOUBT: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)


class Preparer:
    """Plan the rows of one job.

    Args:
        client: Reads balance and catalog.
        ledger: The job's ledger.
        settings: How rows are checked, and what happens to missing rows.
        bounds: What the job keeps to; the plan keeps them in the ledger.
        identity: The client's account and address.
        trust: Whether the ledger knows which rows were sent.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        settings: Settings,
        bounds: Bounds,
        identity: Identity,
        trust: Trust,
    ) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._settings: Final = settings
        self._bounds: Final = bounds
        self._identity: Final = identity
        self._trust: Final = trust

    async def plan(
        self,
        job: str,
        orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine],
        approve: Approval | None,
        problems: ProblemSink | None = None,
    ) -> PlanTotals:
        """Write all rows into the ledger as planned, or none. See `BulkIssuer.plan`.

        Args:
            job: The job's name.
            orders: The rows.
            approve: Asked before the plan becomes durable.
            problems: Takes every problem of the rows.

        Returns:
            What is to be sent now, added up, beside the balance.
        """
        settings = self._settings
        await self._ledger.require_key()
        await check_identity(self._client, self._ledger, self._identity)
        prices = await self._prices()
        before = await self._ledger.get_fact(NOTIFY) == "yes"
        notify = before if settings.notify is None else settings.notify
        stood = await self._ledger.counts()
        same = SameInput(orders, settings, notify=notify)
        known = not self._trust.reason and job == self._ledger.job  # the plan refuses the rows of another job
        recognised = await same.has_ended(self._ledger, stood) if known else None
        if recognised is not None:
            return await self._nothing_left(stood, prices, recognised, approve)
        spellings = OtherSpellings(self._ledger)
        planner = Planner(prices.catalog, pack=settings.pack, skip_invalid=settings.skip_invalid, spellings=spellings)
        totals = planner.totals
        facts = {BOUNDS: self._bounds.to_json(), NOTIFY: "yes" if notify else ""}
        recent = RecentLines(self._ledger, ORDER_FIELDS)

        async def lines() -> AsyncIterator[PlannedLine]:
            await self._tell_of_columns(orders)
            await spellings.read()
            async for line in planner.plan(rows_of(orders, job, problems, notify=notify)):
                recent.note(line)
                yield line
            if isinstance(orders, RowsFile) and (columns := orders.choices_to_keep()):
                facts[COLUMNS] = columns
            facts.update(same.facts(planner.totals))

        async def look(planned: Planned, shares: list[Share] | None) -> None:
            nonlocal totals
            totals = await self._look(planner, planned, shares, prices)
            self._compare(totals, planned, stood, job)
            totals.recognised = orders.recognised() if isinstance(orders, RowsFile) else ""
            if approve is not None:
                await approve(totals)

        terms = self._terms(prices, look, facts)
        # A line that a dead holder was sending is in doubt, also if the input lacks it.
        await self._ledger.recover()
        try:
            await self._ledger.plan(job, lines(), terms)
        except LedgerConflictError as error:
            raise _about_mails(await recent.explained(error), before=before, now=notify) from error
        self._trust.planned(terms.restored)
        await prices.keep_currency()
        await keep_products(self._ledger, totals)
        return totals

    def _terms(self, prices: Prices, look: Approve, facts: dict[str, str]) -> PlanTerms:
        """Return on what terms the ledger takes the rows; `look` is awaited before the plan is durable."""
        return PlanTerms(
            identity=self._identity,
            missing=self._settings.missing,
            pricing=None if prices.catalog is None else prices.catalog.at_most,
            approve=look,
            restored=self._trust.reason,
            copied=self._trust.foreign_orders,
            facts=facts,
        )

    async def _nothing_left(
        self, stood: Counts, prices: Prices, recognised: str, approve: Approval | None
    ) -> PlanTotals:
        """Return what a plan of a file adds up to whose every row has ended; the ledger keeps the bounds, as always."""
        totals = await self._look(Planner(None), Planned(added=0, known=stood.rows, orders=0), [], prices)
        totals.recognised = recognised
        if approve is not None:
            await approve(totals)
        if self._bounds != await kept_bounds(self._ledger):
            await self._ledger.set_fact(BOUNDS, self._bounds.to_json())
        await prices.keep_currency()
        return totals

    async def outlook(self) -> PlanTotals:
        """Return what a resume would send now, added up, at today's prices. See `BulkIssuer.outlook`."""
        await self._ledger.require_key()
        await check_identity(self._client, self._ledger, self._identity)
        prices = await self._prices()
        if self._bounds.max_spend is not None:
            await prices.reprice()
        totals = await prices.totals(await self._ledger.backlog())
        await self._complete(totals, prices)
        return totals

    def _compare(self, totals: PlanTotals, planned: Planned, stood: Counts, job: str) -> None:
        """Note how the input differs from what was planned before; tell it where rows may have got other keys."""
        totals.added = planned.added
        absent = stood.rows - stood.states.get(LineState.CANCELLED, 0) - planned.known - planned.withdrawn
        if planned.added and absent > 0:
            totals.absent = absent
            told = InputChanged(job=job, ledger=self._ledger.name, absent=absent, added=planned.added)
            notify(self._client.hooks, told)

    async def _tell_of_columns(self, orders: object) -> None:
        """Tell a file what is known of the columns of earlier ones."""
        if isinstance(orders, RowsFile):
            orders.kept_choices = ReadingChoices.from_json(await self._ledger.get_fact(COLUMNS))

    async def _prices(self) -> Prices:
        return await Prices.read(
            self._client, self._ledger, check=self._settings.check, max_spend=self._bounds.max_spend
        )

    async def _look(self, planner: Planner, planned: Planned, shares: list[Share] | None, prices: Prices) -> PlanTotals:
        """Return what a plan adds up to, before it is durable; None for `shares` means that its lines are all of it."""
        totals = planner.totals
        if shares is None:
            totals.orders = planned.orders
        else:
            rows = totals
            totals = await prices.totals(shares)
            totals.skipped, totals.problems = rows.skipped, rows.problems
            totals.warned, totals.warnings = rows.warned, rows.warnings
        totals.withdrawn, totals.unwanted = planned.withdrawn, planned.unwanted
        if planned.withdrawn and totals.skipped:
            raise _maybe_the_same(planned.withdrawn, totals)
        await self._complete(totals, prices)
        return totals

    async def _complete(self, totals: PlanTotals, prices: Prices) -> None:
        """Add the figures of ledger, account and allowance to totals; refuse a budget that cannot be enforced."""
        totals.balance = prices.balance
        if self._bounds.resend != "never":
            states = (await self._ledger.counts()).states
            totals.in_doubt = sum(states.get(state, 0) for state in _IN_DOUBT) - totals.unwanted
        interval_s = self._client.dispatcher.pacer.interval_s(PLACE_ORDER.name)
        totals.expected_s = totals.orders * interval_s if interval_s else None
        if self._bounds.max_spend is not None and totals.cost_at_most is None:
            raise ConfigError(
                "max_spend cannot be enforced: the vendor gives no exchange rate for some products; nothing was sent"
            )


def _about_mails(error: LedgerConflictError, *, before: bool, now: bool) -> LedgerConflictError:
    """Return the error for a row with other contents, and what to do if `notify` may be what has changed."""
    if before == now:
        return error
    what = (
        "the rows of this ledger were planned without --notify, which mails every code. Leave it out; to mail the codes"
        " yourself, export them with --reveal"
        if now
        else "the rows of this ledger were planned with --notify: give it again"
    )
    return LedgerConflictError(f"{error.message}; {what}")


def _maybe_the_same(withdrawn: int, totals: PlanTotals) -> PlanError:
    """Return the error for a plan that would withdraw rows which may be among the bad rows of its input."""
    return PlanError(
        f"{withdrawn} planned {'row' if withdrawn == 1 else 'rows'} of this ledger would be withdrawn, since the input"
        f" lacks them, but {totals.skipped} of its rows {'is' if totals.skipped == 1 else 'are'} bad and may be"
        " these; nothing was changed. Correct the bad"
        f" rows, or withdraw rows by their keys (bulk withdraw)\n{totals.problems}",
        problems=tuple(problem.strip() for problem in totals.problems.splitlines()),
        total=totals.skipped,
    )
