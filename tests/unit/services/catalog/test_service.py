"""`catalog.service`: filters, products and the operator look-up, with a fake dispatcher."""

from typing import Any

import pytest

from xoxo_async.errors import ConfigError, NotFoundError
from xoxo_async.services.catalog import CatalogService, Filter, FilterGroup, Voucher
from xoxo_async.wire import RawReply
from xoxo_async.wire.untyped import Rows

pytestmark = pytest.mark.anyio


async def test_filters_are_a_list(road: Any) -> None:
    """The caller gets a list of its own."""
    road.answers = [(FilterGroup(filter_group_code="country"),)]
    groups = await CatalogService(road).list_filters("country")
    assert isinstance(groups, list)
    assert groups[0].filter_group_code == "country"


async def test_what_a_list_held_has_its_answer(road: Any) -> None:
    """The product that was asked for, and each group of filters; a row of a page has none, as its page has it."""
    products, groups = Rows((Voucher(product_id=1),)), Rows((FilterGroup(), FilterGroup()))
    products.raw, groups.raw = RawReply(b"{}"), RawReply(b"[]")
    road.answers = [products, groups, Rows((Voucher(product_id=1),))]
    service = CatalogService(road)
    assert (await service.get_voucher(1)).raw is products.raw
    assert [group.raw for group in await service.list_filters()] == [groups.raw, groups.raw]
    assert (await service.list_vouchers()).items[0].raw is None


async def test_an_empty_catalog_is_an_empty_page(road: Any) -> None:
    """The dispatcher turns PLE10030 into an empty reply."""
    road.answers = [()]
    page = await CatalogService(road).list_vouchers(page=9)
    assert len(page) == 0
    assert page.is_last


async def test_every_page_has_the_same_filters(road: Any) -> None:
    """Only the page number changes."""
    road.answers = [(Voucher(product_id=1),), ()]
    found = [
        v.product_id async for v in CatalogService(road).iterate_vouchers(limit=1, country="usa", category="lounge")
    ]
    assert found == [1]
    assert [(r.page, r.category_type, r.filters[0].value) for _, r in road.asked] == [
        (1, "lounge", "usa"),
        (2, "lounge", "usa"),
    ]


async def test_another_product_is_not_the_one(road: Any) -> None:
    """The vendor has returned unrelated products, so only the requested id counts."""
    road.answers = [(Voucher(product_id=2),), (), (Voucher(product_id=1),)]
    service = CatalogService(road)
    for _ in range(2):
        with pytest.raises(NotFoundError, match="no product 1"):
            await service.get_voucher(1)
    assert (await service.get_voucher(1)).product_id == 1


@pytest.mark.parametrize("wrong", [{"page": 0}, {"filters": {"price": 5}}])
async def test_wrong_filters_are_not_sent(road: Any, wrong: dict[str, Any]) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(ConfigError):
        await CatalogService(road).list_vouchers(**wrong)
    assert road.asked == []


async def test_a_wrong_phone_number_is_not_sent(road: Any) -> None:
    """The operator look-up takes E.164 alone."""
    with pytest.raises(ConfigError, match="number"):
        await CatalogService(road).lookup_mobile_number("030 1234")
    assert road.asked == []


async def test_a_country_is_read_by_name(road: Any) -> None:
    """It is one call for the group of countries."""
    india = Filter(filter_value="India", filter_value_code="india", iso_code="IN")
    road.answers = [(FilterGroup(filter_group_code="country", filters=(india,)),)]
    assert await CatalogService(road).get_country("IN") == india
    assert len(road.asked) == 1
