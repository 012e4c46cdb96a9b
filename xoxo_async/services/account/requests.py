"""The requests about the account."""

from datetime import date
from typing import ClassVar, Literal

import msgspec

from xoxo_async.wire.secrets import Private

__all__ = [
    "NoArguments",
    "Otp",
    "PaymentsRequest",
    "StorefrontEmail",
    "StorefrontPhone",
    "StorefrontRequest",
    "UserDetails",
    "UserTokenRequest",
]

Otp = Literal["primary_email", "primary_phone", "alternate_email", "none"]
"""The address or phone to which the storefront sends its one-time password."""


class StorefrontEmail(Private, frozen=True):
    """The e-mail address that the storefront shows at checkout.

    Attributes:
        default_value: The address.
        editable: Whether the user may change it.
        hidden: Whether the storefront hides it from the user.
        support_alternate: Whether the user may add another one.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"default_value"})

    default_value: str
    editable: bool = False
    hidden: bool = False
    support_alternate: bool = False


class StorefrontPhone(Private, frozen=True):
    """The phone that the storefront shows at checkout.

    Attributes:
        default_value: The number without its dialling code.
        phone_code: The dialling code, `+91`.
        editable: Whether the user may change it.
        hidden: Whether the storefront hides it from the user.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"default_value"})

    default_value: str
    phone_code: str
    editable: bool = False
    hidden: bool = False


class UserTokenRequest(Private, frozen=True):
    """The request of createUserToken."""

    personal: ClassVar[frozenset[str]] = frozenset({"user_input"})

    user_input: str
    scope: str


class UserDetails(Private, frozen=True, kw_only=True, omit_defaults=True):
    """The user who logs in to the storefront. The wire calls this block `tpd` (wire documentation § 4.12)."""

    personal: ClassVar[frozenset[str]] = frozenset({"auth_token"})

    auth_token: str
    unique_id: str
    email: StorefrontEmail | None = None
    phone: StorefrontPhone | None = None
    otp: str


class StorefrontRequest(Private, frozen=True):
    """The request of the storefront login."""

    personal: ClassVar[frozenset[str]] = frozenset({"user_input"})

    user_input: str
    tpd: UserDetails


class NoArguments(msgspec.Struct, frozen=True):
    """The request of an operation without arguments."""


class PaymentsRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The request of paymentHistory."""

    start_date: date
    end_date: date
    limit: int
    page: int
