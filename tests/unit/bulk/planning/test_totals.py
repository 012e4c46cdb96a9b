"""`totals`: what a plan adds up to."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.services.account import Balance
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import PlaceOrder, place_order


def product(product_id: int, currency: str, **other: object) -> Voucher:
    """Return a product as the catalogue has it."""
    return msgspec.convert({"productId": product_id, "currencyCode": currency, **other}, Voucher)


def order(product_id: int, value: int, quantity: int = 1) -> PlaceOrder:
    """Return a request."""
    return place_order(product_id=product_id, denomination=value, quantity=quantity, po_number="PO-1")


def test_fee_discount_and_rate_make_the_cost() -> None:
    """A fee counts on the worst and the likely cost, a discount on the likely one alone; foreign values are changed."""
    totals = PlanTotals()
    worth = totals.add(order(2, 50, 2), product(2, "USD", exchangeRate="83.5", fee=2, discount="10"), currency="INR")
    assert worth == Decimal(8517)
    assert (totals.cost_at_most, totals.cost_expected) == (Decimal("8517.00"), Decimal("7682.00"))
    assert totals.face == {"USD": Decimal(100)}


def test_an_unknown_rate_makes_all_of_it_unknown() -> None:
    """No sum is told that leaves something out; and nobody then says that the balance is short."""
    totals = PlanTotals(balance=Balance(value=Decimal(0), currency="INR"))
    assert totals.add(order(1, 100), product(1, "INR"), "INR") == 100
    assert not totals.covered
    assert totals.add(order(2, 50), product(2, "USD", exchangeRate=""), "INR") is None
    assert totals.cost_at_most is None
    assert totals.cost_expected is None
    assert totals.covered


def test_without_an_account_currency_nothing_has_a_cost() -> None:
    """Where the balance could not be read, face values are all there is."""
    assert ProductTotals.of(product(1, "INR"), "").rate is None
