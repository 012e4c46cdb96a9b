"""The program that the soak test of points, links and mails kills: it plans and sends a job, or what is left of it.

Run as `python people.py KIND BASE_URL LEDGER`. It prints its report as JSON. The kind `cancel` cancels all points of a
job.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.bulk import (
    BulkLinkMails,
    BulkLinks,
    BulkPoints,
    CancelReport,
    LinkLine,
    MailLine,
    PointsLine,
    Report,
    SqliteLedger,
)
from xoxo_async.sandbox import Sandbox

__all__ = ["BATCH", "CONCURRENCY", "ROWS", "Job", "address", "amount", "job_of", "quantity"]

ROWS: Final = 1_000
CONCURRENCY: Final = 8
BATCH: Final = 4
"""Rows a call, for points and links: a call in doubt is in doubt for each of its rows."""
_EXPIRES: Final = date(2099, 12, 31)
_CAMPAIGN: Final = 7001

Job = BulkPoints | BulkLinks | BulkLinkMails


def address(number: int) -> str:
    """Return the address of a row."""
    return f"person-{number}@example.com"


def amount(number: int) -> int:
    """Return the points of a row."""
    return 10 + number % 7


def quantity(number: int) -> int:
    """Return the links of a row."""
    return 1 + number % 3


def _points(client: XoxoClient, ledger: SqliteLedger, **given: Any) -> BulkPoints:
    return BulkPoints(client, ledger, sender_email="admin@example.com", batch=BATCH, **given)


def _links(client: XoxoClient, ledger: SqliteLedger, **given: Any) -> BulkLinks:
    return BulkLinks(client, ledger, campaign_id=_CAMPAIGN, expires_on=_EXPIRES, batch=BATCH, **given)


def _mails(client: XoxoClient, ledger: SqliteLedger, **given: Any) -> BulkLinkMails:
    return BulkLinkMails(client, ledger, campaign_id=_CAMPAIGN, expires_on=_EXPIRES, **given)


_JOBS: Final[dict[str, Callable[..., Job]]] = {"points": _points, "links": _links, "mails": _mails}

_ROWS: Final[dict[str, Callable[[], list[Any]]]] = {
    "points": lambda: [
        PointsLine(key=f"row-{n}", email=address(n), name=f"Person {n}", amount=Decimal(amount(n)), citation="thanks")
        for n in range(ROWS)
    ],
    "links": lambda: [LinkLine(key=f"row-{n}", quantity=quantity(n)) for n in range(ROWS)],
    "mails": lambda: [MailLine(key=f"row-{n}", email=address(n)) for n in range(ROWS)],
}


@asynccontextmanager
async def job_of(kind: str, base_url: str, path: str) -> AsyncIterator[Job]:
    """Open the ledger and return its job."""
    credentials = ClientCredentials(Sandbox.client_id, Sandbox.client_secret)
    limits = RateLimits.unlimited()
    async with (
        XoxoClient(credentials, base_url=base_url, rate_limits=limits) as client,
        SqliteLedger(path) as ledger,
    ):
        # The sandbox ends every call before the run ends, so a person may decide at once: nothing has to settle.
        yield _JOBS[kind](client, ledger, job="soak", concurrency=CONCURRENCY, settle_s=0)


async def run(kind: str, base_url: str, path: str) -> Report | CancelReport:
    """Send all rows of the job, or those that are left; or cancel those that are not cancelled."""
    async with job_of("points" if kind == "cancel" else kind, base_url, path) as job:
        if kind == "cancel" and isinstance(job, BulkPoints):
            return await job.cancel(None, reason="wrong list")
        return await job.run(_ROWS[kind]())


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(asyncio.run(run(*sys.argv[1:4]))).decode() + "\n")
