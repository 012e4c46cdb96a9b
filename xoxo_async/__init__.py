"""Asyncio client for the Xoxoday Plum Rewards API; the bulk issuer is in `xoxo_async.bulk`."""

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
from xoxo_async.services.orders import AirmilesDetails, LoungeDetails, Order, ShippingDetails, TopUpDetails, VoucherCode
from xoxo_async.services.points import PointsRecipient
from xoxo_async.verdicts import Verdict, verdict_of
from xoxo_async.wire import Secret

__version__ = "0.1.0"

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
