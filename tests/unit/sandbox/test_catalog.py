"""`catalog`: products of every kind that a client must cope with, and their prices."""

from decimal import Decimal

from xoxo_async.sandbox.catalog import Product, make_products

PRODUCTS = make_products(7)


def one(**given: object) -> Product:
    return next(iter(PRODUCTS.values()))._replace(**given)


def test_every_kind_that_a_client_must_cope_with_is_there() -> None:
    """Fixed and open values, codes and links with and without a PIN, late ones, fees, discounts, phones, trouble."""
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


def test_a_fixed_product_sells_its_values_and_an_open_one_what_lies_between() -> None:
    """Nothing else, and nothing at its edges is lost."""
    fixed = one(open_value=False, values=(Decimal(100), Decimal(500)))
    assert [fixed.sells(Decimal(value)) for value in (100, 500, 250)] == [True, True, False]
    free = one(open_value=True, values=(Decimal(100), Decimal(500)))
    assert [free.sells(Decimal(value)) for value in (99, 100, 250, 500, 501)] == [False, True, True, True, False]


def test_a_price_is_value_and_fee_in_the_accounts_currency_less_the_discount() -> None:
    """For all pieces."""
    home = one(fee=Decimal(0), discount=Decimal(0))
    home = home._replace(country=home.country._replace(rate=Decimal(1)))
    assert home.price(Decimal(100), 3) == (Decimal(300), Decimal(0))
    total, discount = home._replace(discount=Decimal(10)).price(Decimal(100), 3)
    assert (total, discount) == (Decimal(300), Decimal(30))
    abroad = home._replace(country=home.country._replace(rate=Decimal(80)))
    assert abroad.price(Decimal(100), 3)[0] == Decimal(24_000)
