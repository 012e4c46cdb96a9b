"""`credits`: what a row of the payment report proves of a row without a key, and what it does not."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.bulk.proving.books import NOW, SCOPE
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.proving.credits import CreditCase, CreditReport, Named, judge_credit, rate_of, unproven_why
from xoxo_async.bulk.proving.facts import LineFacts
from xoxo_async.bulk.proving.result import Finding

UNPROVEN = Finding(kind="unknown", why="nothing is proven")


def row(**other: Any) -> LineFacts:
    """Return 500 points that were sent an hour before the proof."""
    facts: dict[str, Any] = {
        "po_number": "points:k1", "key": "k1", "row": 1, "lines": 1, "state": "placed", "order_id": 901,
        "denomination": Decimal(500), "charged": Decimal(500), "currency": "points", "delivery": "delivered",
        "first_sent_at": NOW, "last_sent_at": NOW + 1,
    }  # fmt: skip
    return LineFacts(**(facts | other))


def case(line: LineFacts | None = None, **other: Any) -> CreditCase:
    """Return the row with a row of the report that took 50 for it."""
    facts: dict[str, Any] = {"reference": "901", "worth": Decimal(500), "rows": 1, "paid": Decimal(50)}
    return CreditCase(line or row(), **(facts | other))


def report(**other: Any) -> CreditReport:
    """Return a report that takes 0.1 for a point, and has no other row."""
    facts: dict[str, Any] = {
        "kind": JobKind.POINTS, "scope": SCOPE, "names": True, "hints": True, "unproven": UNPROVEN,
        "rate": Decimal("0.1"), "step": Decimal("0.01"), "loose": lambda _line, _cost: (0, ()),
    }  # fmt: skip
    return CreditReport(**(facts | other))


CANCELLED = row(delivery="cancelled", charged=Decimal(0))
CANCELLING = row(delivery="cancelling")


@pytest.mark.parametrize(
    "agrees",
    [
        case(),
        case(paid=Decimal("50.009")),
        case(CANCELLED, refunded=Decimal(50), cancelled_at=NOW),
        case(row(state="rejected", order_id=None), reference="", rows=0),
        case(row(state="planned", order_id=None), reference="", rows=0),
        case(row(state="cancelled", order_id=None), reference="", rows=0),
    ],
)
def test_what_the_report_bears_out_agrees(agrees: CreditCase) -> None:
    """To the cent; rows that got nothing are not looked for."""
    assert judge_credit(agrees, report()) == []


@pytest.mark.parametrize(
    ("found", "kind", "why"),
    [
        (case(rows=0, paid=Decimal(0)), "missing", "took nothing for credit 901, and it names the others"),
        (case(rows=2, paid=Decimal(100)), "repeated", "took money 2 times for credit 901"),
        (case(paid=Decimal(55)), "charges", "took 55 for credit 901, which is 500 points: at the 0.1 that it takes"),
        (case(paid=Decimal("50.01")), "charges", "took 50.01 for credit 901"),
        (
            case(refunded=Decimal(50)),
            "wallet",
            "gave 50 back for credit 901, and the ledger does not call it cancelled",
        ),
        (case(CANCELLED, cancelled_at=NOW), "delivery", "gave nothing back for credit 901, which the ledger calls"),
        (case(CANCELLED, refunded=Decimal(40), cancelled_at=NOW), "wallet", "and gave only 40 back"),
        (case(CANCELLED, refunded=Decimal(60), cancelled_at=NOW), "wallet", "took 50 for credit 901, and gave 60 back"),
        (case(CANCELLED, cancelled_at=SCOPE.now - 5), "unknown", "gave nothing back for credit 901 yet"),
        (case(CANCELLING, refunded=Decimal(50)), "unknown", "in doubt, and the payment report gave 50 back"),
        (case(CANCELLING), "unknown", "in doubt, and the payment report gave nothing back"),
        (case(worth=None), "unknown", "what credit 901 is worth is not known"),
        (case(row(order_id=None), reference="", rows=0), "unknown", "no answer named its credit"),
        (case(row(state="manual", order_id=None), reference="", rows=0), "unknown", "got its points: it is manual"),
        (case(row(state="sending", order_id=None), reference="", rows=0), "unknown", "it is sending"),
        (case(row(last_sent_at=SCOPE.now - 5), rows=0), "unknown", "has nothing for credit 901 yet, which is very new"),
    ],
)
def test_what_does_not_fit_is_named(found: CreditCase, kind: str, why: str) -> None:
    """With the row, in one finding."""
    (finding,) = judge_credit(found, report())
    assert (finding.kind, finding.key, finding.row) == (kind, "k1", 1)
    assert why in finding.why


def test_a_row_of_another_day_is_not_missing() -> None:
    """Its day was not read, so its payment is not looked for."""
    early = SCOPE._replace(first=date(2026, 3, 11), now=datetime(2026, 4, 1).timestamp())  # noqa: DTZ001
    (finding,) = judge_credit(case(rows=0), report(scope=early))
    assert (finding.kind, "is of a day that was not read" in finding.why) == ("unknown", True)


def test_a_report_without_names_proves_no_row() -> None:
    """All placed rows share one finding; a row in doubt has its own, without evidence."""
    assert judge_credit(case(rows=0), report(names=False)) == [UNPROVEN]
    bare = "the ledger does not know whether this row got its points: it is manual"
    for without in (report(names=False, hints=False, loose=lambda *_: (1, ("R",))), report(names=False)):
        (doubt,) = judge_credit(case(row(state="manual")), without)
        assert doubt.why == bare
    (doubt,) = judge_credit(case(row(state="manual")), report(names=False, rate=None, loose=lambda *_: (1, ("R",))))
    assert doubt.why.startswith(f"{bare}; the payment report has 1 row of these days that names no credit")


def test_the_evidence_of_a_doubt_is_its_amount() -> None:
    """Rows of the report that no credit of the ledger names, with the amount that the row would have cost."""
    asked: list[Decimal | None] = []

    def loose(_line: LineFacts, cost: Decimal | None) -> tuple[int, tuple[str, ...]]:
        asked.append(cost)
        return 5, ("REF7 of 2026-03-10", "REF8 of 2026-03-10", "REF9 of 2026-03-10")

    doubted = case(row(state="manual"), reference="", rows=0)
    (finding,) = judge_credit(doubted, report(loose=loose))
    assert asked == [Decimal(50)]
    assert finding.why.endswith(
        "the payment report has 5 rows over 50 of these days that name no credit of this ledger (REF7 of 2026-03-10,"
        " REF8 of 2026-03-10, REF9 of 2026-03-10 and 2 more): one of them may be this row's, or all are other senders'"
    )
    (links,) = judge_credit(doubted, report(kind=JobKind.LINKS, loose=loose))
    assert asked[-1] is None, "a call of several rows is one row of the report"
    assert "whether this row got its links" in links.why
    never = row(state="unknown", first_sent_at=None)
    assert "report" not in judge_credit(case(never, reference=""), report(loose=loose))[0].why


def test_a_row_sent_again_may_be_there_twice() -> None:
    """A person saw nothing and had it sent again: another row of its amount is shown, and may be another sender's."""
    again, one_more = case(resent=True), report(loose=lambda *_: (1, ("REF7 of 2026-03-10",)))
    assert judge_credit(again, report()) == []
    assert judge_credit(case(), one_more) == []
    (finding,) = judge_credit(again, one_more)
    assert finding.kind == "unknown"
    assert finding.why.startswith("it was sent again after a lost answer, and may have been sent twice; the payment")
    (links,) = judge_credit(again, one_more._replace(kind=JobKind.LINKS))
    assert "may have been sent twice; the payment report has 1 row of these days that names no batch" in links.why


@pytest.mark.parametrize("state", ["rejected", "planned"])
@pytest.mark.parametrize("kind", [JobKind.POINTS, JobKind.LINKS])
def test_a_decided_doubt_may_have_been_sent(state: str, kind: JobKind) -> None:
    """A person saw nothing, and the report has a row that may be its own. A row that was never in doubt got nothing."""
    one_more = report(kind=kind, loose=lambda *_: (1, ("REF7 of 2026-03-10",)))
    doubted = case(row(state=state, order_id=None, suspect=True), reference="", rows=0)
    assert judge_credit(case(row(state=state, order_id=None), reference="", rows=0), one_more) == []
    assert judge_credit(doubted, report(kind=kind)) == []
    (finding,) = judge_credit(doubted, one_more)
    assert (finding.kind, finding.key, finding.ledger) == ("unknown", "k1", state)
    assert finding.why.startswith(f"it was in doubt, and the ledger calls it {state} now; the payment report has 1 row")
    assert judge_credit(doubted, one_more._replace(hints=False)) == []


def test_a_batch_of_links_may_be_several_rows() -> None:
    """Its sum counts."""
    links = report(kind=JobKind.LINKS, rate=Decimal(1))
    assert judge_credit(case(rows=4, paid=Decimal(500)), links) == []
    (finding,) = judge_credit(case(row(currency="USD"), rows=4, paid=Decimal(400)), links)
    assert "took 400 for batch 901, which is 500 USD of links" in finding.why


@pytest.mark.parametrize(
    ("kind", "named", "rows", "why"),
    [
        (JobKind.POINTS, Named(4, 4, 4), 4, ""),
        (JobKind.POINTS, Named(4, 2, 4), 4, ""),
        (JobKind.POINTS, Named(4, 1, 4), 4, "names only 1 of 4: that is too few to call the others missing"),
        (JobKind.POINTS, Named(4, 0, 4), 4, "names none of 4 rows by the id of its credit"),
        (JobKind.POINTS, Named(4, 0, 4), 0, "has no rows for these days: it lags, or the account has none"),
        (
            JobKind.POINTS,
            Named(1, 0, 1, 2, Decimal(70)),
            2,
            "; it has 2 rows of points over 70, and does not say whose",
        ),
        (JobKind.LINKS, Named(2, 0, 3), 4, "names none of 3 rows by the batch of its links"),
        (JobKind.LINK_MAILS, Named(0, 0, 1, 1, Decimal(5)), 4, "so 1 row is not proven; it has 1 row of links over 5"),
    ],
)
def test_what_is_not_named_is_not_proven(kind: JobKind, named: Named, rows: int, why: str) -> None:
    """A report that names few of a job's rows may not name such rows at all."""
    found = unproven_why(kind, named, rows)
    assert (why in found) if why else (found == "")


def ends(*amounts: tuple[str, str], step: str = "0.01") -> list[tuple[float, int]]:
    """Return the bounds of the rate for amounts that were paid for points, as SQL sorts them."""
    found = []
    for paid, points in amounts:
        least, most = (
            (Decimal(paid) - Decimal(step)) / Decimal(points),
            (Decimal(paid) + Decimal(step)) / Decimal(points),
        )
        found += [(float(least), 0), (float(most), 1)]
    return sorted(found)


@pytest.mark.parametrize(
    ("amounts", "step", "rate", "fits"),
    [
        ([("10", "100"), ("20", "200"), ("5", "50")], "0.01", "0.1", 3),
        ([("10", "100"), ("20", "200"), ("55", "50")], "0.01", "0.1", 2),
        ([("7.10", "100"), ("709.77", "10000")], "0.01", "0.070977", 2),  # rounded to cents
        ([("10", "105"), ("104", "1045"), ("1", "11")], "0.99", "0.1", 3),  # cut to whole amounts
        ([("500", "500")], "0.01", "1", 1),
        ([], "0.01", "None", 0),
    ],
)
def test_the_rate_is_what_most_rows_show(amounts: list[tuple[str, str]], step: str, rate: str, fits: int) -> None:
    """Also where amounts are rounded; with as few digits as fit."""
    found, number = rate_of(ends(*amounts, step=step))
    assert (str(found), number) == (rate, fits)
