"""What a job's orders may cost today: the account's currency and the products' prices, for plans and for budgets."""

from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.facts import CURRENCY, PRODUCTS
from xoxo_async.bulk.ledger.overview import ProductNote, products_of
from xoxo_async.bulk.ledger.protocol import Ledger, Share
from xoxo_async.bulk.planning.catalog import PlanCatalog, add_up
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.errors import ApiError, ConfigError
from xoxo_async.services.account.replies import Balance

__all__ = ["Prices", "keep_products"]


class Prices:
    """The balance, and the prices of what a ledger still has to send.

    Args:
        ledger: The ledger.
        balance: The account's balance; None where it is not known.
        catalog: The products; None where rows are not checked.
    """

    def __init__(self, ledger: Ledger, balance: Balance | None, catalog: PlanCatalog | None) -> None:
        self.balance: Final = balance
        self.catalog: Final = catalog
        self._ledger: Final = ledger

    @classmethod
    async def read(cls, client: BulkClient, ledger: Ledger, *, check: bool, max_spend: Decimal | None) -> "Prices":
        """Read the balance and the prices: one getBalance call, and one getVouchers call a hundred products.

        Args:
            client: Reads them.
            ledger: Its earlier rows are priced as well.
            check: Whether rows are checked against the catalog. Otherwise nothing is read.
            max_spend: What the job may cost; None where no budget depends on the prices.

        Raises:
            ConfigError: The account's currency is not the one that the job began with, so a budget means nothing.
            XoxoError: Prices cannot be read. A balance that cannot be read matters only to a budget.
        """
        if not check:
            return cls(ledger, None, None)
        balance = await _balance(client, needed=max_spend is not None)
        if balance is not None and max_spend is not None:
            known = await ledger.get_fact(CURRENCY)
            if known and known != balance.currency:
                raise ConfigError(
                    f"the account's currency was {known} when this job began, and is {balance.currency} now: max_spend"
                    " cannot be enforced; nothing was sent"
                )
        catalog = PlanCatalog(client, balance.currency if balance is not None else "")
        await catalog.load_shares(await ledger.backlog(doubted=True))
        return cls(ledger, balance, catalog)

    @property
    def currency(self) -> str:
        """The account's currency, empty where it is not known."""
        return self.balance.currency if self.balance is not None else ""

    async def totals(self, shares: list[Share]) -> PlanTotals:
        """Return what is to be sent in sums.

        Args:
            shares: What is to be sent; products that were not read yet are read now.

        Raises:
            XoxoError: Prices cannot be read.
        """
        if self.catalog is None:
            return add_up(shares, None)
        await self.catalog.load_shares(shares)
        return add_up(shares, self.catalog)

    async def reprice(self) -> None:
        """Set what the ledger's orders may cost to today's prices."""
        if self.catalog is not None:
            await self._ledger.reprice(self.catalog.at_most)

    async def keep_currency(self) -> None:
        """Keep the account's currency in the ledger."""
        if self.balance is not None and not await self._ledger.get_fact(CURRENCY):
            await self._ledger.set_fact(CURRENCY, self.balance.currency)


async def keep_products(ledger: Ledger, totals: PlanTotals) -> None:
    """Keep names and prices of a plan's products in the ledger, for its report; a product that it knows stays.

    Args:
        ledger: The ledger.
        totals: The plan in sums.
    """
    known = products_of(await ledger.get_fact(PRODUCTS))
    new = {
        product_id: ProductNote(product.name, product.currency, product.rate, product.fee, product.discount)
        for product_id, product in totals.by_product.items()
        if product_id not in known and product.currency
    }
    if new:
        await ledger.set_fact(PRODUCTS, msgspec.json.encode(known | new).decode())


async def _balance(client: BulkClient, *, needed: bool) -> Balance | None:
    try:
        return await client.account.get_balance()
    except ApiError:
        if needed:
            raise
        return None  # the plan is checked without it
