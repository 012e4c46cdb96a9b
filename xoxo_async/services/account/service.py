"""Balance, payments and tokens, as methods: `AccountService`."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Final, get_args

from xoxo_async.errors import ConfigError
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
            The page; an empty range is an empty page.

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
            An iterator over the rows, to be used with `async for`; each page is read when its turn comes.

        Raises:
            ConfigError: An argument is wrong; raised at the first step.
            DecodeError: The list has no end: the server sends the same items again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for payment in xoxo.account.iterate_payments(date(2026, 3, 1), date(2026, 3, 31)):
                print(payment.date, payment.reason, payment.adjusted_amount)
            ```
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
            ```python
            info = await xoxo.account.check_token()
            ```
        """
        return await self._dispatch(CHECK_TOKEN, NoArguments())

    async def create_user_token(self, email: str) -> TokenInfo:
        """Make a user's token pair out of a company token. Moves no money; one call.

        Needs credentials of the company kind. The vendor keeps ten pairs a client at most: the oldest one dies.

        Args:
            email: The account's super admin.

        Returns:
            The pair.

        Raises:
            ConfigError: The address is none.
            OutcomeUnknownError: The answer was lost; a pair may have been made.
            XoxoError: The call failed.

        Example:
            ```python
            pair = await xoxo.account.create_user_token("admin@example.com")
            credentials = StaticToken(pair.access_token.reveal())
            ```
        """
        address = checks.email("email", email)
        if address is None:
            raise ConfigError("email is missing")
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
        """Log a user of yours in to the storefront. Moves no money; one call.

        Needs credentials of the company kind.

        Args:
            user: The user's e-mail address or phone number.
            unique_id: The user's id with you, 1 to 255 characters.
            auth_token: A key of your own, which the storefront sends back when it calls you.
            email: The address it shows at checkout.
            phone: The phone it shows at checkout.
            otp: Where it sends its one-time password.

        Returns:
            The login, good for 14 days.

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
            raise ConfigError(f"otp must be one of {', '.join(get_args(Otp))}")
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
