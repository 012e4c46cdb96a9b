"""`BulkLinks` and `BulkLinkMails`: reward links for many rows, each exactly accounted for."""

import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Literal

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.unkeyed.issuer import UnkeyedIssuer
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine

__all__ = ["BulkLinkMails", "BulkLinks"]


class BulkLinks(UnkeyedIssuer[LinkLine]):
    """Make reward links for many rows, each exactly accounted for. Moves money when they are redeemed.

    Without `campaign_id` and `expires_on` only `resume` works: they are part of each planned row.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        campaign_id: int | None = None,
        expires_on: date | None = None,
        job: str = "",
        batch: int = 1,
        concurrency: int | Literal["auto"] | None = None,
        max_spend: Decimal | None = None,
        max_errors: int | str | None = None,
        settle_s: float | None = None,
        skip_invalid: bool = False,
        pause_limit_s: float = 60.0,
        missing: Literal["refuse", "withdraw", "keep"] = "refuse",
        restore: bool = False,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        raise NotImplementedError


class BulkLinkMails(UnkeyedIssuer[MailLine]):
    """Have the vendor mail a link to many addresses, each exactly accounted for.

    Without `campaign_id` and `expires_on` only `resume` works: they are part of each planned row.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        campaign_id: int | None = None,
        expires_on: date | None = None,
        job: str = "",
        batch: int = 1,
        concurrency: int | Literal["auto"] | None = None,
        max_errors: int | str | None = None,
        settle_s: float | None = None,
        skip_invalid: bool = False,
        pause_limit_s: float = 60.0,
        missing: Literal["refuse", "withdraw", "keep"] = "refuse",
        restore: bool = False,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        raise NotImplementedError
