"""Asyncio client for the Xoxoday Plum Rewards API; the bulk issuer is in `xoxo_async.bulk`."""

from typing import TYPE_CHECKING, Final

from xoxo_async.public_names import import_name
from xoxo_async.version import __version__ as __version__

if TYPE_CHECKING:
    from xoxo_async import errors
    from xoxo_async.auth import (
        ClientCredentials,
        FileTokenStore,
        MemoryTokenStore,
        PostgresTokenStore,
        RefreshToken,
        StaticToken,
    )
    from xoxo_async.client import XoxoClient
    from xoxo_async.config import PRODUCTION, STAGING, RateLimits, Timeouts
    from xoxo_async.errors import XoxoError
    from xoxo_async.hooks import LoggingHook
    from xoxo_async.operation import EffectClass, Layout, Operation, SuccessFlag
    from xoxo_async.paging import Page
    from xoxo_async.retry import RetryPolicy
    from xoxo_async.services.orders import (
        AirmilesDetails,
        LoungeDetails,
        Order,
        ShippingDetails,
        TopUpDetails,
        VoucherCode,
    )
    from xoxo_async.services.points import PointsRecipient
    from xoxo_async.verdicts import Verdict, verdict_of
    from xoxo_async.wire import Secret

__all__ = [
    "PRODUCTION",
    "STAGING",
    "AirmilesDetails",
    "ClientCredentials",
    "EffectClass",
    "FileTokenStore",
    "Layout",
    "LoggingHook",
    "LoungeDetails",
    "MemoryTokenStore",
    "Operation",
    "Order",
    "Page",
    "PointsRecipient",
    "PostgresTokenStore",
    "RateLimits",
    "RefreshToken",
    "RetryPolicy",
    "Secret",
    "ShippingDetails",
    "StaticToken",
    "SuccessFlag",
    "Timeouts",
    "TopUpDetails",
    "Verdict",
    "VoucherCode",
    "XoxoClient",
    "XoxoError",
    "errors",
    "verdict_of",
]

_HOMES: Final = {
    "errors": "xoxo_async",
    "ClientCredentials": "xoxo_async.auth",
    "FileTokenStore": "xoxo_async.auth",
    "MemoryTokenStore": "xoxo_async.auth",
    "PostgresTokenStore": "xoxo_async.auth",
    "RefreshToken": "xoxo_async.auth",
    "StaticToken": "xoxo_async.auth",
    "XoxoClient": "xoxo_async.client",
    "PRODUCTION": "xoxo_async.config",
    "STAGING": "xoxo_async.config",
    "RateLimits": "xoxo_async.config",
    "Timeouts": "xoxo_async.config",
    "XoxoError": "xoxo_async.errors",
    "LoggingHook": "xoxo_async.hooks",
    "EffectClass": "xoxo_async.operation",
    "Layout": "xoxo_async.operation",
    "Operation": "xoxo_async.operation",
    "SuccessFlag": "xoxo_async.operation",
    "Page": "xoxo_async.paging",
    "RetryPolicy": "xoxo_async.retry",
    "AirmilesDetails": "xoxo_async.services.orders",
    "LoungeDetails": "xoxo_async.services.orders",
    "Order": "xoxo_async.services.orders",
    "ShippingDetails": "xoxo_async.services.orders",
    "TopUpDetails": "xoxo_async.services.orders",
    "VoucherCode": "xoxo_async.services.orders",
    "PointsRecipient": "xoxo_async.services.points",
    "Verdict": "xoxo_async.verdicts",
    "verdict_of": "xoxo_async.verdicts",
    "Secret": "xoxo_async.wire",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: a command or a worker loads only what it uses."""
    return import_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
