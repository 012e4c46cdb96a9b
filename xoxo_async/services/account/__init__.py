"""The account's balance, payments and tokens."""

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
    UserTokenRequest,
)
from xoxo_async.services.account.service import AccountService

__all__ = [
    "CHECK_TOKEN",
    "CREATE_STOREFRONT_TOKEN",
    "CREATE_USER_TOKEN",
    "GET_BALANCE",
    "LIST_PAYMENTS",
    "AccountService",
    "Balance",
    "NoArguments",
    "Otp",
    "Payment",
    "PaymentsRequest",
    "StorefrontEmail",
    "StorefrontPhone",
    "StorefrontRequest",
    "StorefrontToken",
    "TokenInfo",
    "UserTokenRequest",
]
