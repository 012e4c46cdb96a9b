"""`kept_columns`: what may ride along with a row."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.errors import ConfigError

GOOD: list[Mapping[str, str] | None] = [
    None,
    {},
    {"Name": "Ann", "Note": "two\nlines\tand a tab", "Empty": ""},
    MappingProxyType({"n" * 100: "v" * 1_000}),
    {str(n): "v" * 100 for n in range(100)},
]

BAD: dict[str, tuple[Any, str]] = {
    "a text": ("Ann", "must hold texts by name, not str"),
    "too many": ({str(n): "" for n in range(101)}, "holds 101 columns, and 100 are allowed"),
    "blank name": ({" ": "x"}, "the name of a column is missing"),
    "long name": ({"n" * 101: "x"}, "the name of a column has 101 characters, and 100"),
    "control in name": ({"a\nb": "x"}, "the name of a column must be a text"),
    "number": ({"Level": 3}, "must hold a text in 'Level', not int"),
    "long value": ({"Note": "v" * 1_001}, "has 1,001 characters in 'Note', and 1,000"),
    "control": ({"Note": "a\0b"}, "holds a control character in 'Note'"),
    "half a character": ({"Note": "\ud800"}, "holds a control character in 'Note'"),
    "all": ({str(n): "v" * 999 for n in range(11)}, "has 10,989 characters in all columns, and 10,000"),
}


@pytest.mark.parametrize("value", GOOD)
def test_texts_may_ride_along(value: object) -> None:
    """Up to the limits, with the lines and tabs that a cell may have."""
    check_kept("kept", value)


@pytest.mark.parametrize(("value", "said"), BAD.values(), ids=BAD)
def test_anything_else_is_refused_by_name(value: object, said: str) -> None:
    """The error names the column, and never shows its value."""
    with pytest.raises(ConfigError, match=said):
        check_kept("kept", value)


@pytest.mark.parametrize("name", ["number", "long value", "control"])
def test_a_value_names_its_own_column(name: str) -> None:
    """A file has no column `kept`."""
    value, _ = BAD[name]
    with pytest.raises(KeptColumnError) as caught:
        check_kept("kept", value)
    assert [caught.value.column] == list(value)
