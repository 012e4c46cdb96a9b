"""Turn the texts and JSON values of one row of a file into the values of its fields. The check comes later.

The values of a row come from a file as texts, or from JSON as texts and numbers. Each kind of file has a table that
says what each field makes of them; a field that is not in the table is a text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.errors import ConfigError
from xoxo_async.services.checks import decimal

__all__ = ["Turns", "as_amount", "as_flag", "as_kept", "as_phone", "as_text", "as_whole", "turn_row"]

Turns = Mapping[str, Callable[[object], object]]
"""What each field makes of a value. One that raises `ConfigError` makes the value a problem of its row."""

_FLAGS: Final = {"1": True, "true": True, "yes": True, "y": True, "0": False, "false": False, "no": False, "n": False}
_NUMBER_AS_FLOAT: Final = re.compile(r"[1-9][0-9]{0,14}\.0")
"""At most 15 digits: a program that keeps numbers in eight bytes has lost none of them."""
_TOO_LARGE: Final = 16
"""Digits. The check refuses such a number; as an integer, `1e99` would be a hundred digits long."""


def turn_row(
    number: int,
    fields: Mapping[str, object],
    turns: Turns,
    problems: Problems,
    *,
    keys: Sequence[str],
    key_column: str,
    given: Mapping[str, object] | None = None,
) -> FileRow:
    """Turn the values of a row into those of its fields.

    A value that cannot be turned stays as it is: the check of the row refuses it and names the column. So every value
    is checked in one place, whether it comes from a file or from Python.

    Args:
        number: The row's number.
        fields: Its fields, without the empty ones.
        turns: What each field makes of a value.
        problems: Where a value is noted that no field takes.
        keys: The fields that can name a row. A row without the first one has its key from the next.
        key_column: The column that holds the key.
        given: The row as the file has it; None where that is `fields`.
    """
    values: dict[str, object] = {}
    for name, value in fields.items():
        try:
            values[name] = turns.get(name, as_text)(value)
        except ConfigError as error:
            values[name] = value
            problems.add(number, error.message, column=name, value=value, given=given or fields)
    if keys and keys[0] not in values:
        values.update((keys[0], values[key]) for key in reversed(keys) if key in values)
    return FileRow(number, values, key_column, given or fields)


def as_text(value: object) -> object:
    """Turn a whole number into its digits: JSON may hold a number in a column of texts.

    Args:
        value: The value.
    """
    return str(value) if type(value) is int else value


def as_phone(value: object) -> object:
    """Turn `919876543210.0` into a phone number: a program took it for a number, and all its digits are there.

    Args:
        value: The value.
    """
    text = as_text(value)
    return text[:-2] if isinstance(text, str) and _NUMBER_AS_FLOAT.fullmatch(text) else text


def as_whole(value: object) -> object:
    """Turn a text or a decimal into a whole number: spreadsheets write `3.0` for three.

    Args:
        value: The value.
    """
    number = as_amount(value)
    if isinstance(number, Decimal) and number.adjusted() < _TOO_LARGE and number == number.to_integral_value():
        return int(number)
    return value


def as_amount(value: object) -> object:
    """Turn a text into an exact number. Texts with separators stay: `1,000` may mean a thousand or one.

    Args:
        value: The value.
    """
    number = decimal(value) if isinstance(value, str) else value
    return value if number is None else number


def as_flag(value: object) -> object:
    """Turn `yes`, `no`, `1`, `0` and the like into a flag.

    Args:
        value: The value.
    """
    return _FLAGS.get(str(value).lower(), value)


def as_kept(value: object) -> object:
    """Turn the numbers among the columns that ride along into texts, and leave out those without a value.

    Args:
        value: The value.
    """
    if not isinstance(value, dict):
        return value
    return {name: str(one) if type(one) in {int, Decimal} else one for name, one in value.items() if one is not None}
