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
