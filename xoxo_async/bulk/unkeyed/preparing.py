"""The steps of a plan without keys: check rows, write them into the ledger all or none, add up what would be sent."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Final, Literal, TypeVar

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.identity import check_identity
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.ledger.budget import amount
from xoxo_async.bulk.ledger.facts import BOUNDS, COLUMNS, CURRENCY, PRODUCTS
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.lines import POINTS, UNKEYED_IN_DOUBT, Counts, LineState, PlannedLine
from xoxo_async.bulk.ledger.overview import ProductNote
from xoxo_async.bulk.ledger.protocol import Approve, Identity, Ledger, Planned, PlanTerms, Share
from xoxo_async.bulk.planning.differing import Fields, RecentLines
from xoxo_async.bulk.settings import Bounds
from xoxo_async.bulk.trust import Trust
from xoxo_async.bulk.unkeyed.rows import KnownRows, rows_of
from xoxo_async.bulk.unkeyed.sending import Sending
from xoxo_async.bulk.unkeyed.totals import UnkeyedTotals
from xoxo_async.errors import LedgerConflictError, PlanError

__all__ = ["UnkeyedApproval", "UnkeyedPreparer"]

LineT = TypeVar("LineT", bound=msgspec.Struct)

UnkeyedApproval = Callable[[UnkeyedTotals], Awaitable[None]]
"""Is awaited with what would be sent now, before the plan is durable; an error that it raises undoes the plan."""

_POINTS: Final = ProductNote("Points", POINTS, Decimal(1), Decimal(0), Decimal(0))
"""What a report calls them; a job of points has no product."""
_FIELDS: Final = Fields(
    {
        "productId": "campaign_id",
        "denomination": "amount",
        "quantity": "quantity",
        "expires": "expires_on",
        "email": "email",
        "name": "name",
        "phone": "phone",
        "citation": "citation",
        "senderEmail": "sender_email",
        "expiryMonth": "expiry_month",
    },
    shown=frozenset({"productId", "denomination", "quantity", "expires", "expiryMonth"}),
)
"""The fields of rows by their names in what a ledger stores."""


class UnkeyedPreparer:
    """Plan the rows of one job without keys.

    Args:
        client: Reads what the company can spend.
        ledger: The job's ledger.
        sending: The kind of the job.
        bounds: What the job keeps to; the plan keeps them in the ledger.
        identity: The client's account and address.
        trust: Whether the ledger knows which rows were sent.
        batch: How many rows travel in one call at most.
        missing: What happens to planned rows that the input lacks.
        skip_invalid: Whether bad rows are left out.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        sending: Sending,
        bounds: Bounds,
        identity: Identity,
        trust: Trust,
        *,
        batch: int,
        missing: Literal["refuse", "withdraw", "keep"],
        skip_invalid: bool,
    ) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._sending: Final = sending
        self._bounds: Final = bounds
        self._identity: Final = identity
        self._trust: Final = trust
        self._batch: Final = batch
        self._missing: Final[Literal["refuse", "withdraw", "keep"]] = missing
        self._skip_invalid: Final = skip_invalid

    async def plan(
        self,
        job: str,
        rows: RowsFile[LineT] | Iterable[LineT] | AsyncIterable[LineT],
        approve: UnkeyedApproval | None,
        sink: ProblemSink | None,
    ) -> UnkeyedTotals:
        """Write all rows into the ledger as planned, or none. See `UnkeyedIssuer.plan`.

        Args:
            job: The job's name.
            rows: The rows.
            approve: Asked before the plan becomes durable.
            sink: Takes every problem of the rows.
        """
        ledger, sending = self._ledger, self._sending
        require_kind(ledger, sending.kind)
        sending.require_terms()
        await ledger.require_key()
        await check_identity(self._client, ledger, self._identity)
        available = await sending.available(self._client)
        known = KnownRows(ledger, sending)
        recent = RecentLines(ledger, _FIELDS)
        new = rows_of(rows, sending, job, sink)
        totals, facts = self._totals(available), self._facts()
        file = rows if isinstance(rows, RowsFile) else None
        if file is not None:
            file.kept_choices = ReadingChoices.from_json(await ledger.get_fact(COLUMNS))

        async def lines() -> AsyncIterator[PlannedLine]:
            await known.read()
            async for row in new:
                if await known.refuses(row, new.problems):
                    continue
                recent.note(row.line)
                self._add(totals, Share(0, row.body.denomination, row.body.quantity, 1, 1, None), row.line.worth)
                yield row.line
            if not self._skip_invalid or not totals.rows:
                new.problems.raise_if_any(new.source)
            totals.skipped, totals.problems = new.problems.rows, new.problems.listing()
            totals.warned, totals.warnings = new.warnings.rows, new.warnings.shown()
            if file is not None and (columns := file.choices_to_keep()):
                facts[COLUMNS] = columns

        async def look(planned: Planned, shares: list[Share] | None) -> None:
            nonlocal totals
            if shares is not None:
                read = totals
                totals = self._of_shares(shares, available)
                totals.skipped, totals.problems = read.skipped, read.problems
                totals.warned, totals.warnings = read.warned, read.warnings
            _compare(totals, planned, await ledger.counts())
            totals.recognised = "" if file is None else file.recognised()
            await self._complete(totals)
            await self._require_covered(totals)
            if approve is not None:
                await approve(totals)

        terms = self._terms(look, facts)
        await ledger.recover()  # a row that a dead holder was sending is in doubt, also if the input lacks it
        try:
            await ledger.plan(job, lines(), terms)
        except LedgerConflictError as error:
            raise await recent.explained(error) from error
        self._trust.planned(terms.restored)
        return totals

    def _terms(self, look: Approve, facts: dict[str, str]) -> PlanTerms:
        """Return on what terms the ledger takes the rows; `look` is awaited before the plan is durable."""
        return PlanTerms(
            identity=self._identity,
            missing=self._missing,
            approve=look,
            restored=self._trust.reason,
            copied=self._trust.foreign_orders,
            facts=facts,
            kind=self._sending.kind,
        )

    async def outlook(self) -> UnkeyedTotals:
        """Return what a resume would send now, added up. See `UnkeyedIssuer.outlook`."""
        require_kind(self._ledger, self._sending.kind)
        await check_identity(self._client, self._ledger, self._identity)
        available = await self._sending.available(self._client)
        totals = self._of_shares(await self._ledger.backlog(), available)
        await self._complete(totals)
        return totals

    def _facts(self) -> dict[str, str]:
        """Return what the plan keeps of its job in the ledger."""
        facts = {BOUNDS: self._bounds.to_json(), CURRENCY: self._sending.unit}
        if self._sending.kind is JobKind.POINTS:
            facts[PRODUCTS] = msgspec.json.encode({0: _POINTS}).decode()  # for the report
        return facts

    def _totals(self, available: Decimal | None) -> UnkeyedTotals:
        return UnkeyedTotals(self._sending.kind, unit=self._sending.unit, available=available)

    def _of_shares(self, shares: Iterable[Share], available: Decimal | None) -> UnkeyedTotals:
        """Return what a backlog adds up to."""
        totals = self._totals(available)
        for share in shares:
            self._add(totals, share, None if share.worth is None else amount(share.worth))
        return totals

    def _add(self, totals: UnkeyedTotals, share: Share, worth: Decimal | None) -> None:
        kind = self._sending.kind
        pieces = share.quantity * share.orders
        points = kind is JobKind.POINTS
        known = totals.rows == 0 or totals.worth is not None
        totals.worth = (totals.worth or Decimal(0)) + worth if known and worth is not None else None
        totals.rows += share.rows
        totals.total += share.denomination * pieces if points else pieces
        totals.calls = -(-totals.rows // self._batch)

    async def _complete(self, totals: UnkeyedTotals) -> None:
        """Add what the ledger and the allowance say."""
        states = (await self._ledger.counts()).states
        totals.in_doubt = sum(states.get(state, 0) for state in UNKEYED_IN_DOUBT)
        interval_s = self._client.dispatcher.pacer.interval_s(self._sending.operation.name)
        totals.expected_s = totals.calls * interval_s if interval_s else None

    async def _require_covered(self, totals: UnkeyedTotals) -> None:
        """Refuse rows that the company cannot pay: the refusals of such rows would each cost a person's look."""
        if short := await self.shortage(totals):
            raise PlanError(f"{short}; nothing was sent")

    async def shortage(self, totals: UnkeyedTotals) -> str:
        """Return why the company cannot pay for what a run may send now; empty if it can, or if nobody knows.

        Args:
            totals: What is planned. A budget may end the run before all of it is sent; what earlier runs have sent is
                spent from it, and is no longer among the company's points.
        """
        if totals.covered or totals.worth is None or totals.available is None:
            return ""
        needed, most = f"{totals.worth:,f}", self._bounds.max_spend
        if most is not None:
            left = max(most - await self._ledger.committed(), Decimal(0))
            if left <= totals.available:
                return ""
            needed += "" if left >= totals.worth else f", of which the budget allows {left:,f},"
        return f"the rows need {needed} {self._sending.unit}, and the company has {totals.available:,f}"


def _compare(totals: UnkeyedTotals, planned: Planned, stood: Counts) -> None:
    """Note how the input differs from the rows that stood in the ledger before."""
    totals.added, totals.withdrawn = planned.added, planned.withdrawn
    if planned.added:
        there = stood.rows - stood.states.get(LineState.CANCELLED, 0)
        totals.absent = max(there - planned.known - planned.withdrawn, 0)
