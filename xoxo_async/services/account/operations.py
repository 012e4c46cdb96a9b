"""The operations of the account."""

from typing import Final

from xoxo_async.operation import EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.services.account.replies import Balance, Payment, StorefrontToken, TokenInfo
from xoxo_async.services.account.requests import NoArguments, PaymentsRequest, StorefrontRequest, UserTokenRequest

__all__ = ["CHECK_TOKEN", "CREATE_STOREFRONT_TOKEN", "CREATE_USER_TOKEN", "GET_BALANCE", "LIST_PAYMENTS"]

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
    also_under=("getPaymentReport",),  # the query has one name and its reply another (wire documentation § 4.7)
    loose=True,  # the vendor's playground shows a bare list (wire documentation § 4.7)
    empty_on=frozenset({"PLE10027", "PLE10022"}),  # as an empty order history answers (§ 4.6)
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
    # A repeat would make another pair. The vendor keeps ten, so it could end a pair in use (wire documentation § 3.4).
    effect=EffectClass.UNKEYED,
    layout=Layout.PLAIN,
    flag=SuccessFlag.NONE,
    path="/v1/oauth/token/create/user",
)


CREATE_STOREFRONT_TOKEN: Final = Operation(
    "createStorefrontToken",
    request=StorefrontRequest,
    reply=StorefrontToken,
    effect=EffectClass.READ,  # a repeat makes one more login token, which changes nothing for the others
    layout=Layout.PLAIN,
    flag=SuccessFlag.NONE,
    path="/v1/oauth/sso/stores/company",
)
