"""The facts of a report: its verdict, and what they leave out."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.reporting.jobs import context, overview, whole
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.reporting.facts import facts_of
from xoxo_async.bulk.reporting.proof import proof_of


def counts(**other: Any) -> Counts:
    """Return the counts of ten issued rows, changed in some."""
    facts: dict[str, Any] = {
        "rows": 10, "issued": 10, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0,
    }  # fmt: skip
    return Counts(**(facts | other))


@pytest.mark.parametrize(
    ("ledger", "beside", "tone", "verdict"),
    [
        ({"alarms_total": 2}, {"workers": 3}, "bad", "2 alarms: a person must look at them now."),
        ({"unknown": 1, "states": {LineState.MANUAL: 1}}, {}, "bad", "1 row needs the decision of a person."),
        ({"unknown": 1, "not_sent": 4}, {"workers": 1}, "busy", "A process is at work: 5 of 10 rows to go."),
        ({"not_sent": 4}, {"paused": "no funds"}, "warn", "The job is paused: no funds."),
        ({"unknown": 2}, {}, "warn", "It is not known whether 2 rows were issued."),
        ({"not_sent": 1}, {}, "warn", "1 row was not sent yet."),
        ({"rows": 0}, {}, "warn", "Nothing was planned yet."),
        ({"rejected": 1}, {}, "warn", "1 row was rejected; nothing else is left."),
        ({"pending": 3}, {}, "warn", "Every row is placed; the codes of 3 rows are to come."),
        ({"not_sent": 1, "states": {LineState.CANCELLED: 1}}, {}, "good", "Every row is issued"),
        ({}, {}, "good", "Every row is issued, and its codes have come."),
        ({}, {"kind": JobKind.LINK_MAILS}, "good", "Every address has been mailed its link."),
        (
            {"taken_back": 2},
            {"kind": JobKind.POINTS},
            "good",
            "Nothing is left; the points of 2 rows were cancelled.",
        ),
        ({"pending": 1}, {"kind": JobKind.LINKS}, "warn", "Not all links of 1 row came, and no call gives the others."),
        (
            {"unknown": 1, "states": {LineState.PLACED: 10}},
            {"kind": JobKind.POINTS},
            "bad",
            "The cancellation of 1 row is in doubt",
        ),
    ],
)
def test_the_verdict_is_what_matters_most(
    ledger: dict[str, Any], beside: dict[str, Any], tone: str, verdict: str
) -> None:
    """A person comes before everything else."""
    head = facts_of(overview(counts=counts(**ledger)), context(**beside)).headline
    assert head.tone == tone
    assert head.verdict.startswith(verdict)


def test_the_headline_counts_vouchers_and_money() -> None:
    """Of placed orders."""
    head = whole().headline
    assert (head.rows, head.pieces, head.charged) == (10, 6, {"INR": Decimal(985)})


def test_no_fact_holds_an_address() -> None:
    """Whatever a key, a reason or an alarm says."""
    said = msgspec.json.encode(facts_of(overview(), context(job="ann@example.com"))).decode()
    assert "@example.com" in said
    assert not any(name in said for name in ("ann@", "bob@", "secret@"))


def test_without_a_currency_there_is_no_bill() -> None:
    """The ledger of a job that was planned without the catalog does not know it."""
    assert facts_of(overview(), context(currency="")).bill is None


@pytest.mark.parametrize(
    ("known", "old"),
    [
        (None, ""),
        (6, ""),
        (2, "The proof knows 2 placed orders, and the ledger has 6 now: prove the job again."),
        (1, "The proof knows 1 placed order, and the ledger has 6 now: prove the job again."),
    ],
)
def test_an_older_proof_is_told(known: int | None, old: str) -> None:
    """It says nothing about orders that were placed since it was made."""
    proof = facts_of(overview(), context(proof=proof_of({"ok": True, "placed": known}, "f"))).proof
    assert proof is not None
    assert proof.old == old
