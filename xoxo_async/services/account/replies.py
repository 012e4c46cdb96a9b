"""The replies about the account: balance, payments, tokens."""

import datetime as dt
import time
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.replies import Part, Reply
from xoxo_async.wire.scalars import parse_date, to_decimal
from xoxo_async.wire.secrets import Secret

__all__ = ["Balance", "Payment", "StorefrontToken", "TokenInfo"]

_NEVER: Final = 253_402_300_800
"""The end of the year 9999 in epoch seconds. Python's calendar ends there."""


class Balance(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The account's balance.

    Attributes:
        value: The amount, in `currency`.
        currency: The account's currency.
        points: The same amount in points; None where the vendor does not send it.
    """

    value: Decimal
    currency: str = ""
    points: Decimal | None = None


class Payment(Part, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the payment report.

    Attributes:
        invoice_number: The number of the invoice.
        reference_id: The vendor's reference.
        reason: `Funds added`, `Refunded`, `Brand vouchers issued`.
        adjusted_amount: The amount, without a sign; `reason` says whether it came in or went out.
        transaction_status: `Complete` or `Cancelled`.
        closing_balance: The balance after the payment.
    """

    invoice_number: str | None = None
    reference_id: str | None = None
    reason: str | None = None
    adjusted_amount: Decimal | None = None
    transaction_status: str | None = None
    closing_balance: Decimal | None = None
    date_: Any = msgspec.field(default=None, name="date")

    @property
    def date(self) -> dt.date | None:
        """The day of the payment."""
        return parse_date(self.date_)


class TokenInfo(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The vendor's data about an access token.

    Attributes:
        access_token: The token.
        token_type: `bearer`.
        refresh_token: The refresh token of a new pair; empty for a token that was only checked.
    """

    access_token: Secret  # required, because an answer without it is one of the error shapes
    token_type: str = ""
    refresh_token: Secret = Secret("")
    expires_in_: Any = msgspec.field(default=None, name="expires_in")
    access_token_expiry_: Any = msgspec.field(default=None, name="access_token_expiry")

    received_at_: float = msgspec.field(default_factory=time.time)

    @property
    def expires_at(self) -> dt.datetime | None:
        """When the token expires, in UTC, to the second; None where the vendor sends no time or an impossible one."""
        for value in (self.access_token_expiry_, self.expires_in_):
            seconds = _epoch_seconds(value, self.received_at_)
            if seconds is not None:
                return dt.datetime.fromtimestamp(int(seconds), dt.UTC)
        return None


def _epoch_seconds(value: object, received_at: float) -> float | None:
    """Read a lifetime or a time as epoch seconds.

    The vendor's pages call `expires_in` the seconds that are left, or an epoch timestamp in seconds or milliseconds
    (wire documentation § 3.2). Their magnitudes do not overlap: 10^8 seconds are three years.
    """
    try:
        number = to_decimal(value)
    except DecodeError:
        return None
    if number is None or not 0 < number < _NEVER * 1000:
        return None
    seconds = float(number)
    if seconds < 1e8:
        return received_at + seconds
    return seconds if seconds < 1e11 else seconds / 1000


class _SsoToken(Part, frozen=True):
    ssoToken: Secret  # noqa: N815 - the wire's name


class StorefrontToken(Reply, frozen=True):
    """A storefront login of one user. It is valid for 14 days."""

    data: _SsoToken

    @property
    def token(self) -> Secret:
        """The token."""
        return self.data.ssoToken

    @property
    def redirect_path(self) -> Secret:
        """The path below the base URL for the user's browser. It is a secret: it logs in anyone who opens it."""
        return Secret(f"/v1/oauth/redirect/stores/{self.token.reveal()}")
