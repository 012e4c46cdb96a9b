"""`handlers.catalog`: filter groups, pages of products, and the operator of a phone number."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.sandbox.handlers.servers import FlatServer
from xoxo_async.sandbox.handlers.catalog import get_filters, get_vouchers
from xoxo_async.sandbox.reading import Refusal
from xoxo_async.sandbox.state import State


@pytest.fixture
def state() -> State:
    return State(seed=1, balance=Decimal(0), path=None)


def values(state: State, **data: object) -> set[str]:
    groups: Any = get_filters(state, data, False)
    return {value["filterValueCode"] for group in groups for value in group["filters"]}


def products(state: State, *, openapi: bool = False, **data: object) -> list[dict[str, Any]]:
    found: Any = get_vouchers(state, {"limit": 100, **data}, openapi)
    return list(found)


def listed(state: State, **data: object) -> list[int]:
    return [product["productId"] for product in products(state, **data)]


def by(filters: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in filters.items()]


@pytest.mark.parametrize("code", ["Country", "country", "COUNTRY"])
def test_a_filter_group_is_found_in_any_case(state: State, code: str) -> None:
    """A request for `Country` is answered as `country`."""
    groups: Any = get_filters(state, {"filterGroupCode": code}, False)
    assert [group["filterGroupCode"] for group in groups] == ["country"]


def test_an_unknown_filter_group_is_refused(state: State) -> None:
    """Without a group all groups are listed; an unknown one is PLE10029."""
    groups: Any = get_filters(state, {}, False)
    assert [group["filterGroupCode"] for group in groups] == ["country", "currencyCode", "voucher_category"]
    with pytest.raises(Refusal, match="PLE10029"):
        get_filters(state, {"filterGroupCode": "colour"}, False)


def test_values_of_a_group_can_be_picked(state: State) -> None:
    """Values to include and to exclude are applied only together with a group."""
    assert values(state, filterGroupCode="country", includeFilters="usa,india") == {"usa", "india"}
    kept = {"india", "united_kingdom", "germany", "uae"}
    assert values(state, filterGroupCode="country", excludeFilters="usa") == kept
    assert {"usa", "uae", "INR"} <= values(state, includeFilters="india")


@pytest.mark.parametrize(
    ("filters", "kept", "dropped"),
    [
        ({"currencyCode": "INR", "minPrice": "3000"}, {1002}, {1001, 1003}),
        ({"currencyCode": "INR", "maxPrice": "100"}, {1001, 1002, 1014}, {1003, 1010}),
        ({"currencyCode": "INR", "price": "750"}, {1002}, {1001, 1003}),
        ({"minPrice": "3000"}, {1001, 1002, 1004}, set()),
        ({"deliveryType": "delayed"}, {1010}, {1001}),
        ({"deliveryType": "realtime"}, {1001}, {1010}),
        ({"voucher_category": "1"}, {1001, 1004}, {1021}),
        ({"productId": "1001"}, {1001, 1004}, set()),
        ({"country": "usa"}, {1004}, {1001, 1005}),
        ({"productName": "SHOP"}, {1001}, {1002}),
    ],
)
def test_products_can_be_filtered(state: State, filters: dict[str, str], kept: set[int], dropped: set[int]) -> None:
    """Filters work by price (with a currency only), delivery and category; productId is ignored."""
    found = set(listed(state, filters=by(filters)))
    assert kept <= found
    assert not dropped & found


@pytest.mark.parametrize(
    "filters",
    [{"country": "US"}, {"deliveryType": "soon"}, {"voucher_category": "9"}, {"currencyCode": "INR", "price": "cheap"}],
)
def test_an_invalid_filter_value_is_refused(state: State, filters: dict[str, str]) -> None:
    """An invalid value is PLE10031, and so is an ISO code in `country`."""
    with pytest.raises(Refusal, match="PLE10031"):
        get_vouchers(state, {"filters": by(filters)}, False)


def test_products_are_included_or_excluded_by_id(state: State) -> None:
    """An included product is found in every category."""
    assert listed(state, includeProducts="1001,1021") == [1001, 1021]
    assert listed(state, includeProducts="1001,1021", excludeProducts="1021") == [1001]
    assert 1001 not in listed(state, excludeProducts="1001")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"categoryType": "lounge"}, [1021]),
        ({"categoryType": "topup"}, [1024]),
        ({"categoryType": "topup", "parentProductId": 1024}, [1025]),
        ({"categoryTypes": "offers"}, [1031, 1032]),
    ],
)
def test_each_category_is_a_catalog_of_its_own(state: State, asked: dict[str, object], found: list[int]) -> None:
    """Without a category gift cards are listed; plans need their operator, and perks need `categoryTypes`."""
    assert listed(state, **asked) == found
    assert not set(found) & set(listed(state))


def test_a_perk_holds_its_code_without_an_order(state: State) -> None:
    """`metadata` has the code or the link, and the denominations are "0"."""
    code, link = products(state, categoryTypes="offers")
    assert (code["metadata"]["type"], code["metadata"]["code"]) == ("code", "PERK-1031-CODE")
    assert (link["metadata"]["type"], link["metadata"]["link"]) == ("link", "https://perks.example.com/1032")
    assert code["valueDenominations"] == link["valueDenominations"] == "0"


def test_pages_go_on_where_the_last_one_ended(state: State) -> None:
    """A page has ten products by default, and a page after the end is PLE10030."""
    everything = listed(state)
    first: Any = get_vouchers(state, {}, False)
    second: Any = get_vouchers(state, {"page": 2}, False)
    assert [product["productId"] for product in (*first, *second)] == everything[:20]
    with pytest.raises(Refusal, match="PLE10030"):
        get_vouchers(state, {"page": 1000}, False)
    with pytest.raises(Refusal, match="PLE10033"):
        get_vouchers(state, {"limit": "all"}, False)


def test_products_can_be_sorted_by_name(state: State) -> None:
    """Products can be sorted by name in both directions."""
    names = [product["name"] for product in products(state, sort={"field": "name", "order": "ASC"})]
    assert names == sorted(names)
    down = [product["name"] for product in products(state, sort={"field": "name", "order": "DESC"})]
    assert down == names[::-1]


def test_only_open_values_have_bounds(state: State) -> None:
    """Fixed values are a list, with 0 for both bounds."""
    fixed, free = products(state, includeProducts="1001,1002")
    assert (fixed["minValue"], fixed["maxValue"], fixed["valueDenominations"]) == (0, 0, "100,250,500,1000,2000")
    assert (free["minValue"], free["maxValue"]) == (100, 10_000)


def test_an_exchange_rate_is_given_on_request(state: State) -> None:
    """`exchangeRate: 1` adds the rate, which is null otherwise."""
    (rated,) = products(state, includeProducts="1004", exchangeRate=1)
    (plain,) = products(state, includeProducts="1004")
    assert (rated["exchangeRate"], plain["exchangeRate"]) == ("83.25", None)


def test_the_openapi_dialect_has_listed_fields_only(state: State) -> None:
    """It has no quantity limit, and the days until delivery are a number."""
    (vendor,) = products(state, includeProducts="1010")
    (openapi,) = products(state, openapi=True, includeProducts="1010")
    assert "orderQuantityLimit" in vendor
    assert "orderQuantityLimit" not in openapi
    assert (vendor["tatInDays"], openapi["tatInDays"]) == ("1 - 7", 7)


def test_only_a_phone_number_has_an_operator(flat: FlatServer) -> None:
    """A valid number has an operator; any other text is a failure. The status is a word."""
    found = flat.ask("lookupMobileNumber", mobile_number="+919800000000")
    assert (found["status"], found["parentProductId"]) == ("success", 1024)
    for wrong in ("919800000000", "+91 98", "", None):
        assert flat.ask("lookupMobileNumber", mobile_number=wrong)["status"] == "failure"
