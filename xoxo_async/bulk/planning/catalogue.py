"""The products a plan's rows name: read once each, and what the vendor would refuse of a row told beforehand."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.intake.order_lines import OrderLine, Problems
from xoxo_async.bulk.ledger.protocol import Share
from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.services.catalog import Category, Voucher
from xoxo_async.services.orders import AirmilesDetails, LoungeDetails, ShippingDetails, TopUpDetails

__all__ = ["Catalogue", "check_product"]

_IDS_A_CALL: Final = 100
_CATEGORY_OF: Final[dict[type, Category]] = {
    LoungeDetails: "lounge",
    AirmilesDetails: "miles",
    TopUpDetails: "topup",
    ShippingDetails: "merchandise",
}


class Catalogue:
    """The products of a plan, read once each and only those the rows name.

    Args:
        client: Reads them; costs one getVouchers call a hundred products.
        currency: The account's currency, which costs are told in; empty when it is not known.
    """

    def __init__(self, client: BulkClient, currency: str = "") -> None:
        self.currency: Final = currency
        self._client: Final = client
        self._known: Final[dict[int, Voucher | None]] = {}

    async def load(self, lines: Sequence[OrderLine]) -> None:
        """Read the products that have not been read yet.

        Args:
            lines: Whose products. Those with details are looked for in their own catalogue, too.
        """
        await self._read({line.product_id for line in lines} - self._known.keys(), None)
        elsewhere: dict[Category, set[int]] = {}
        for line in lines:
            category = _CATEGORY_OF.get(type(line.details))
            if category is not None and self._known.get(line.product_id) is None:
                elsewhere.setdefault(category, set()).add(line.product_id)
        for category, product_ids in elsewhere.items():
            await self._read(product_ids, category)

    async def load_shares(self, shares: Sequence[Share]) -> None:
        """Read the products of what a ledger still has to send, in whatever catalogue they are.

        Args:
            shares: What it has to send.
        """
        wanted = {share.product_id for share in shares}
        for category in (None, *dict.fromkeys(_CATEGORY_OF.values())):
            missing = {product_id for product_id in wanted if self._known.get(product_id) is None}
            await self._read(missing, category)

    def at_most(self, product_id: int, denomination: Decimal, quantity: int) -> Decimal | None:
        """Return what an order may cost before any discount, in the account's currency; None where nobody knows.

        Args:
            product_id: The product, read before.
            denomination: The value of one piece.
            quantity: Pieces.
        """
        totals = ProductTotals.of(self._known.get(product_id), self.currency)
        return totals.at_most(denomination * quantity)

    def totals(self, shares: Sequence[Share]) -> PlanTotals:
        """Return what a ledger still has to send, in sums.

        Args:
            shares: What it has to send, its products read before.
        """
        totals = PlanTotals()
        for share in shares:
            totals.add_share(share, self._known.get(share.product_id), self.currency)
        return totals

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
        """Return a product read before, None when the vendor does not list it."""
        return self._known.get(product_id)


def check_product(row: int, line: OrderLine, product: Voucher | None, problems: Problems) -> None:
    """Note what the vendor would refuse of a row, and where the row itself says something else than the catalogue.

    Args:
        row: Its number.
        line: The row.
        product: Its product; None when the vendor does not list it.
        problems: Where it is noted.
    """

    def bad(column: str, what: str) -> None:
        problems.add(row, what, column=column)

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
    if line.currency and product.currency_code and line.currency.casefold() != product.currency_code.casefold():
        bad("currency", f"{product.name} is in {product.currency_code}, not in {line.currency}")
    countries = _countries(product)
    if line.country and countries and line.country.casefold() not in countries:
        bad("country", f"{product.name} is good in {product.country_name or product.country_code}, not {line.country}")


def _countries(product: Voucher) -> set[str]:
    """Return the names and codes of the countries a product is good in, case-folded."""
    names = [product.country_name, *(product.country_code or "").split(",")]
    for country in product.countries:
        names += [country.code, country.name]
    return {name.strip().casefold() for name in names if name and name.strip()}


def _listed(values: tuple[Decimal, ...]) -> str:
    shown = ", ".join(f"{value:f}" for value in sorted(values)[:12])
    return f"{shown} …" if len(values) > 12 else shown
