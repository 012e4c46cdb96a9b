"""The sandbox's products: a fixed set that tests and examples can rely on, and forty more that depend on the seed.

| id | product | values |
|---|---|---|
| 1001 | Corner Shop, India, INR | 100 250 500 1000 2000 |
| 1002 | Book Nook, India, INR, codes with PIN | 100 to 10000, open value |
| 1003 | Cinema Circle, India, INR, 5 % discount | 200 500 1000 |
| 1004 | Main Street Market, USA, USD, a link | 5 10 25 50 100 |
| 1005 | High Street Card, United Kingdom, GBP, 2 % fee | 10 20 50 |
| 1006 | Marktplatz, Germany, EUR | 10 25 50 100 |
| 1007 | Souk Card, UAE, AED, a link with PIN | 50 100 250 |
| 1010 | Slow Press, INR, delivered later (`delivery_delay_s`) | 500 |
| 1011 | Sold Out, INR, out of stock (PLE10024) | 500 |
| 1012 | Strict Store, INR, KYC not approved (PLE10015) | 500 |
| 1013 | Phone First, INR, needs a phone number (`contact`) | 500 |
| 1014 | Bulk Buy, INR, up to 9,999 pieces in one order | 10 50 |
| 1021 | Sky Lounge (lounge) | 1000 |
| 1022 | Cloud Miles (miles) | 100 500 |
| 1023 | Garden Chair (merchandise) | 1500 |
| 1024 | Ring Mobile (top-up operator); 1025 is its plan | 199 |
| 1026 | Clean Rivers (charity) | 10 to 5000, open value |
| 1031, 1032 | Studio Pass, Trail Maps (perks): the catalog itself has the code or the link, without an order | none |
"""

import random
from decimal import Decimal
from typing import Final, NamedTuple

__all__ = ["COUNTRIES", "Product", "make_products"]


class Country(NamedTuple):
    """A country and its currency."""

    code: str
    name: str
    filter_code: str
    currency: str
    currency_name: str
    rate: Decimal


COUNTRIES: Final = (
    Country("IN", "India", "india", "INR", "rupees", Decimal(1)),
    Country("US", "USA", "usa", "USD", "Dollar", Decimal("83.25")),
    Country("GB", "United Kingdom", "united_kingdom", "GBP", "Pound", Decimal("105.4")),
    Country("DE", "Germany", "germany", "EUR", "Euro", Decimal("90.1")),
    Country("AE", "UAE", "uae", "AED", "Dirham", Decimal("22.67")),
)


class Product(NamedTuple):
    """A product on sale.

    Attributes:
        id: The productId.
        name: The name.
        country: The country where it can be used.
        values: The denominations. For an open value: the smallest and the largest.
        open_value: Whether every value between the two is sold.
        fee: The fee, in percent.
        discount: The discount, in percent.
        code_type: `code`, `codePin`, `url` or `urlPin`.
        category: The category that lists it; empty for gift cards.
        limit: The most pieces that one order may have.
        needs_phone: Whether `contact` is required.
        trouble: The error id that each order of it gets; empty for none.
        delayed: Whether its codes come later than the order.
        parent: The operator, for a top-up plan.
        perk: The code and the link of a perk.
    """

    id: int
    name: str
    country: Country
    values: tuple[Decimal, ...]
    open_value: bool = False
    fee: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    code_type: str = "code"
    category: str = ""
    limit: int = 10
    needs_phone: bool = False
    trouble: str = ""
    delayed: bool = False
    parent: int | None = None
    perk: tuple[str, str] = ("", "")

    def sells(self, value: Decimal) -> bool:
        """Return whether the product is sold at this value."""
        if not self.values:
            return False
        return self.values[0] <= value <= self.values[-1] if self.open_value else value in self.values

    def price(self, value: Decimal, quantity: int) -> tuple[Decimal, Decimal]:
        """Return the total and the discount of an order, in the account's currency and not rounded."""
        face = value * quantity * self.country.rate
        return face * (1 + self.fee / 100), face * self.discount / 100


def _values(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(number) for number in numbers)


_IN, _US, _GB, _DE, _AE = COUNTRIES

_FIXED: Final = (
    Product(1001, "Corner Shop", _IN, _values(100, 250, 500, 1000, 2000)),
    Product(1002, "Book Nook", _IN, _values(100, 10000), open_value=True, code_type="codePin"),
    Product(1003, "Cinema Circle", _IN, _values(200, 500, 1000), discount=Decimal(5)),
    Product(1004, "Main Street Market", _US, _values(5, 10, 25, 50, 100), code_type="url"),
    Product(1005, "High Street Card", _GB, _values(10, 20, 50), fee=Decimal(2)),
    Product(1006, "Marktplatz", _DE, _values(10, 25, 50, 100)),
    Product(1007, "Souk Card", _AE, _values(50, 100, 250), code_type="urlPin"),
    Product(1010, "Slow Press", _IN, _values(500), delayed=True),
    Product(1011, "Sold Out", _IN, _values(500), trouble="PLE10024"),
    Product(1012, "Strict Store", _IN, _values(500), trouble="PLE10015"),
    Product(1013, "Phone First", _IN, _values(500), needs_phone=True),
    Product(1014, "Bulk Buy", _IN, _values(10, 50), limit=10_000),
    Product(1021, "Sky Lounge", _IN, _values(1000), category="lounge", limit=1),
    Product(1022, "Cloud Miles", _IN, _values(100, 500), category="miles", limit=1),
    Product(1023, "Garden Chair", _IN, _values(1500), category="merchandise"),
    Product(1024, "Ring Mobile", _IN, _values(199), category="topup", limit=1),
    Product(1025, "Ring Mobile 28 days", _IN, _values(199), category="topup", limit=1, parent=1024),
    Product(1026, "Clean Rivers", _IN, _values(10, 5000), open_value=True, category="charity"),
    Product(1031, "Studio Pass", _US, (), category="offers", perk=("PERK-1031-CODE", "")),
    Product(1032, "Trail Maps", _IN, (), category="offers", perk=("", "https://perks.example.com/1032")),
)

_FIRST: Final = ("Blue", "Green", "Golden", "Happy", "Northern", "Silver", "Sunny", "Urban", "Velvet", "Wild")
_LAST: Final = ("Bakery", "Boots", "Cycles", "Florist", "Gadgets", "Kitchen", "Optics", "Outdoors", "Spa", "Toys")


def make_products(seed: int) -> dict[int, Product]:
    """Return the catalog of a seed: the fixed products, and forty more.

    Args:
        seed: Fixes the forty: the same seed gives the same products.
    """
    dice = random.Random(seed)
    products = {product.id: product for product in _FIXED}
    names = [f"{first} {last}" for first in _FIRST for last in _LAST]
    dice.shuffle(names)
    for number, name in enumerate(names[:40], 2001):
        country = dice.choice(COUNTRIES)
        values = tuple(sorted({Decimal(dice.choice((5, 10, 20, 25, 50, 100, 200, 500))) for _ in range(4)}))
        products[number] = Product(
            number,
            name,
            country,
            values,
            fee=Decimal(dice.choice((0, 0, 0, 1, 2))),
            discount=Decimal(dice.choice((0, 0, 0, 3, 5))),
            code_type=dice.choice(("code", "codePin", "url", "urlPin")),
        )
    return products
