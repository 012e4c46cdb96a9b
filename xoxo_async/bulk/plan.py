"""From order lines to planned lines: rows checked; poNumber, canonical request and digest fixed; no money moved."""

import hashlib
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.intake import OrderLine, Problems, Rows
from xoxo_async.bulk.ledger import PlannedLine
from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import PLACE_ORDER, place_order

__all__ = ["Catalogue", "PlanTotals", "Planner", "derive_po_number"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_MAX_PO: Final = 100
_LOOK_AHEAD: Final = 500
_IDS_A_CALL: Final = 100


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


class PlanTotals(msgspec.Struct):
    """What a plan adds up to.

    Attributes:
        lines: Order lines.
        pieces: Vouchers.
        by_product: Lines, pieces and face value by product id.
        names: The products' names.
        face: Face value by the products' currencies.
    """

    lines: int = 0
    pieces: int = 0
    by_product: dict[int, tuple[int, int, Decimal]] = msgspec.field(default_factory=dict)
    names: dict[int, str] = msgspec.field(default_factory=dict)
    face: dict[str, Decimal] = msgspec.field(default_factory=dict)

    def add(self, line: OrderLine, product: Voucher | None) -> None:
        """Count one line in."""
        value = line.denomination * line.quantity
        self.lines += 1
        self.pieces += line.quantity
        lines, pieces, face = self.by_product.get(line.product_id, (0, 0, Decimal(0)))
        self.by_product[line.product_id] = (lines + 1, pieces + line.quantity, face + value)
        if product is not None:
            self.names[line.product_id] = product.name
            self.face[product.currency_code] = self.face.get(product.currency_code, Decimal(0)) + value


class Catalogue:
    """The products of a plan, read once each and only those the rows name.

    Args:
        client: Reads them; costs one getVouchers call a hundred products.
    """

    def __init__(self, client: XoxoClient) -> None:
        self._client: Final = client
        self._known: Final[dict[int, Voucher | None]] = {}

    async def load(self, product_ids: set[int]) -> None:
        """Read the products not read yet.

        Args:
            product_ids: Their ids.
        """
        missing = sorted(product_ids - self._known.keys())
        for start in range(0, len(missing), _IDS_A_CALL):
            wanted = missing[start : start + _IDS_A_CALL]
            found = await self._client.catalog.list_vouchers(page=1, limit=_IDS_A_CALL, product_ids=tuple(wanted))
            by_id = {product.product_id: product for product in found}
            self._known.update({product_id: by_id.get(product_id) for product_id in wanted})

    def get(self, product_id: int) -> Voucher | None:
        """Return a product read before, None when the vendor does not list it."""
        return self._known.get(product_id)


class Planner:
    """Check rows and fix what will be sent for each.

    Args:
        job: The job's name.
        catalogue: Where products are looked up; None skips those checks.
    """

    def __init__(self, job: str, catalogue: Catalogue | None) -> None:
        self.totals: Final = PlanTotals()
        self._job: Final = job
        self._catalogue: Final = catalogue

    async def plan(self, rows: Rows) -> AsyncIterator[PlannedLine]:
        """Yield a planned line for every row; raise at the end if any row was bad.

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
        rows.problems.raise_if_any(rows.source)

    async def _checked(self, batch: list[tuple[int, OrderLine]], problems: Problems) -> AsyncIterator[PlannedLine]:
        if self._catalogue is not None and batch:
            await self._catalogue.load({line.product_id for _, line in batch})
        for row, line in batch:
            planned = self._line(row, line, problems)
            if planned is not None:
                yield planned

    def _line(self, row: int, line: OrderLine, problems: Problems) -> PlannedLine | None:
        before = problems.total
        product = None
        if self._catalogue is not None:
            product = self._catalogue.get(line.product_id)
            _check_product(row, line, product, problems)
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
            problems.add(f"row {row} (key {line.key})", error.message)
            return None
        if problems.total > before:
            return None
        self.totals.add(line, product)
        return PlannedLine(
            key=line.key,
            po_number=po_number,
            digest=hashlib.sha256(request).hexdigest(),
            request=request,
            row=row,
        )


def _check_product(row: int, line: OrderLine, product: Voucher | None, problems: Problems) -> None:
    """Note what the vendor would refuse: an unknown product, a denomination not offered, too many pieces."""

    def bad(column: str, what: str) -> None:
        problems.add(f"row {row}, column {column}", what)

    if product is None:
        bad("product_id", f"no product {line.product_id} in this account's catalogue")
        return
    offered = product.denominations
    if product.max_value:
        low, high = product.min_value or Decimal(0), product.max_value
        if low <= high and not low <= line.denomination <= high:
            bad("denomination", f"{line.denomination} is outside {low} to {high} of {product.name}")
    elif offered and line.denomination not in offered:
        bad("denomination", f"{line.denomination} is not offered; {product.name} has {_listed(offered)}")
    limit = product.order_quantity_limit
    if limit and line.quantity > limit:
        bad("quantity", f"{line.quantity} is over the {limit} that one order of {product.name} may hold")
    if product.is_phone_number_mandatory and not line.contact:
        bad("contact", f"{product.name} needs the receiver's phone number")


def _listed(values: tuple[Decimal, ...]) -> str:
    shown = ", ".join(f"{value:f}" for value in sorted(values)[:12])
    return f"{shown} …" if len(values) > 12 else shown
