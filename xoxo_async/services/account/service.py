"""`AccountService`: the account's balance, payments and tokens."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Final, get_args

from xoxo_async.errors import ArgumentError
from xoxo_async.operation import Dispatch
from xoxo_async.paging import Page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.account.operations import (
    CHECK_TOKEN,
    CREATE_STOREFRONT_TOKEN,
    CREATE_USER_TOKEN,
    GET_BALANCE,
    LIST_PAYMENTS,
)
from xoxo_async.services.account.replies import Balance, Payment, StorefrontToken, TokenInfo
from xoxo_async.services.account.requests import (
    NoArguments,
    Otp,
    PaymentsRequest,
    StorefrontEmail,
    StorefrontPhone,
    StorefrontRequest,
    UserDetails,
    UserTokenRequest,
)

__all__ = ["AccountService"]


class AccountService:
    """Read the account's data and make tokens. No method moves money."""

    def __init__(self, dispatch: Dispatch) -> None:
        """Take what runs operations; `XoxoClient` does this.

        Args:
            dispatch: Runs operations.
        """
        self._dispatch: Final = dispatch

    async def get_balance(self) -> Balance:
        """Read the balance. Moves no money; one getBalance call, of which the vendor allows ten a minute.

        Returns:
            The balance.

        Raises:
            XoxoError: The call failed.

        Example:
            ```python
            balance = await xoxo.account.get_balance()
            print(balance.value, balance.currency)
            ```
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
            The page. A range without payments gives an empty page.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.account.list_payments(date(2026, 3, 1), date(2026, 3, 31))
            ```
        """
        checks.check_page(page, limit)
        first, last = checks.check_dates(start, end)
        return Page(await self._dispatch(LIST_PAYMENTS, PaymentsRequest(first, last, limit, page)), page, limit)

    def iterate_payments(self, start: date, end: date, *, limit: int = 100) -> AsyncIterator[Payment]:
        """Iterate over the payment report. Moves no money; one call a page.

        Args:
            start: The first day.
            end: The last day.
            limit: Rows a page.

        Returns:
            An iterator over the rows for `async for`. It reads a page when its first row is needed.

        Raises:
            ConfigError: An argument is wrong. The first step of the iteration raises it.
            DecodeError: The list has no end, because the server sends the same items again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for payment in xoxo.account.iterate_payments(date(2026, 3, 1), date(2026, 3, 31)):
                print(payment.date, payment.reason, payment.adjusted_amount)
            ```
        """
        return iterate_pages(lambda page: self.list_payments(start, end, page=page, limit=limit))

    async def check_token(self) -> TokenInfo:
        """Ask the vendor whether the access token is valid, and until when. Moves no money; one call.

        Returns:
            The vendor's data about the token.

        Raises:
            AuthError: The token is not valid and cannot be renewed.
            XoxoError: The call failed.

        Example:
            ```python
            info = await xoxo.account.check_token()
            ```
        """
        return await self._dispatch(CHECK_TOKEN, NoArguments())

    async def create_user_token(self, email: str) -> TokenInfo:
        """Make a user's token pair with a company token. Moves no money; one call.

        It needs credentials of the company family. The vendor keeps at most ten pairs for a client, and a new pair ends
        the oldest one.

        Args:
            email: The e-mail address of the account's super admin.

        Returns:
            The pair.

        Raises:
            ConfigError: The value is no e-mail address.
            OutcomeUnknownError: The answer was lost, and the vendor may have made a pair.
            XoxoError: The call failed.

        Example:
            ```python
            pair = await xoxo.account.create_user_token("admin@example.com")
            credentials = StaticToken(pair.access_token.reveal())
            ```
        """
        address = checks.email("email", email)
        if address is None:
            raise ArgumentError("email is missing")
        # `user_session` is the only scope on the vendor's page (wire documentation § 3.5).
        return await self._dispatch(CREATE_USER_TOKEN, UserTokenRequest(address, "user_session"))

    async def create_storefront_token(
        self,
        user: str,
        *,
        unique_id: str,
        auth_token: str,
        email: StorefrontEmail | None = None,
        phone: StorefrontPhone | None = None,
        otp: Otp = "none",
    ) -> StorefrontToken:
        """Log one of your users in to the storefront. Moves no money; one call.

        It needs credentials of the company family.

        Args:
            user: The user's e-mail address or phone number.
            unique_id: The user's id in your system, 1 to 255 characters.
            auth_token: A key of your own, which the storefront sends back when it calls you.
            email: The e-mail address that the storefront shows at checkout.
            phone: The phone that the storefront shows at checkout.
            otp: The address or phone to which the storefront sends its one-time password.

        Returns:
            The login, which is valid for 14 days.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            login = await xoxo.account.create_storefront_token("jane@example.com", unique_id="42", auth_token=key)
            url = base_url + login.redirect_path.reveal()
            ```
        """
        if otp not in get_args(Otp):
            raise ArgumentError(f"otp must be one of {', '.join(get_args(Otp))}")
        if email is not None:
            checks.email("email.default_value", email.default_value)
        if phone is not None:
            for name in ("default_value", "phone_code"):
                checks.needed(f"phone.{name}", checks.phone(f"phone.{name}", getattr(phone, name)))
        tpd = UserDetails(
            auth_token=checks.needed("auth_token", auth_token),
            unique_id=checks.needed("unique_id", unique_id),
            email=email,
            phone=phone,
            otp=otp,
        )
        return await self._dispatch(CREATE_STOREFRONT_TOKEN, StorefrontRequest(checks.needed("user", user), tpd))
