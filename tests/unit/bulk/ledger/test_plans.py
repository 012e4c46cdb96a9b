"""`plans`: the lines that a plan adds, skips, refuses and withdraws, with no database."""

from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.facts import alone, packable, planned
from xoxo_async.bulk.ledger.bookkeeping import StoredLine
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.plans import (
    Mixed,
    Seen,
    clash,
    doubts_of_plan,
    keys_to_withdraw,
)
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.errors import LedgerConflictError, PlanError

MISSING = [("k3", 4), ("k9", 10)]


def known(place: int, line: PlannedLine, seq: int = 1, first: int | None = None) -> StoredLine:
    """Return the match of a planned line with itself."""
    return StoredLine(place, line.key, line.po_number, line.digest, line.row, seq, first)


def test_seen_lines_are_separate_from_others() -> None:
    """A line that came after the beginning of a plan cannot be missing from it."""
    seen = Seen(17)
    for seq in (1, 8, 17, 18, 400):
        seen.add(seq)
    assert [seq for seq in range(1, 1000) if seq in seen] == [1, 8, 17]
    seen.add_packed(3, 0)
    seen.add_packed(3, 70)
    assert [seen.has_packed(3, first) for first in (0, 1, 70)] == [True, False, True]
    assert not seen.has_packed(4, 0)


def test_new_lines_share_orders_or_travel_alone() -> None:
    """Ten lines fill an order; what does not fill one waits for the end of the plan."""
    mixed = Mixed(0, None)
    added = mixed.add([*packable(*range(12)), *alone(20)], [])
    assert (added.lines, [line.key for line in added.alone]) == (13, ["k20"])
    assert [len(pack.lines) for pack in added.packs] == [10]
    assert [len(pack.lines) for pack in mixed.rest()] == [2]


def test_stored_lines_are_skipped_and_seen() -> None:
    """A line that is an order by itself is noted by its number, a packed one by its place in the order."""
    lines = packable(0, 1, 2)
    seen = Seen(9)
    added = Mixed(9, seen).add(lines, [known(0, lines[0], seq=4), known(2, lines[2], seq=7, first=3)])
    assert added.lines == 1
    assert 4 in seen
    assert seen.has_packed(7, 3)


def test_contradictions_with_known_lines_are_refused() -> None:
    """Other contents under a known key, and a poNumber of another key, name both rows."""
    (line,) = packable(0)
    other = msgspec.structs.replace(line, digest="other", row=8)
    with pytest.raises(LedgerConflictError, match=r"row 1 \(key k0\) was planned with other contents \(row 8\)"):
        Mixed(9, None).add([line], [known(0, other)])
    with pytest.raises(LedgerConflictError, match="has the poNumber of row 8"):
        Mixed(9, None).add([line], [known(0, msgspec.structs.replace(other, key="k8"))])
    assert "other contents" in str(clash("k", 1, "k", 2, same_po=True))


def test_rows_of_one_plan_that_repeat_are_refused() -> None:
    """In one chunk, in a pack that is still open, and in an earlier chunk that is stored already."""
    (line,) = packable(0)
    again = msgspec.structs.replace(line, row=5)
    with pytest.raises(PlanError, match="k0 is in row 1 already"):
        Mixed(0, None).add([line, again], [])
    mixed = Mixed(0, None)
    mixed.add([line], [])
    with pytest.raises(PlanError, match="k0 is in row 1 already"):
        mixed.add([again], [])
    with pytest.raises(LedgerConflictError, match="other contents"):
        mixed.add([msgspec.structs.replace(again, digest="other")], [])
    with pytest.raises(PlanError, match="row 5, column key"):
        Mixed(0, None).add([again], [known(0, line, seq=1)])


def test_two_rows_with_one_po_number_are_refused() -> None:
    """In one chunk, in a pack that is still open, and where one of the two rows travels alone."""
    one, other = packable(0, 1)
    other = msgspec.structs.replace(other, po_number=one.po_number)
    solo = msgspec.structs.replace(other, room=0)
    refusal = r"row 2 \(key k1\) has the poNumber of row 1 \(key k0\)"
    for chunk in ([one, other], [one, solo]):
        with pytest.raises(LedgerConflictError, match=refusal):
            Mixed(0, None).add(chunk, [])
        mixed = Mixed(0, None)
        mixed.add([one], [])
        with pytest.raises(LedgerConflictError, match=refusal):
            mixed.add(chunk[1:], [])


def test_a_row_planned_before_is_the_same_row() -> None:
    """Its row number may be another one now."""
    (line,) = packable(0)
    added = Mixed(9, None).add([msgspec.structs.replace(line, row=5)], [known(0, line, seq=9)])
    assert added == (0, [], [])


def test_missing_lines_are_kept_withdrawn_or_refused() -> None:
    """A ledger that this plan restores may have sent them: then nothing is withdrawn."""
    assert keys_to_withdraw(MISSING, PlanTerms()) == []
    assert keys_to_withdraw([], PlanTerms(missing="refuse")) == []
    assert keys_to_withdraw(MISSING, PlanTerms(missing="withdraw")) == ["k3", "k9"]
    with pytest.raises(PlanError, match=r"lacks 2 planned rows.*\n  row 4 \(key k3\)\n  row 10"):
        keys_to_withdraw(MISSING, PlanTerms(missing="refuse"))
    with pytest.raises(LedgerConflictError, match="may have been sent"):
        keys_to_withdraw(MISSING, PlanTerms(missing="withdraw", restored="the disk died"))


def test_the_error_names_twenty_missing_rows() -> None:
    """It says how many more there are."""
    many = [(f"k{row}", row) for row in range(1, 31)]
    with pytest.raises(PlanError, match="and 10 more") as caught:
        keys_to_withdraw(many, PlanTerms(missing="refuse"))
    assert (len(caught.value.problems), caught.value.total) == (20, 30)


def test_doubted_lines_are_wanted_or_unwanted() -> None:
    """A line that the plan names, and that was unwanted, is wanted again."""
    lines = [
        LedgerLine(seq, f"k{seq}", f"po{seq}", "d", "{}", seq, state=LineState.UNKNOWN, unwanted=seq == 2)
        for seq in (1, 2, 3)
    ]
    seen = Seen(3)
    seen.add(1)
    seen.add(2)
    assert doubts_of_plan(lines, seen) == ([2], [lines[2]])


def test_a_pack_of_one_line_is_that_line() -> None:
    """Its request is the line's own."""
    mixed = Mixed(0, None)
    mixed.add([planned(1, value=250)], [])
    (pack,) = mixed.rest()
    assert (pack.order, pack.order.worth) == (planned(1, value=250), Decimal(250))
