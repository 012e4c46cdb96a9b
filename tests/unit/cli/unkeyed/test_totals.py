"""`totals`: the sums of a job without a key, in words."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk import JobKind, UnkeyedTotals
from xoxo_async.cli.unkeyed.totals import question, summary


def totals(kind: JobKind = JobKind.POINTS, **given: Any) -> UnkeyedTotals:
    plain: dict[str, Any] = {"rows": 30, "total": Decimal(12500), "calls": 30, "worth": Decimal(12500)}
    return UnkeyedTotals(kind, **{**plain, **given})


@pytest.mark.parametrize(("kind", "given", "words"), [
    (JobKind.POINTS, {"available": Decimal(50000)}, "send 12,500 points to 30 people; the company has 50,000 points"),
    (JobKind.POINTS, {"rows": 1, "total": Decimal(1)}, "send 1 point to 1 person; the vendor does not say how many"),
    (JobKind.LINKS, {"total": Decimal(40), "unit": "INR"}, "make 40 links for 30 rows; worth at most INR 12,500"),
    (JobKind.LINKS, {"total": Decimal(1), "rows": 1, "worth": None}, "make 1 link for 1 row"),
    (JobKind.LINK_MAILS, {"total": Decimal(30), "worth": None}, "mail 30 links to 30 addresses"),
    (JobKind.LINK_MAILS, {"total": Decimal(30), "unit": "INR"},
     "mail 30 links to 30 addresses; worth at most INR 12,500"),
    (JobKind.POINTS, {"rows": 0}, ""),
])  # fmt: skip
def test_a_person_agrees_to_the_sum_once(kind: JobKind, given: dict[str, Any], words: str) -> None:
    """The sum, the number of people, and what the company has. Nothing to send asks nobody."""
    assert question(totals(kind, **given)).startswith(words)
    assert bool(words) == bool(question(totals(kind, **given)))


def test_the_summary_says_what_is_not_sent() -> None:
    """Bad rows, withdrawn rows and rows in doubt."""
    lines = summary(totals(recognised="semicolons", skipped=2, problems="  row 2: x", withdrawn=1, in_doubt=3))
    assert lines[:4] == [
        "recognised: semicolons",
        "2 bad rows left out\n  row 2: x",
        "1 row withdrawn, no longer in the input",
        "3 rows in doubt: never sent again by itself, a person decides",
    ]
    assert lines[4] == "to send 12,500 points to 30 people, in 30 calls"


def test_people_under_new_keys_are_a_warning() -> None:
    """A list with other keys would pay everybody a second time."""
    (warning,) = [line for line in summary(totals(absent=30, added=30)) if line.startswith("warning")]
    assert "30 rows of this ledger are not in the file, and 30 new ones are" in warning
    assert warning.endswith("they would be paid twice")


def test_points_that_do_not_suffice_are_told() -> None:
    """The sum that is missing stands there."""
    lines = summary(totals(available=Decimal(12000), expected_s=90.0))
    assert "the company has 12,000 points" in lines
    assert lines[-1] == "the company's points fall 500 short of that"
    assert any(line.endswith("about 1:30 at the present limit") for line in lines)
