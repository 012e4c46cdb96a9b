"""The account: its balance, its payments, its token."""

import time
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.operation import Dispatch, EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.paging import Page, check_page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.wire import Secret, parse_date, to_decimal

__all__ = ["CHECK_TOKEN", "GET_BALANCE", "LIST_PAYMENTS", "AccountService", "Balance", "Payment", "TokenInfo"]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What the account can spend.

    Attributes:
        value: The amount, in `currency`.
        currency: The account's currency.
        points: The same in points, where the vendor says.
    """

    value: Decimal
    currency: str = ""
    points: Decimal | None = None


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the payment report.

    Attributes:
        invoice_number: The invoice.
        reference_id: The vendor's reference.
        reason: `Funds added`, `Refunded`, `Brand vouchers issued`.
        adjusted_amount: Always positive; whether it came or went, `reason` tells.
        transaction_status: `Complete` or `Cancelled`.
        closing_balance: The balance after it.
    """

    invoice_number: str | None = None
    reference_id: str | None = None
    reason: str | None = None
    adjusted_amount: Decimal | None = None
    transaction_status: str | None = None
    closing_balance: Decimal | None = None
    date_: str | None = msgspec.field(default=None, name="date")

    @property
    def date(self) -> date | None:
        """The day it happened."""
        return parse_date(self.date_)


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor says of the access token.

    Attributes:
        access_token: The token.
        token_type: `bearer`.
    """

    access_token: Secret  # required: without it the answer is one of the error shapes
    token_type: str = ""
    expires_in_: Any = msgspec.field(default=None, name="expires_in")
    access_token_expiry_: Any = msgspec.field(default=None, name="access_token_expiry")

    def expires_at(self, now: float | None = None) -> float | None:
        """Return when the token expires.

        One page of the vendor's calls `expires_in` both the seconds left and an epoch timestamp; magnitude tells.

        Args:
            now: Epoch seconds of the answer; the present by default.

        Returns:
            Epoch seconds, None when the vendor did not say.
        """
        for value in (self.access_token_expiry_, self.expires_in_):
            number = to_decimal(value)
            if number is not None and number > 0:
                seconds = float(number)
                if seconds < 1e8:
                    return (time.time() if now is None else now) + seconds
                return seconds if seconds < 1e11 else seconds / 1000
        return None


class NoArguments(msgspec.Struct, frozen=True):
    """The request of operations that take nothing."""


class PaymentsRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The request of paymentHistory."""

    start_date: date
    end_date: date
    limit: int
    page: int


GET_BALANCE: Final = Operation(
    "getBalance",
    query="plumProAPI.query.getBalance",
    request=NoArguments,
    reply=Balance,
    effect=EffectClass.READ,
)

LIST_PAYMENTS: Final = Operation(
    "paymentHistory",
    query="plumProAPI.mutation.paymentHistory",
    request=PaymentsRequest,
    reply=tuple[Payment, ...],
    effect=EffectClass.READ,
    also_under=("getPaymentReport",),  # asked by one name, answered under another
    empty_on=frozenset({"PLE10027", "PLE10022"}),
    empty=(),
)

CHECK_TOKEN: Final = Operation(
    "validateToken",
    request=NoArguments,
    reply=TokenInfo,
    effect=EffectClass.READ,
    layout=Layout.PLAIN,
    flag=SuccessFlag.NONE,
    path="/v1/oauth/token",
    method="GET",
)


class AccountService:
    """Ask about the account. Nothing here moves money.

    Args:
        dispatch: Runs operations.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch: Final = dispatch

    async def get_balance(self) -> Balance:
        """Read the balance. Moves no money; one getBalance call, of which there are ten a minute.

        Returns:
            The balance.

        Raises:
            XoxoError: The call failed.

        Example:
            balance = await xoxo.account.get_balance()
            print(balance.value, balance.currency)
        """
        return await self._dispatch(GET_BALANCE, NoArguments())

    async def list_payments(self, start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[Payment]:
        """Read one page of the payment report. Moves no money; one call.

        Args:
            start: The first day.
            end: The last day.
            page: The page, from 1.
            limit: Rows a page.

        Returns:
            The page; an empty range is an empty page.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            page = await xoxo.account.list_payments(date(2026, 3, 1), date(2026, 3, 31))
        """
        check_page(page, limit)
        first, last = checks.check_dates(start, end)
        return Page(await self._dispatch(LIST_PAYMENTS, PaymentsRequest(first, last, limit, page)), page, limit)

    def iterate_payments(self, start: date, end: date, *, limit: int = 100) -> AsyncIterator[Payment]:
        """Iterate over the payment report. Moves no money; one call a page.

        Args:
            start: The first day.
            end: The last day.
            limit: Rows a page.

        Returns:
            An iterator over the rows, to be used with `async for`; each page is read when its turn comes.

        Raises:
            ConfigError: An argument is wrong; raised at the first step.
            DecodeError: The server sends the same page again and again.
            XoxoError: A call failed.

        Example:
            async for payment in xoxo.account.iterate_payments(date(2026, 3, 1), date(2026, 3, 31)):
                print(payment.date, payment.reason, payment.adjusted_amount)
        """
        return iterate_pages(lambda page: self.list_payments(start, end, page=page, limit=limit))

    async def check_token(self) -> TokenInfo:
        """Ask the vendor whether the access token is good, and until when. Moves no money; one call.

        Returns:
            What the vendor says of it.

        Raises:
            AuthError: It is not good, and could not be renewed.
            XoxoError: The call failed.

        Example:
            info = await xoxo.account.check_token()
        """
        return await self._dispatch(CHECK_TOKEN, NoArguments())
