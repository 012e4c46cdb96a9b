"""Protocols for the parts of a client that bulk runs use. `XoxoClient` has them all.

Bulk modules import these small protocols instead of the client. So they do not depend on how a call is made, and a test
can pass its own object.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from decimal import Decimal
from typing import Protocol

import msgspec

from xoxo_async.hooks import Hook
from xoxo_async.operation import Operation, Reply, Request
from xoxo_async.pacing import Pacing
from xoxo_async.paging import Page
from xoxo_async.services.account.replies import Balance
from xoxo_async.services.catalog.replies import Voucher
from xoxo_async.services.catalog.requests import Category
from xoxo_async.services.orders.replies import Order, OrderSummary
from xoxo_async.transport.connections import Attempt, ConnectionRecord, OrderAnswer

__all__ = ["Account", "BulkClient", "Catalog", "Links", "Orders", "Points", "SingleAttempts"]


class SingleAttempts(Protocol):
    """The part of `Dispatcher` for callers that record every attempt themselves. See there."""

    @property
    def pacer(self) -> Pacing:
        """The rate slots, shared by everything that uses the client."""
        ...

    async def once(
        self,
        operation: Operation[Request, Reply],
        request: Request | msgspec.Raw,
        /,
        *,
        attempt: Attempt | None = None,
    ) -> Reply:
        """Make exactly one attempt."""
        ...

    async def authorise(self) -> None:
        """Get a token unless there is one."""
        ...

    def telling_doubts(self, listener: Callable[[OrderAnswer], None]) -> AbstractContextManager[None]:
        """Call a listener with each order that comes into doubt while the block runs."""
        ...

    def distrust(self, order_id: int, po_number: str) -> None:
        """Close the connection that named an order, since its answer does not fit its request."""
        ...

    def taint(self, record: ConnectionRecord, po_number: str) -> tuple[OrderAnswer, ...]:
        """Close a connection, and return the orders that it has named."""
        ...


class Orders(Protocol):
    """The look-ups of `OrderService`. None of them moves money."""

    async def get(self, *, order_id: int | None = None, po_number: str | None = None) -> Order:
        """Return an order, or raise `NotFoundError`."""
        ...

    async def find(self, po_number: str) -> Order | None:
        """Return the order of a poNumber, or None."""
        ...

    def iterate_history(self, start: date, end: date) -> AsyncIterator[OrderSummary]:
        """Iterate over the orders of some days."""
        ...


class Account(Protocol):
    """The part of `AccountService` that a plan needs."""

    async def get_balance(self) -> Balance:
        """Return the account's balance."""
        ...


class Catalog(Protocol):
    """The part of `CatalogService` that a plan needs."""

    async def list_vouchers(
        self,
        *,
        page: int = 1,
        limit: int = 100,
        product_ids: Sequence[int] = (),
        category: Category | None = None,
        exchange_rates: bool = False,
    ) -> Page[Voucher]:
        """Read one page of products."""
        ...


class CampaignFacts(Protocol):
    """What a plan of links reads of a `Campaign`."""

    @property
    def denomination_value(self) -> Decimal | None:
        """The value of one link."""
        ...

    @property
    def currency_code(self) -> str | None:
        """Its currency."""
        ...


class Links(Protocol):
    """The part of `LinkService` that a plan of links needs."""

    async def get_campaign(self, campaign_id: int) -> CampaignFacts:
        """Return a campaign, or raise `NotFoundError`."""
        ...


class CreditCancelled(Protocol):
    """What a cancellation reads of a `PointsWithdrawal`."""

    @property
    def unique_id(self) -> int | None:
        """The id of the credit."""
        ...

    @property
    def success(self) -> bool:
        """Whether it was cancelled."""
        ...

    @property
    def message(self) -> str | None:
        """The vendor's text."""
        ...


class CreditsCancelled(Protocol):
    """What a cancellation reads of `PointsCancelled`."""

    @property
    def recipients(self) -> Sequence[CreditCancelled]:
        """One result for each credit."""
        ...


class Points(Protocol):
    """The part of `PointService` that cancels."""

    async def cancel(self, unique_ids: Sequence[int]) -> CreditsCancelled:
        """Cancel points; one result for each id."""
        ...


class BulkClient(Protocol):
    """The part of `XoxoClient` that bulk runs use."""

    @property
    def base_url(self) -> str:
        """The address of the server."""
        ...

    @property
    def account_fingerprint(self) -> str:
        """A hash that identifies the account; empty if the token provider does not know the account."""
        ...

    @property
    def max_connections(self) -> int:
        """The size of the connection pool."""
        ...

    @property
    def hooks(self) -> Sequence[Hook]:
        """The hooks that receive events, those of bulk runs too."""
        ...

    @property
    def dispatcher(self) -> SingleAttempts:
        """Makes single attempts."""
        ...

    @property
    def orders(self) -> Orders:
        """Looks orders up."""
        ...

    @property
    def account(self) -> Account:
        """Reads the balance."""
        ...

    @property
    def catalog(self) -> Catalog:
        """Reads products."""
        ...

    @property
    def links(self) -> Links:
        """Reads campaigns."""
        ...

    @property
    def points(self) -> Points:
        """Cancels points."""
        ...
