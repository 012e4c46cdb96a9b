"""`lost_zeros`: a key that is shorter than keys with zeros in front may have lost its own zeros."""

import pytest

from xoxo_async.bulk.intake.lost_zeros import LostZeros
from xoxo_async.bulk.intake.problems import Problems


def noted(*keys: str) -> Problems:
    warnings = Problems()
    zeros = LostZeros(warnings)
    for row, key in enumerate(keys, 2):
        zeros.note(key, row)
    return warnings


def warned(*keys: str) -> list[str]:
    return list(noted(*keys).shown())


def test_a_shorter_key_is_named() -> None:
    """With its row, and the row that has a key with zeros."""
    (found,) = warned("007", "008", "9")
    assert found == (
        "row 4 (key 9): its key has fewer digits than 007 in row 2: a spreadsheet drops zeros in front."
        " If it did, write them back before it is sent"
    )


def test_the_order_of_rows_does_not_matter() -> None:
    """A file may begin with the short ones; a key of the same length is as it should be."""
    found = warned("9", "10", "123", "007", "11")
    assert [text.split(":")[0] for text in found] == ["row 2 (key 9)", "row 3 (key 10)", "row 6 (key 11)"]


@pytest.mark.parametrize(
    "keys",
    [
        ("9", "10", "11"),
        ("007", "008", "010"),
        ("007", "1000", "9"),
        ("1000", "007", "9"),
        ("007", "E-8", "9"),
        ("E-8", "007", "9"),
        ("007", "0008", "9"),
        ("0", "1", "10"),
        ("007", "\u0669", "9"),
    ],
)
def test_other_keys_are_no_reason_to_warn(keys: tuple[str, ...]) -> None:
    """Only digits of one length, with zeros in front, say how long a key should be."""
    assert warned(*keys) == []


def test_a_long_list_is_counted_and_partly_named() -> None:
    """All rows before the first zero count; of each length some are named."""
    found = noted(*(str(number) for number in range(1, 100)), "007")
    assert (found.rows, len(found.shown())) == (99, 20)
    assert "… and 79 more" in found.listing()


def test_long_keys_hide_no_short_one() -> None:
    """They have lost nothing, and are not among those that are named."""
    assert [text.split(":")[0] for text in warned(*map(str, range(100, 130)), "9", "099")] == ["row 32 (key 9)"]
