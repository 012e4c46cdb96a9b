"""`CatalogService`: the catalog's filters and products, and the operator of a phone number."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, Unpack

from xoxo_async.errors import NotFoundError
from xoxo_async.operation import Dispatch
from xoxo_async.paging import Page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.catalog.countries import find_country
from xoxo_async.services.catalog.operations import GET_FILTERS, GET_VOUCHERS, LOOKUP_MOBILE_NUMBER
from xoxo_async.services.catalog.replies import Filter, FilterGroup, MobileOperator, Voucher
from xoxo_async.services.catalog.requests import CatalogFilters, MobileRequest, filters_request, vouchers_request
from xoxo_async.wire.replies import with_answer_of

__all__ = ["CatalogService"]


class CatalogService:
    """Read the catalog. No method moves money."""

    def __init__(self, dispatch: Dispatch) -> None:
        """Take what runs operations; `XoxoClient` does this.

        Args:
            dispatch: Runs operations.
        """
        self._dispatch: Final = dispatch

    async def list_filters(
        self, group_code: str = "", *, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> list[FilterGroup]:
        """Read the values by which products can be filtered. Moves no money; one getFilters call.

        Args:
            group_code: The group (`country`, `currencyCode`, `voucher_category`); empty means all groups.
            include: The only values of the group to return, by `filter_value_code`.
            exclude: The values of the group to leave out.

        Returns:
            The groups.

        Raises:
            ConfigError: `include` or `exclude` is given without a group, and the vendor would ignore it.
            NotFoundError: There is no such group.
            XoxoError: The call failed.

        Example:
            ```python
            groups = await xoxo.catalog.list_filters("country")
            ```
        """
        groups = await self._dispatch(GET_FILTERS, filters_request(group_code, include, exclude))
        return [with_answer_of(group, groups) for group in groups]

    async def get_country(self, country: str) -> Filter:
        """Read the filter of a country. Moves no money; one getFilters call.

        Args:
            country: The country: its name, its ISO code, or its filter code; case does not matter.

        Returns:
            The filter. Its `filter_value_code` is what `list_vouchers` takes.

        Raises:
            ConfigError: The catalog has no such country; the message lists those that it has.
            XoxoError: The call failed.

        Example:
            ```python
            india = await xoxo.catalog.get_country("India")
            page = await xoxo.catalog.list_vouchers(country=india.filter_value_code)
            ```
        """
        return find_country(await self.list_filters("country"), country)

    async def list_vouchers(
        self, *, page: int = 1, limit: int = 100, **filters: Unpack[CatalogFilters]
    ) -> Page[Voucher]:
        """Read one page of products. Moves no money; one getVouchers call, of which the vendor allows fifty a minute.

        Args:
            page: The page, from 1.
            limit: Products a page; the vendor states no maximum.
            **filters: Which products, by name: `country`, `currency`, `product_ids`, `category`, `filters`, `sort`,
                `exclude_product_ids`, `parent_product_id`, `exchange_rates`. See `CatalogFilters`.

        Returns:
            The page. Past the end of the list it is empty.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.catalog.list_vouchers(country="usa", limit=50)
            ```
        """
        request = vouchers_request(page=page, limit=limit, **filters)
        return Page(await self._dispatch(GET_VOUCHERS, request), page, limit)

    def iterate_vouchers(self, *, limit: int = 100, **filters: Unpack[CatalogFilters]) -> AsyncIterator[Voucher]:
        """Iterate over all products. Moves no money; one getVouchers call a page. The vendor allows fifty a minute.

        Args:
            limit: Products a page.
            **filters: Which products, as for `list_vouchers`.

        Returns:
            An iterator over the products for `async for`. It reads a page when its first product is needed.

        Raises:
            ConfigError: An argument is wrong. The first step of the iteration raises it.
            DecodeError: The list has no end, because the server sends the same items again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for product in xoxo.catalog.iterate_vouchers(currency="USD"):
                print(product.product_id, product.name)
            ```
        """
        return iterate_pages(
            lambda page: self.list_vouchers(page=page, limit=limit, **filters), lambda product: product.product_id
        )

    async def get_voucher(self, product_id: int) -> Voucher:
        """Read one product. Moves no money; one getVouchers call.

        Args:
            product_id: The id of the product.

        Returns:
            The product.

        Raises:
            NotFoundError: The account's catalog has no such product.
            XoxoError: The call failed.

        Example:
            ```python
            product = await xoxo.catalog.get_voucher(1001)
            ```
        """
        page = await self.list_vouchers(product_ids=(product_id,), limit=1)
        for product in page:
            # The vendor has returned products other than those requested (wire documentation § 4.2).
            if product.product_id == product_id:
                return with_answer_of(product, page.items)
        raise NotFoundError(f"no product {product_id} in this account's catalog", operation=GET_VOUCHERS.name)

    async def lookup_mobile_number(self, number: str) -> MobileOperator:
        """Find the operator of a phone number, for top-ups. Moves no money; one lookupMobileNumber call.

        Args:
            number: The phone number in E.164, for example `+12125550100`.

        Returns:
            The operator.

        Raises:
            ConfigError: The number is not in E.164.
            XoxoError: The call failed, or the vendor does not know the number.

        Example:
            ```python
            operator = await xoxo.catalog.lookup_mobile_number("+12125550100")
            ```
        """
        return await self._dispatch(LOOKUP_MOBILE_NUMBER, MobileRequest(checks.e164("number", number)))
