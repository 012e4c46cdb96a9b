"""`BulkPoints`: points for many recipients, each exactly accounted for."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.unkeyed.issuer import UnkeyedIssuer
from xoxo_async.bulk.unkeyed.lines import PointsLine

__all__ = ["BulkPoints"]


class BulkPoints(UnkeyedIssuer[PointsLine]):
    """Send points to many recipients, each exactly accounted for. Moves points."""

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        sender_email: str = "",
        expiry_month: int | None = None,
        job: str = "",
        batch: int = 1,
        concurrency: int | Literal["auto"] | None = None,
        max_spend: Decimal | None = None,
        max_errors: int | str | None = None,
        settle_s: float | None = None,
        balances: bool = False,
        skip_invalid: bool = False,
        pause_limit_s: float = 60.0,
        missing: Literal["refuse", "withdraw", "keep"] = "refuse",
        restore: bool = False,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        raise NotImplementedError
