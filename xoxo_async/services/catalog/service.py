"""Filters, products and operators, as methods: `CatalogService`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Literal

from xoxo_async.errors import NotFoundError
from xoxo_async.operation import Dispatch
from xoxo_async.paging import Page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.catalog.operations import GET_FILTERS, GET_VOUCHERS, LOOKUP_MOBILE_NUMBER
from xoxo_async.services.catalog.replies import FilterGroup, MobileOperator, Voucher
from xoxo_async.services.catalog.requests import Category, MobileRequest, filters_request, vouchers_request

__all__ = ["CatalogService"]


class CatalogService:
    """Read the catalogue. Nothing here moves money.

    Args:
        dispatch: Runs operations.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch: Final = dispatch

    async def list_filters(
        self, group_code: str = "", *, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> list[FilterGroup]:
        """Read what products can be filtered by. Moves no money; one getFilters call.

        Args:
            group_code: One group (`country`, `currencyCode`, `voucher_category`); empty is all.
            include: Only these values of the group, by `filter_value_code`.
            exclude: Not these values of the group.

        Returns:
            The groups.

        Raises:
            ConfigError: `include` or `exclude` without a group, where the vendor does not honour them.
            NotFoundError: There is no such group.
            XoxoError: The call failed.

        Example:
            ```python
            groups = await xoxo.catalog.list_filters("country")
            ```
        """
        groups = await self._dispatch(GET_FILTERS, filters_request(group_code, include, exclude))
        return list(groups)

    async def list_vouchers(
        self,
        *,
        page: int = 1,
        limit: int = 100,
        country: str | None = None,
        currency: str | None = None,
        product_ids: Sequence[int] = (),
        category: Category | None = None,
        filters: Mapping[str, str] | None = None,
        sort: tuple[str, Literal["ASC", "DESC"]] | None = None,
        exclude_product_ids: Sequence[int] = (),
        parent_product_id: int | None = None,
        exchange_rates: bool = False,
    ) -> Page[Voucher]:
        """Read one page of products. Moves no money; one getVouchers call, of which there are fifty a minute.

        Args:
            page: The page, from 1.
            limit: Products a page; the vendor states no maximum.
            country: Only this country: a `filter_value_code` such as `usa`, not an ISO code.
            currency: Only this currency, `USD`.
            product_ids: Only these products. (A filter by productId is silently ignored by the vendor.)
            category: Another catalogue than gift cards.
            filters: Further filters by the vendor's keys, for example `{"productName": "shoes"}`.
            sort: `name` or `lastUpdateDate`, and `ASC` or `DESC`.
            exclude_product_ids: Not these products.
            parent_product_id: With `category="topup"`, the plans of one operator.
            exchange_rates: Whether to fill in `Voucher.exchange_rate`.

        Returns:
            The page; past the end it is empty.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.catalog.list_vouchers(country="usa", limit=50)
            ```
        """
        request = vouchers_request(
            page=page,
            limit=limit,
            country=country,
            currency=currency,
            product_ids=product_ids,
            category=category,
            filters=filters,
            sort=sort,
            exclude_product_ids=exclude_product_ids,
            parent_product_id=parent_product_id,
            exchange_rates=exchange_rates,
        )
        return Page(await self._dispatch(GET_VOUCHERS, request), page, limit)

    def iterate_vouchers(
        self,
        *,
        limit: int = 100,
        country: str | None = None,
        currency: str | None = None,
        product_ids: Sequence[int] = (),
        category: Category | None = None,
        filters: Mapping[str, str] | None = None,
        sort: tuple[str, Literal["ASC", "DESC"]] | None = None,
        exclude_product_ids: Sequence[int] = (),
        parent_product_id: int | None = None,
        exchange_rates: bool = False,
    ) -> AsyncIterator[Voucher]:
        """Iterate over all products. Moves no money; one getVouchers call a page, of which there are fifty a minute.

        Args:
            limit: Products a page.
            country: As for `list_vouchers`, like all that follow.
            currency: Only this currency.
            product_ids: Only these products.
            category: Another catalogue than gift cards.
            filters: Further filters by the vendor's keys.
            sort: `name` or `lastUpdateDate`, and `ASC` or `DESC`.
            exclude_product_ids: Not these products.
            parent_product_id: With `category="topup"`, the plans of one operator.
            exchange_rates: Whether to fill in `Voucher.exchange_rate`.

        Returns:
            An iterator over the products, to be used with `async for`; each page is read when its turn comes.

        Raises:
            ConfigError: An argument is wrong; raised at the first step.
            DecodeError: The list has no end: the server sends the same items again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for product in xoxo.catalog.iterate_vouchers(currency="USD"):
                print(product.product_id, product.name)
            ```
        """

        async def fetch(page: int) -> Page[Voucher]:
            return await self.list_vouchers(
                page=page,
                limit=limit,
                country=country,
                currency=currency,
                product_ids=product_ids,
                category=category,
                filters=filters,
                sort=sort,
                exclude_product_ids=exclude_product_ids,
                parent_product_id=parent_product_id,
                exchange_rates=exchange_rates,
            )

        return iterate_pages(fetch, lambda product: product.product_id)

    async def get_voucher(self, product_id: int) -> Voucher:
        """Read one product. Moves no money; one getVouchers call.

        Args:
            product_id: The product.

        Returns:
            The product.

        Raises:
            NotFoundError: The account's catalogue has no such product.
            XoxoError: The call failed.

        Example:
            ```python
            product = await xoxo.catalog.get_voucher(1001)
            ```
        """
        for product in await self.list_vouchers(product_ids=(product_id,), limit=1):
            if product.product_id == product_id:
                return product
        raise NotFoundError(f"no product {product_id} in this account's catalogue", operation=GET_VOUCHERS.name)

    async def lookup_mobile_number(self, number: str) -> MobileOperator:
        """Find the operator of a phone number, for top-ups. Moves no money; one call.

        Args:
            number: The number in E.164, `+12125550100`.

        Returns:
            The operator.

        Raises:
            ConfigError: The number is no E.164 number.
            XoxoError: The call failed, or the vendor does not know the number.

        Example:
            ```python
            operator = await xoxo.catalog.lookup_mobile_number("+12125550100")
            ```
        """
        return await self._dispatch(LOOKUP_MOBILE_NUMBER, MobileRequest(checks.e164("number", number)))
