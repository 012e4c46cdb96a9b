"""`products`: the catalog has every kind of product that a client must handle, with its prices."""

from decimal import Decimal

from xoxo_async.sandbox.products import Product, make_products

PRODUCTS = make_products(7)


def one(**given: object) -> Product:
    return next(iter(PRODUCTS.values()))._replace(**given)


def test_the_catalog_has_every_kind_of_product() -> None:
    """There are fixed and open values, codes and links, PINs, delays, fees, discounts, phone numbers and refusals."""
    products = list(PRODUCTS.values())
    assert all(number == product.id for number, product in PRODUCTS.items())
    assert any(product.open_value for product in products)
    assert any(product.delayed for product in products)
    assert any(product.needs_phone for product in products)
    assert any(product.trouble for product in products)
    assert any(product.fee for product in products)
    assert any(product.discount for product in products)
    assert {product.code_type for product in products} >= {"code", "codePin", "url"}
    assert len({product.country.currency for product in products}) > 2


def test_a_product_sells_its_values_only() -> None:
    """A fixed product sells its values; an open one sells every value between its bounds, bounds included."""
    fixed = one(open_value=False, values=(Decimal(100), Decimal(500)))
    assert [fixed.sells(Decimal(value)) for value in (100, 500, 250)] == [True, True, False]
    free = one(open_value=True, values=(Decimal(100), Decimal(500)))
    assert [free.sells(Decimal(value)) for value in (99, 100, 250, 500, 501)] == [False, True, True, True, False]


def test_a_price_covers_value_rate_and_discount() -> None:
    """The price of all pieces is in the account's currency, and the discount stands beside it."""
    home = one(fee=Decimal(0), discount=Decimal(0))
    home = home._replace(country=home.country._replace(rate=Decimal(1)))
    assert home.price(Decimal(100), 3) == (Decimal(300), Decimal(0))
    total, discount = home._replace(discount=Decimal(10)).price(Decimal(100), 3)
    assert (total, discount) == (Decimal(300), Decimal(30))
    abroad = home._replace(country=home.country._replace(rate=Decimal(80)))
    assert abroad.price(Decimal(100), 3)[0] == Decimal(24_000)
