"""The products that a plan's rows name, read once each, and the checks of a row against its product."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Protocol

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import Row
from xoxo_async.bulk.ledger.terms import Share
from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.services.catalog.countries import country_name
from xoxo_async.services.catalog.replies import Voucher
from xoxo_async.services.catalog.requests import Category
from xoxo_async.services.orders.details import AirmilesDetails, LoungeDetails, ShippingDetails, TopUpDetails

__all__ = ["CatalogClient", "PlanCatalog", "VoucherReader", "add_up", "check_product"]

_IDS_A_CALL: Final = 100
"""getVouchers has only 50 calls a minute (wire documentation § 5), so each call reads many products."""
_CATEGORY_OF: Final[dict[type, Category]] = {
    LoungeDetails: "lounge",
    AirmilesDetails: "miles",
    TopUpDetails: "topup",
    ShippingDetails: "merchandise",
}


class VoucherReader(Protocol):
    """The method of `CatalogService` that a plan uses."""

    async def list_vouchers(
        self, *, page: int, limit: int, product_ids: Sequence[int], category: Category | None, exchange_rates: bool
    ) -> Iterable[Voucher]:
        """Read one page of products."""
        ...


class CatalogClient(Protocol):
    """The service of a client that a plan uses."""

    @property
    def catalog(self) -> VoucherReader:
        """Reads products."""
        ...


class PlanCatalog:
    """The products of a plan. It reads each product once, and only those that rows name.

    Args:
        client: Reads the products: one getVouchers call for each hundred of them.
        currency: The account's currency, for costs; empty when it is not known.
    """

    def __init__(self, client: CatalogClient, currency: str = "") -> None:
        self.currency: Final[str] = currency
        self._client: Final = client
        self._known: Final[dict[int, Voucher | None]] = {}

    async def load(self, rows: Sequence[Row]) -> None:
        """Read the products that have not been read yet.

        Args:
            rows: The rows that name them. A product of a row with details is also looked for in the category of these
                details, because getVouchers lists each category apart (wire documentation § 4.2).
        """
        await self._read({row.order.product_id for row in rows} - self._known.keys(), None)
        elsewhere: dict[Category, set[int]] = {}
        for row in rows:
            category = _CATEGORY_OF.get(type(row.line.details))
            if category is not None and self._known.get(row.order.product_id) is None:
                elsewhere.setdefault(category, set()).add(row.order.product_id)
        for category, product_ids in elsewhere.items():
            await self._read(product_ids, category)

    async def load_shares(self, shares: Sequence[Share]) -> None:
        """Read the products of the orders that a ledger still has to send, in any category.

        Args:
            shares: What it has to send.
        """
        wanted = {share.product_id for share in shares}
        for category in (None, *dict.fromkeys(_CATEGORY_OF.values())):
            missing = {product_id for product_id in wanted if self._known.get(product_id) is None}
            await self._read(missing, category)

    def at_most(self, product_id: int, denomination: Decimal, quantity: int) -> Decimal | None:
        """Return what an order may cost before any discount, in the account's currency; None when it is not known.

        Args:
            product_id: The product, read before.
            denomination: The value of one piece.
            quantity: Pieces.
        """
        totals = ProductTotals.of(self._known.get(product_id), self.currency)
        return totals.at_most(denomination * quantity)

    async def _read(self, product_ids: set[int], category: Category | None) -> None:
        wanted = sorted(product_ids)
        for start in range(0, len(wanted), _IDS_A_CALL):
            asked = wanted[start : start + _IDS_A_CALL]
            found = await self._client.catalog.list_vouchers(
                page=1, limit=_IDS_A_CALL, product_ids=asked, category=category, exchange_rates=bool(self.currency)
            )
            by_id = {product.product_id: product for product in found}
            self._known.update({product_id: by_id.get(product_id) for product_id in asked})

    def get(self, product_id: int) -> Voucher | None:
        """Return a product that was read before; None when the vendor does not list it."""
        return self._known.get(product_id)


def add_up(shares: Sequence[Share], catalog: PlanCatalog | None) -> PlanTotals:
    """Return what a ledger still has to send, in sums.

    Args:
        shares: What it has to send.
        catalog: Their products, read before; None where products are not looked up.
    """
    totals = PlanTotals()
    for share in shares:
        product = catalog.get(share.product_id) if catalog is not None else None
        totals.add_share(share, product, catalog.currency if catalog is not None else "")
    return totals


def check_product(row: Row, product: Voucher | None, problems: Problems) -> bool:
    """Compare a row with its product; note each column that the vendor would refuse, or that contradicts the product.

    Args:
        row: The row.
        product: Its product; None when the vendor does not list it.
        problems: Where problems are noted.

    Returns:
        Whether the row has no problem.
    """
    if product is None:
        what = f"no product {row.order.product_id} in this account's catalog"
        problems.add(row.number, what, column="product_id", value=row.order.product_id, given=row.given)
        return False
    found = {**_refused(row, product), **_contradicted(row, product)}
    if "currency" in found and _shows_currency_beside(row, problems):
        what = found.pop("currency")
        found["denomination"] = "; ".join(filter(None, (found.get("denomination"), what)))
    for column, what in found.items():
        problems.add(row.number, what, column=column, value=getattr(row.line, column), given=row.given)
    return not found


def _shows_currency_beside(row: Row, problems: Problems) -> bool:
    """Return whether a row of a file has its currency from a sign beside the amount, or from that column's name."""
    if row.file_row is None:
        return False
    title = problems.titles.get("currency", "currency").casefold()
    return not any(
        name.strip().casefold() == title and value is not None and str(value).strip()
        for name, value in row.given.items()
    )


def _refused(row: Row, product: Voucher) -> dict[str, str]:
    """Return, by column, what the vendor would refuse of a row."""
    found: dict[str, str] = {}
    order, offered = row.order, product.denominations
    if product.max_value:
        low, high = product.min_value or Decimal(0), product.max_value
        # A product has been seen with a minimum above its maximum (wire documentation § 4.2): then any value passes.
        if low <= high and not low <= order.denomination <= high:
            found["denomination"] = f"{order.denomination} is outside {low} to {high} of {product.name}"
    elif offered and order.denomination not in offered:
        found["denomination"] = f"{order.denomination} is not offered; {product.name} has {_listed(offered)}"
    limit = product.order_quantity_limit
    if limit and order.quantity > limit:
        found["quantity"] = f"{order.quantity} is over the {limit} that one order of {product.name} may hold"
    if product.is_phone_number_mandatory and not order.contact:
        found["contact"] = f"{product.name} needs the receiver's phone number"
    return found


def _contradicted(row: Row, product: Voucher) -> dict[str, str]:
    """Return, by column, where a row names another currency or country than its product has."""
    found: dict[str, str] = {}
    line = row.line
    if line.currency and product.currency_code and line.currency.casefold() != product.currency_code.casefold():
        found["currency"] = f"{product.name} is in {product.currency_code}, not in {line.currency}"
    countries = _countries(product)
    if line.country and countries and country_name(line.country) not in countries:
        where = _where(product)
        found["country"] = f"{product.name} is good in {where}, not {line.country}"
    return found


def _countries(product: Voucher) -> set[str]:
    """Return the names and codes of the countries a product is good in, in one spelling."""
    names = [product.country_name, *(product.country_code or "").split(",")]
    for country in product.countries:
        names += [country.code, country.name]
    return {name for name in map(country_name, names) if name}


def _where(product: Voucher) -> str:
    """Return the countries a product is good in, for a person: `India (IN)`."""
    name, code = product.country_name, product.country_code
    if not name and product.countries:
        return ", ".join(country.name or country.code or "" for country in product.countries)
    return f"{name} ({code})" if name and code and name != code else name or code or ""


def _listed(values: tuple[Decimal, ...]) -> str:
    shown = ", ".join(f"{value:f}" for value in sorted(values)[:12])
    return f"{shown} …" if len(values) > 12 else shown
