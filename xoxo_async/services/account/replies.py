"""What the account answers: balance, payments, tokens."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.scalars import parse_date, to_decimal
from xoxo_async.wire.secrets import Secret

__all__ = ["Balance", "Payment", "StorefrontToken", "TokenInfo"]

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
    date_: Any = msgspec.field(default=None, name="date")

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

    received_at_: float = msgspec.field(default_factory=time.time)

    @property
    def expires_at(self) -> datetime | None:
        """When the token expires, to the second, in UTC; None where the vendor did not say, or said what is no time."""
        for value in (self.access_token_expiry_, self.expires_in_):
            seconds = _epoch_seconds(value, self.received_at_)
            if seconds is not None:
                return datetime.fromtimestamp(int(seconds), UTC)
        return None


def _epoch_seconds(value: object, received_at: float) -> float | None:
    """Read a lifetime or a moment as epoch seconds.

    One page of the vendor's calls `expires_in` the seconds left, another one an epoch timestamp, in seconds or
    milliseconds. Their magnitudes never meet: 10^8 seconds are three years.
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
