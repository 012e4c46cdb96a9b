"""`totals`: what a plan adds up to."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.services.account import Balance
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import PlaceOrder, place_order


def product(product_id: int, currency: str, **other: object) -> Voucher:
    """Return a product as the catalog has it."""
    return msgspec.convert({"productId": product_id, "currencyCode": currency, **other}, Voucher)


def order(product_id: int, value: int, quantity: int = 1) -> PlaceOrder:
    """Return a request."""
    return place_order(product_id=product_id, denomination=value, quantity=quantity, po_number="PO-1")


def added(totals: PlanTotals, order: PlaceOrder, product: Voucher) -> Decimal | None:
    """Count one line in, and return what it may cost at most."""
    worth = totals.worth_of(order, product, "INR")
    totals.add(order, worth)
    return worth.most


def test_fee_discount_and_rate_make_the_cost() -> None:
    """A fee adds to the greatest and the expected cost, a discount lowers the latter, and a rate converts both."""
    totals = PlanTotals()
    worth = added(totals, order(2, 50, 2), product(2, "USD", exchangeRate="83.5", fee=2, discount="10"))
    assert worth == Decimal(8517)
    assert (totals.cost_at_most, totals.cost_expected) == (Decimal("8517.00"), Decimal("7682.00"))
    assert totals.face == {"USD": Decimal(100)}


def test_an_unknown_rate_makes_the_sum_unknown() -> None:
    """A sum never leaves out a product, and an unknown cost does not count as more than the balance."""
    totals = PlanTotals(balance=Balance(value=Decimal(0), currency="INR"))
    assert added(totals, order(1, 100), product(1, "INR")) == 100
    assert not totals.covered
    assert added(totals, order(2, 50), product(2, "USD", exchangeRate="")) is None
    assert totals.cost_at_most is None
    assert totals.cost_expected is None
    assert totals.covered


def test_without_an_account_currency_nothing_has_a_cost() -> None:
    """When the balance cannot be read, the face values are known and the costs are not."""
    assert ProductTotals.of(product(1, "INR"), "").rate is None
