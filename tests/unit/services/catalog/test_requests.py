"""`catalog.requests`: arguments become the vendor's fields, or are refused by name."""

from typing import Any

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.services.catalog.requests import FilterBy, Sort, VouchersRequest, filters_request, vouchers_request


def vouchers(**given: Any) -> VouchersRequest:
    return vouchers_request(**{"page": 1, "limit": 10, **given})


def test_a_filter_not_given_is_not_sent() -> None:
    """With page and limit alone, no empty filter narrows the catalog."""
    assert vouchers() == VouchersRequest(limit=10, page=1)


def test_country_and_currency_join_other_filters() -> None:
    """The caller's own filters are sent beside them."""
    asked = vouchers(country="usa", currency="USD", filters={"productName": "shop"})
    assert asked.filters == (
        FilterBy("country", "usa"),
        FilterBy("currencyCode", "USD"),
        FilterBy("productName", "shop"),
    )


def test_lists_are_sent_as_comma_lists() -> None:
    """This holds for ids of products and for values of a filter group."""
    asked = vouchers(product_ids=(7, 8), exclude_product_ids=(9,), sort=("name", "DESC"))
    assert (asked.include_products, asked.exclude_products, asked.sort) == ("7,8", "9", Sort("name", "DESC"))
    groups = filters_request("country", ["usa", "india"], ["uae"])
    assert (groups.include_filters, groups.exclude_filters) == ("usa,india", "uae")


@pytest.mark.parametrize("category", ["perks", "offers"])
def test_perks_have_two_names(category: str) -> None:
    """The vendor calls perks `offers` in a plural field, and either name makes the same request."""
    asked = vouchers(category=category)
    assert (asked.category_type, asked.category_types) == ("", "offers")


def test_plans_are_filtered_by_operator() -> None:
    """The filter works in the top-up catalog alone."""
    asked = vouchers(category="topup", parent_product_id=1024)
    assert (asked.category_type, asked.parent_product_id) == ("topup", 1024)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"page": 0}, "page"),
        ({"limit": 0}, "limit"),
        ({"category": "food"}, "category"),
        ({"sort": ("price", "ASC")}, "sort"),
        ({"sort": ("name", "up")}, "sort"),
        ({"product_ids": (0,)}, "product_ids"),
        ({"product_ids": ("1",)}, "product_ids"),
        ({"exclude_product_ids": (True,)}, "exclude_product_ids"),
        ({"country": "us\na"}, "country"),
        ({"filters": {"price": 5}}, "price"),
        ({"parent_product_id": 5}, "parent_product_id"),
        ({"parent_product_id": 0, "category": "topup"}, "parent_product_id"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], named: str) -> None:
    """The error comes before anything is sent."""
    with pytest.raises(ConfigError, match=named):
        vouchers(**wrong)


@pytest.mark.parametrize(
    "wrong", [("", ["usa"], []), ("", [], ["usa"]), ("country", "usa", []), ("country", [" "], [])]
)
def test_values_need_a_list_and_a_group(wrong: tuple[Any, Any, Any]) -> None:
    """The vendor ignores them without a group, and a text would count letter by letter."""
    with pytest.raises(ConfigError):
        filters_request(*wrong)


def test_an_unknown_filter_is_a_type_error() -> None:
    """A misspelled filter must not be left out silently: it would return other products."""
    with pytest.raises(TypeError, match="no filter 'contry'"):
        vouchers(contry="usa")
