"""`prices`: what a budget needs to know of account and catalog."""

from decimal import Decimal

import pytest

from tests.unit.bulk.jobs import Client, issuer
from xoxo_async import errors
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.ledger.facts import PRODUCTS
from xoxo_async.bulk.ledger.overview import ProductNote, products_of
from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.bulk.prices import keep_products

pytestmark = pytest.mark.anyio


async def test_only_a_budget_needs_the_balance(client: Client, ledger: SqliteLedger) -> None:
    """Where it cannot be read, a plan is made without it, unless it is to hold to a budget in its currency."""
    assert (await issuer(client, ledger, check=True).plan([])).balance == client.balance
    client.balance = errors.ServerError("502")
    assert (await issuer(client, ledger, check=True).plan([])).balance is None
    with pytest.raises(errors.ServerError):
        await issuer(client, ledger, check=True, max_spend=Decimal(1)).plan([])


async def test_products_are_kept_as_first_planned(ledger: SqliteLedger) -> None:
    """A later plan adds its own, and changes none; a product that was not looked up is not kept."""
    shop = ProductTotals(name="Shop", currency="INR", rate=Decimal(1), fee=Decimal(2))
    await keep_products(ledger, PlanTotals(by_product={7: shop, 8: ProductTotals()}))
    dearer = ProductTotals(name="Shop", currency="INR", fee=Decimal(9))
    card = ProductTotals(name="Card", currency="USD", discount=Decimal(5))
    await keep_products(ledger, PlanTotals(by_product={7: dearer, 9: card}))
    assert products_of(await ledger.get_fact(PRODUCTS)) == {
        7: ProductNote("Shop", "INR", Decimal(1), Decimal(2), Decimal(0)),
        9: ProductNote("Card", "USD", None, Decimal(0), Decimal(5)),
    }
