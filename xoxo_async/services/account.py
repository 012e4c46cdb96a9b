"""The account: its balance, its payments, its token."""

import time
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import msgspec

from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.operation import Dispatch, EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.paging import Page, check_page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.wire import Secret, parse_date, to_decimal

__all__ = [
    "CHECK_TOKEN",
    "CREATE_STOREFRONT_TOKEN",
    "CREATE_USER_TOKEN",
    "GET_BALANCE",
    "LIST_PAYMENTS",
    "AccountService",
    "Balance",
    "Otp",
    "Payment",
    "StorefrontEmail",
    "StorefrontPhone",
    "StorefrontToken",
    "TokenInfo",
]

Otp = Literal["primary_email", "primary_phone", "alternate_email", "none"]
"""Where the storefront sends its one-time password."""


_NEVER: Final = 253_402_300_800
"""The end of the year 9999: no calendar goes further."""


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
        refresh_token: What to renew it with; only where a token was made, empty otherwise.
    """

    access_token: Secret  # required: without it the answer is one of the error shapes
    token_type: str = ""
    refresh_token: Secret = Secret("")
    expires_in_: Any = msgspec.field(default=None, name="expires_in")
    access_token_expiry_: Any = msgspec.field(default=None, name="access_token_expiry")

    def expires_at(self, now: float | None = None) -> float | None:
        """Return when the token expires.

        One page of the vendor's calls `expires_in` both the seconds left and an epoch timestamp; magnitude tells.

        Args:
            now: Epoch seconds of the answer; the present by default.

        Returns:
            Epoch seconds before the year 10000, None when the vendor did not say, or said what is no time.
        """
        for value in (self.access_token_expiry_, self.expires_in_):
            try:
                number = to_decimal(value)
            except DecodeError:
                continue
            if number is None or not 0 < number < _NEVER * 1000:
                continue
            seconds = float(number)
            if seconds < 1e8:
                return (time.time() if now is None else now) + seconds
            return seconds if seconds < 1e11 else seconds / 1000
        return None


class _SsoToken(msgspec.Struct, frozen=True):
    ssoToken: Secret  # noqa: N815 - the wire's name


class StorefrontToken(msgspec.Struct, frozen=True):
    """A storefront login for one user, good for 14 days."""

    data: _SsoToken

    @property
    def token(self) -> Secret:
        """The token."""
        return self.data.ssoToken

    @property
    def redirect_path(self) -> Secret:
        """The path below the base URL that the user's browser is sent to: it logs in whoever opens it."""
        return Secret(f"/v1/oauth/redirect/stores/{self.token.reveal()}")


class StorefrontEmail(msgspec.Struct, frozen=True):
    """The e-mail address the storefront shows at checkout.

    Attributes:
        default_value: The address.
        editable: Whether the user may change it.
        hidden: Whether the user does not see it.
        support_alternate: Whether the user may add another.
    """

    default_value: str
    editable: bool = False
    hidden: bool = False
    support_alternate: bool = False


class StorefrontPhone(msgspec.Struct, frozen=True):
    """The phone the storefront shows at checkout.

    Attributes:
        default_value: The number without its dialling code.
        phone_code: The dialling code, `+91`.
        editable: Whether the user may change it.
        hidden: Whether the user does not see it.
    """

    default_value: str
    phone_code: str
    editable: bool = False
    hidden: bool = False


class UserTokenRequest(msgspec.Struct, frozen=True):
    """The request of createUserToken."""

    user_input: str
    scope: str


class _Tpd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    auth_token: str
    unique_id: str
    email: StorefrontEmail | None = None
    phone: StorefrontPhone | None = None
    otp: str

    def __repr__(self) -> str:
        return f"_Tpd(unique_id={self.unique_id!r}, otp={self.otp!r}, ...)"


class StorefrontRequest(msgspec.Struct, frozen=True):
    """The request of the storefront login."""

    user_input: str
    tpd: _Tpd


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
    loose=True,  # the playground's answer is a bare list
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


CREATE_USER_TOKEN: Final = Operation(
    "createUserToken",
    request=UserTokenRequest,
    reply=TokenInfo,
    # Not repeated by itself: each new pair may push the oldest of the ten live ones out.
    effect=EffectClass.UNKEYED,
    layout=Layout.PLAIN,
    flag=SuccessFlag.NONE,
    path="/v1/oauth/token/create/user",
)

CREATE_STOREFRONT_TOKEN: Final = Operation(
    "createStorefrontToken",
    request=StorefrontRequest,
    reply=StorefrontToken,
    effect=EffectClass.READ,  # a second login hurts nobody
    layout=Layout.PLAIN,
    flag=SuccessFlag.NONE,
    path="/v1/oauth/sso/stores/company",
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
            checks.needed("phone.default_value", phone.default_value)
            checks.needed("phone.phone_code", phone.phone_code)
        tpd = _Tpd(
            auth_token=checks.needed("auth_token", auth_token),
            unique_id=checks.needed("unique_id", unique_id),
            email=email,
            phone=phone,
            otp=otp,
        )
        return await self._dispatch(CREATE_STOREFRONT_TOKEN, StorefrontRequest(checks.needed("user", user), tpd))
