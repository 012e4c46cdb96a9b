"""`turning`: the texts and JSON values of a row become the values of its fields."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.turning import as_amount, as_flag, as_kept, as_phone, as_text, as_whole, turn_row
from xoxo_async.errors import ConfigError


@pytest.mark.parametrize(("turn", "value", "turned"), [
    (as_text, 7, "7"),
    (as_text, True, True),
    (as_whole, "3.0", 3),
    (as_whole, "3.5", "3.5"),
    (as_whole, "1e99", "1e99"),
    (as_amount, "0.10", Decimal("0.10")),
    (as_amount, "1,000", "1,000"),
    (as_flag, "Yes", True),
    (as_flag, "perhaps", "perhaps"),
    (as_phone, "919876543210.0", "919876543210"),
    (as_phone, "0919876543210.0", "0919876543210.0"),
    (as_kept, {"a": 1, "b": None, "c": [1]}, {"a": "1", "c": [1]}),
    (as_kept, "text", "text"),
])  # fmt: skip
def test_a_value_is_turned_or_stays(turn: Callable[[object], object], value: object, turned: object) -> None:
    """What cannot be turned stays for the check of the row, which names it."""
    assert turn(value) == turned
    assert type(turn(value)) is type(turned)


def test_a_row_without_a_key_has_the_next() -> None:
    """The first field that names rows wins; another one stands in for it."""
    row = turn_row(2, {"po": "P", "n": "1"}, {"n": as_whole}, Problems(), keys=("key", "po"), key_column="po")
    assert row.fields == {"key": "P", "po": "P", "n": 1}
    row = turn_row(2, {"key": "K", "po": "P"}, {}, Problems(), keys=("key", "po"), key_column="key")
    assert row.fields["key"] == "K"


def test_a_value_that_no_field_takes_is_noted() -> None:
    """The row goes on, with the value as it was, and the problem names row and column."""

    def refuse(_value: object) -> object:
        raise ConfigError("must be better")

    problems = Problems()
    row = turn_row(7, {"key": "K", "x": "bad"}, {"x": refuse}, problems, keys=("key",), key_column="key")
    assert row.fields == {"key": "K", "x": "bad"}
    assert problems.shown() == ("row 7, column x: must be better",)
