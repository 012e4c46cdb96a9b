"""The catalog: filters, products, and the operator of a phone number."""

import json
from collections.abc import Callable

from xoxo_async.sandbox.products import COUNTRIES, Product
from xoxo_async.sandbox.reading import Data, Refusal, amount, codes, digits, ids, number, page_of, text, whole
from xoxo_async.sandbox.state import State

__all__ = ["get_filters", "get_vouchers", "lookup_mobile_number"]


def get_filters(_state: State, data: Data, _openapi: bool) -> object:
    """Return the groups that products can be filtered by."""
    wanted = text(data, "filterGroupCode").lower()
    # The vendor applies includeFilters and excludeFilters only together with a group.
    included = codes(data, "includeFilters") if wanted else frozenset()
    excluded = codes(data, "excludeFilters") if wanted else frozenset()
    found = [
        {
            "filterGroupName": name,
            "filterGroupDescription": "",
            "filterGroupCode": code,
            "filters": [
                value
                for value in values
                if (not included or value["filterValueCode"] in included) and value["filterValueCode"] not in excluded
            ],
        }
        for name, code, values in _filter_groups()
        if wanted in {"", code.lower()}
    ]
    if not found:
        raise Refusal("PLE10029")
    return found


def _filter_groups() -> list[tuple[str, str, list[dict[str, str]]]]:
    countries = [
        {"filterValue": country.name, "isoCode": country.code, "filterValueCode": country.filter_code}
        for country in COUNTRIES
    ]
    currencies = [
        {"filterValue": country.currency_name, "isoCode": "", "filterValueCode": country.currency}
        for country in COUNTRIES
    ]
    categories = [{"filterValue": "Home &amp; Living", "isoCode": "", "filterValueCode": "1"}]
    return [
        ("Country", "country", countries),
        ("Currency", "currencyCode", currencies),
        ("Category", "voucher_category", categories),
    ]


def get_vouchers(state: State, data: Data, openapi: bool) -> object:
    """Return a page of products."""
    products = _select(state, data)
    sort = data.get("sort")
    if isinstance(sort, dict) and sort.get("field") == "name":
        products.sort(key=lambda product: product.name, reverse=sort.get("order") == "DESC")
    rated = str(data.get("exchangeRate", "")) == "1"
    found = page_of(data, products, "PLE10033")
    if not found:
        raise Refusal("PLE10030")
    return [_product_reply(product, rated=rated, openapi=openapi) for product in found]


def _select(state: State, data: Data) -> list[Product]:
    included, excluded = ids(data, "includeProducts"), ids(data, "excludeProducts")
    # The vendor's pages ask for perks by `categoryTypes`, and for every other category by `categoryType`.
    category = "offers" if text(data, "categoryTypes") == "offers" else text(data, "categoryType")
    parent = whole(data, "parentProductId", "PLE10033", 0)
    tests: list[Callable[[Product], bool]] = [lambda product: product.id not in excluded]
    if included:
        tests.append(lambda product: product.id in included)
    elif parent:
        tests.append(lambda product: product.parent == parent)
    else:
        tests.append(lambda product: product.category == category and product.parent is None)
    filters = data.get("filters")
    entries = [entry for entry in filters if isinstance(entry, dict)] if isinstance(filters, list) else []
    in_a_currency = any(text(entry, "key") == "currencyCode" for entry in entries)
    for entry in entries:
        test = _price(entry) if in_a_currency else None  # the vendor ignores a price without a currency
        test = test or _filter(entry)
        if test is not None:
            tests.append(test)
    return [product for product in state.products.values() if all(test(product) for test in tests)]


def _filter(entry: Data) -> Callable[[Product], bool] | None:
    key, value = text(entry, "key"), text(entry, "value")
    if key == "country":
        if value not in {country.filter_code for country in COUNTRIES}:
            raise Refusal("PLE10031")  # an ISO code is not a filter value
        return lambda product: product.country.filter_code == value
    if key == "currencyCode":
        return lambda product: product.country.currency == value
    if key == "productName":
        return lambda product: value.lower() in product.name.lower()
    if key == "deliveryType":
        if value not in {"realtime", "delayed"}:
            raise Refusal("PLE10031")
        return lambda product: product.delayed == (value == "delayed")
    if key == "voucher_category":
        if value != "1":
            raise Refusal("PLE10031")  # getFilters names one category only
        return lambda product: product.category == ""
    return None  # the vendor ignores unknown keys, and productId is one of them


def _price(entry: Data) -> Callable[[Product], bool] | None:
    """Return the test of a price filter: a lower bound, an upper bound, or one price."""
    key = text(entry, "key")
    if key not in {"minPrice", "maxPrice", "price"}:
        return None
    bound = amount(entry, "value", "PLE10031")
    if key == "minPrice":
        return lambda product: bool(product.values) and product.values[-1] >= bound
    if key == "maxPrice":
        return lambda product: bool(product.values) and product.values[0] <= bound
    return lambda product: product.sells(bound)


def _product_reply(product: Product, *, rated: bool, openapi: bool) -> dict[str, object]:
    """Return a product as one dialect shows it; `rated` is whether to add its exchange rate."""
    reply = _listed_fields(product)
    if not openapi:
        reply |= _vendor_fields(product, rated=rated)
    if product.category == "offers":
        code, link = product.perk
        perk = {"categorytype": "offers", "type": "code" if code else "link", "code": code, "link": link}
        reply |= {"valueDenominations": "0", "metadata": {**perk, "expiryDate": "2099-12-31"}}
    return reply


def _listed_fields(product: Product) -> dict[str, object]:
    """Return the fields that the OpenAPI file lists."""
    country = product.country
    return {
        "productId": product.id,
        "name": product.name,
        "description": f"<p>{product.name} gift card</p>\r\n",
        "minValue": number(product.values[0]) if product.open_value else 0,
        "maxValue": number(product.values[-1]) if product.open_value else 0,
        "valueDenominations": ",".join(f"{value:f}" for value in product.values),
        "fee": number(product.fee),
        "discount": number(product.discount),
        "countryCode": country.code,
        "countryName": country.name,
        "currencyCode": country.currency,
        "termsAndConditionsInstructions": "<ul><li>Sandbox only.</li></ul>",
        "expiryAndValidity": "<p>12 months</p>",
        "deliveryType": "delayed" if product.delayed else "realtime",
        "tatInDays": 7 if product.delayed else 0,
        "usageType": "online",
        "imageUrl": f"https://images.example.com/{product.id}.png",
        "loyaltyName": "",
        "productMeta": "{}",
    }


def _vendor_fields(product: Product, *, rated: bool) -> dict[str, object]:
    """Return the fields that the vendor's pages add or write in another form."""
    country = product.country
    return {
        "redemptionInstructions": "<p>Show it at the till.</p>",
        "categories": "Shopping,Home &amp; Living",
        "lastUpdateDate": "2026-01-06 10:23:24",
        "currencyName": country.currency_name,
        "countries": [{"code": country.code, "name": country.name}],
        "valueType": "open_value" if product.open_value else "fixed_denomination",
        "tatInDays": "1 - 7" if product.delayed else 0,
        "exchangeRate": f"{country.rate:f}" if rated else None,
        "orderQuantityLimit": product.limit,
        "isPhoneNumberMandatory": product.needs_phone,
        "isRecommended": 0,
        "loyaltyName": None,
        "filterGroupCode": "voucher_category",
        "productMeta": json.dumps({"fields": []}),
        "parentProductId": product.parent,
    }


def lookup_mobile_number(_state: State, data: Data) -> object:
    """Return the operator of a phone number. The sandbox has one operator."""
    number = str(data.get("mobile_number") or "")
    if not number.startswith("+") or digits(number[1:]) is None:
        return {"status": "failure", "message": "invalid number"}
    return {
        "status": "success",
        "message": "",
        "phone": number,
        "network_operator": "Ring Mobile",
        "is_active": True,
        "parentProductId": 1024,
    }
