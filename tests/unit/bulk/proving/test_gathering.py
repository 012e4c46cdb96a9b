"""`gathering`: findings are counted by kind and by line, and the first of them are kept."""

from decimal import Decimal

from tests.unit.bulk.proving.books import line, order
from xoxo_async.bulk.proving.facts import Case
from xoxo_async.bulk.proving.gathering import Findings, stamp
from xoxo_async.bulk.proving.result import MOST_FINDINGS, Finding, ProofSums


def test_lines_count_by_their_worst_finding() -> None:
    """What is only unknown does not differ, and a row that travels in another order is no order."""
    gathered = Findings()
    gathered.count(line(1), [])
    gathered.count(line(2), [Finding(kind="unknown", why="w")])
    gathered.count(line(3, state="rejected"), [Finding(kind="unknown", why="w"), Finding(kind="wallet", why="w")])
    gathered.add_case(Case("po-4", line(4, lines=0)), [])
    assert (gathered.orders, gathered.placed) == (3, 2)
    assert (gathered.agree, gathered.undecided, gathered.differ) == (1, 1, 1)


def test_a_million_findings_are_counted() -> None:
    """The first thousand of a kind are kept."""
    gathered = Findings()
    gathered.add(Finding(kind="missing", why="w") for _ in range(MOST_FINDINGS + 5))
    gathered.unknown("w")
    assert (gathered.found["missing"], len(gathered.lists["missing"])) == (MOST_FINDINGS + 5, MOST_FINDINGS)
    assert gathered.found["unknown"] == 1


def test_orders_without_a_row_stand_apart() -> None:
    """They are of this job, so they are not another job's."""
    gathered = Findings()
    lost = Case("po-9", None, (order(9, charged=Decimal(70)),))
    gathered.add_case(lost, [Finding(kind="unlisted", why="w")])
    sums = gathered.apart(ProofSums(other_orders=3, other=Decimal(100)))
    assert (sums.unlisted, sums.other_orders, sums.other) == (70, 2, 30)


def test_a_moment_is_in_utc() -> None:
    """To the second."""
    assert stamp(0.9) == "1970-01-01T00:00:00Z"
