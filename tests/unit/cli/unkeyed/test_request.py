"""`request`: the command that continues a job of points or links."""

import shlex
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk import JobKind
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.unkeyed.request import JobRequest


def asked(kind: JobKind = JobKind.POINTS, **given: Any) -> JobRequest:
    plain: dict[str, Any] = {
        "action": "run",
        "source": "people.csv",
        "ledger": LedgerAddress.read("p.db"),
        "connection": Connection(rate=60, paced="other"),
    }
    return JobRequest(kind=kind, **{**plain, **given})


def words_of(command: str) -> str:
    words = shlex.split(command)
    return " ".join(words[next(at for at, word in enumerate(words) if word in {"points", "links"}) :])


@pytest.mark.parametrize(("request_", "action", "command"), [
    (asked(sender="a@example.com", expiry_month=6), "run",
     "points send --file people.csv --ledger p.db --sender a@example.com --expiry-month 6 --rate 60"),
    (asked(batch=10, balances=True, max_spend=Decimal(500)), "resume",
     "points send --ledger p.db --rate 60 --batch 10 --balances --max-spend 500"),
    (asked(), "reconcile", "points send --ledger p.db --rate 60"),
    (asked(JobKind.LINKS, source="", quantity=5, campaign_id=7, expires_on=date(2099, 1, 2)), "run",
     "links generate --quantity 5 --ledger p.db --campaign-id 7 --expires-on 2099-01-02 --rate 60"),
    (asked(JobKind.LINK_MAILS, yes=True), "resume", "links send --ledger p.db --rate 60 --yes"),
])  # fmt: skip
def test_a_job_goes_on_with_its_own_command(request_: JobRequest, action: str, command: str) -> None:
    """New rows need the file and what is a part of each row; a resume needs neither."""
    assert words_of(request_.continued_by(action)) == command


def test_only_rows_of_links_are_exported() -> None:
    """Points and mails go to their recipients."""
    assert [asked(kind).exports for kind in (JobKind.POINTS, JobKind.LINKS, JobKind.LINK_MAILS)] == ["", "links", ""]
