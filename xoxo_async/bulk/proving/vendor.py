"""The parts of a client that a proof uses: it reads orders and payments, and moves no money."""

from datetime import date
from typing import Protocol

from xoxo_async.bulk.client import Orders
from xoxo_async.paging import Page
from xoxo_async.services.account.replies import Payment
from xoxo_async.services.orders.replies import OrderSummary

__all__ = ["Records", "Vendor"]


class Histories(Orders, Protocol):
    """Look-ups, and the order history page by page."""

    async def list_history(self, start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[OrderSummary]:
        """Return one page of the history."""
        ...


class Records(Protocol):
    """The payment report."""

    async def list_payments(self, start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[Payment]:
        """Return one page of the payment report."""
        ...


class Vendor(Protocol):
    """The part of `XoxoClient` that a proof uses."""

    @property
    def base_url(self) -> str:
        """The address of the server."""
        ...

    @property
    def account_fingerprint(self) -> str:
        """A hash that identifies the account."""
        ...

    @property
    def orders(self) -> Histories:
        """Reads orders."""
        ...

    @property
    def account(self) -> Records:
        """Reads payments."""
        ...
