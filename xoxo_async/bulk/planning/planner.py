"""From order lines to planned lines: rows checked; poNumber, canonical request and digest fixed; no money moved."""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Final

from xoxo_async.bulk.intake.order_lines import OrderLine, Problems
from xoxo_async.bulk.intake.rows import Rows
from xoxo_async.bulk.intake.spellings import OddSpellings
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.planning.catalogue import Catalogue, check_product
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.errors import ConfigError
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import PLACE_ORDER
from xoxo_async.services.placing import MAX_QUANTITY, place_order

__all__ = ["Planner", "derive_po_number"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_MAX_PO: Final = 100
_LOOK_AHEAD: Final = 500
_USUAL_LIMIT: Final = 10
"""Pieces one order of most products may hold, where the catalogue does not say."""


def derive_po_number(job: str, key: str) -> str:
    """Return the poNumber of a row: the same for the same job and key, always, on every machine.

    Job and key stand in it readably where they are plain and short; a hash of both always ends it, so that two pairs
    can never meet in one poNumber.

    Args:
        job: The job's name.
        key: The row's key.

    Returns:
        At most 100 characters of `[A-Za-z0-9_-]`: what the vendor's webhook field holds, and no more.
    """
    digest = hashlib.sha256(f"{len(job)}:{job}{key}".encode()).hexdigest()[:20]
    readable = "-".join(part for part in (_plain(job), _plain(key)) if part)[: _MAX_PO - len(digest) - 1]
    return f"{readable}-{digest}" if readable else digest


def _plain(text: str) -> str:
    return "-".join(_PLAIN.findall(text))


class Planner:
    """Check rows and fix what will be sent for each.

    Args:
        job: The job's name.
        catalogue: Where products are looked up; None skips those checks.
        pack: Whether lines that want nothing but codes may share an order.
        skip_invalid: Whether bad rows are left out; otherwise one of them spoils the plan.
        known: The keys that the ledger holds in an odd spelling; None when no row was planned before.
    """

    def __init__(
        self,
        job: str,
        catalogue: Catalogue | None,
        *,
        pack: bool = False,
        skip_invalid: bool = False,
        known: OddSpellings | None = None,
    ) -> None:
        self.totals: Final = PlanTotals()
        self._job: Final = job
        self._catalogue: Final = catalogue
        self._pack: Final = pack
        self._skip_invalid: Final = skip_invalid
        self._known: Final = known

    async def plan(self, rows: Rows) -> AsyncIterator[PlannedLine]:
        """Yield a planned line for every row; raise at the end if any row was bad and may not be left out.

        Args:
            rows: The rows.

        Raises:
            PlanError: After the last row, naming the bad ones. A ledger takes all of a stream or nothing.
        """
        batch: list[tuple[int, OrderLine]] = []
        async for row in rows:
            batch.append(row)
            if len(batch) >= _LOOK_AHEAD:
                async for line in self._checked(batch, rows.problems):
                    yield line
                batch = []
        async for line in self._checked(batch, rows.problems):
            yield line
        if not self._skip_invalid or not self.totals.lines:
            rows.problems.raise_if_any(rows.source)
        self.totals.skipped = rows.problems.rows
        self.totals.problems = rows.problems.listing()
        self.totals.warned, self.totals.warnings = rows.warnings.rows, rows.warnings.shown()

    async def _checked(self, batch: list[tuple[int, OrderLine]], problems: Problems) -> AsyncIterator[PlannedLine]:
        if self._catalogue is not None and batch:
            await self._catalogue.load([line for _, line in batch])
        for row, line in batch:
            stored = await self._known.other(line.key) if self._known is not None else None
            if stored is not None:
                problems.add(row, f"{line.key!a} is planned already, in the spelling {stored!a}", column="key")
                continue
            planned = self._line(row, line, problems)
            if planned is not None:
                yield planned

    def _line(self, row: int, line: OrderLine, problems: Problems) -> PlannedLine | None:
        before = problems.total
        product = None
        if self._catalogue is not None:
            product = self._catalogue.get(line.product_id)
            check_product(row, line, product, problems)
        try:
            po_number = line.po_number or derive_po_number(self._job, line.key)
            request = PLACE_ORDER.encode_request(
                place_order(
                    product_id=line.product_id,
                    denomination=line.denomination,
                    quantity=line.quantity,
                    po_number=po_number,
                    email=line.email,
                    contact=line.contact,
                    tag=line.tag,
                    notify_receiver=line.notify_receiver,
                    notify_admin=line.notify_admin,
                    details=line.details,
                )
            )
        except ConfigError as error:
            # All but the details was checked before it came here, column by column.
            problems.add(row, error.message.removeprefix("details "), column="details")
            return None
        if problems.total > before:
            return None
        return PlannedLine(
            key=line.key,
            po_number=po_number,
            digest=hashlib.sha256(request).hexdigest(),
            request=request,
            row=row,
            worth=self.totals.add(line, product, self._catalogue.currency if self._catalogue else ""),
            pieces=line.quantity,
            room=self._room(line, product),
        )

    def _room(self, line: OrderLine, product: Voucher | None) -> int:
        """Return how many pieces an order may hold that this line shares with others; 0 when it goes alone.

        It shares only when it wants codes and nothing else: no mail of its own, no name or number of its own.
        """
        alone = line.email or line.po_number or line.details is not None
        if not self._pack or alone:
            return 0
        room = (product.order_quantity_limit if product is not None else None) or _USUAL_LIMIT
        return min(room, MAX_QUANTITY) if line.quantity < room else 0
