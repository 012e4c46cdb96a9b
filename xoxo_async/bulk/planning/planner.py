"""From rows to planned lines: products checked, bytes and digest of each request fixed. Moves no money."""

import hashlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import Row
from xoxo_async.bulk.intake.streaming import Rows
from xoxo_async.bulk.intake.unique import OtherSpellings
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.planning.catalog import PlanCatalog, check_product
from xoxo_async.bulk.planning.differing import Fields
from xoxo_async.bulk.planning.totals import PlanTotals, Worth
from xoxo_async.services.catalog.replies import Voucher
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.services.orders.requests import MAX_QUANTITY

__all__ = ["ORDER_FIELDS", "Planner", "planned_line"]

_LOOK_AHEAD: Final = 500
"""Rows whose products are read together: one getVouchers call reads a hundred products."""
_MOST_GOOD: Final = 10_000
"""Different wishes that are remembered as good."""
ORDER_FIELDS: Final = Fields(
    {
        "productId": "product_id",
        "quantity": "quantity",
        "denomination": "denomination",
        "poNumber": "po_number",
        "email": "email",
        "contact": "contact",
        "tag": "tag",
        "notifyReceiverEmail": "notify_receiver",
        "notifyAdminEmail": "notify_admin",
    },
    shown=frozenset({"productId", "quantity", "denomination"}),
)
"""The fields of a row by their names in its request; all others are of its details."""
_USUAL_LIMIT: Final = 10
"""Pieces that one order of most products may hold (wire documentation § 4.4), when the catalog does not say."""


def planned_line(row: Row, worth: Decimal | None, *, room: int = 0) -> PlannedLine:
    """Return a checked row as it is stored: the bytes of its request and their digest never change.

    Args:
        row: The row.
        worth: What it may cost at most, in the account's currency; None if that is not known.
        room: Pieces that one order of its kind may hold, if it may share an order; 0 if it may not.
    """
    order = row.order
    request = PLACE_ORDER.encode_request(order)
    return PlannedLine(
        key=row.line.key,
        po_number=order.po_number,
        digest=hashlib.sha256(request).hexdigest(),
        request=request,
        row=row.number,
        worth=worth,
        pieces=order.quantity,
        room=room,
        order=order,
        kept=encode_kept(row.line.kept) if row.line.kept else "",
    )


class Planner:
    """Compares rows with their products, and fixes the request of each.

    Attributes:
        totals: What the planned lines add up to, so far.

    Args:
        catalog: Where products are looked up; None skips those checks.
        pack: Whether lines that want nothing but codes may share an order.
        skip_invalid: Whether bad rows are left out; otherwise a bad row refuses the whole plan.
        spellings: The keys that the ledger holds in another spelling; None when no row was planned before.
    """

    def __init__(
        self,
        catalog: PlanCatalog | None,
        *,
        pack: bool = False,
        skip_invalid: bool = False,
        spellings: OtherSpellings | None = None,
    ) -> None:
        self.totals: Final[PlanTotals] = PlanTotals()
        self._catalog: Final = catalog
        self._pack: Final = pack
        self._skip_invalid: Final = skip_invalid
        self._spellings: Final = spellings
        # By all that `check_product` looks at: rows mostly want the same as an earlier one.
        self._good: Final[dict[tuple[object, ...], tuple[Worth, Voucher | None]]] = {}

    async def plan(self, rows: Rows[Row]) -> AsyncIterator[PlannedLine]:
        """Yield a planned line for every row; raise at the end if any row is bad and may not be left out.

        Args:
            rows: The rows.

        Raises:
            PlanError: After the last row, naming the bad ones. A ledger takes the whole stream or nothing.
        """
        batch: list[Row] = []
        async for row in rows:
            batch.append(row)
            if len(batch) >= _LOOK_AHEAD:
                async for line in self._planned(batch, rows.problems):
                    yield line
                batch = []
        async for line in self._planned(batch, rows.problems):
            yield line
        if not self._skip_invalid or not self.totals.lines:
            rows.problems.raise_if_any(rows.source)
        self.totals.skipped = rows.problems.rows
        self.totals.problems = rows.problems.listing()
        self.totals.warned, self.totals.warnings = rows.warnings.rows, rows.warnings.shown()

    async def _planned(self, batch: list[Row], problems: Problems) -> AsyncIterator[PlannedLine]:
        if self._catalog is not None and batch:
            await self._catalog.load(batch)
        spellings = None if self._spellings is None or self._spellings.is_empty else self._spellings
        for row in batch:
            if spellings is not None and await spellings.refuses(row, problems):
                continue
            line = self._line(row, problems)
            if line is not None:
                yield line

    def _line(self, row: Row, problems: Problems) -> PlannedLine | None:
        """Return a row as it is planned; None if it has a problem with its product."""
        order, line = row.order, row.line
        wanted = (
            order.product_id, order.denomination, order.quantity, bool(order.contact), line.currency, line.country
        )  # fmt: skip
        good = self._good.get(wanted)
        if good is None:
            good = self._look(row, problems)
            if good is None:
                return None
            if len(self._good) >= _MOST_GOOD:
                self._good.clear()
            self._good[wanted] = good
        worth, product = good
        self.totals.add(order, worth)
        return planned_line(row, worth.most, room=self._room(row, product) if self._pack else 0)

    def _look(self, row: Row, problems: Problems) -> tuple[Worth, Voucher | None] | None:
        """Compare a row with its product; return what it is worth, and the product. None if it has a problem."""
        product, currency = None, ""
        if self._catalog is not None:
            product, currency = self._catalog.get(row.order.product_id), self._catalog.currency
            if not check_product(row, product, problems):
                return None
        return self.totals.worth_of(row.order, product, currency), product

    def _room(self, row: Row, product: Voucher | None) -> int:
        """Return how many pieces an order may hold that this row shares with others in a job that packs.

        It is 0 for a row that has its own order: an e-mail, a poNumber or details belong to one order alone.
        """
        line = row.line
        alone = bool(line.email or line.po_number or line.details is not None)
        if alone:
            return 0
        room = (product.order_quantity_limit if product is not None else None) or _USUAL_LIMIT
        return min(room, MAX_QUANTITY) if row.order.quantity < room else 0
