"""Turn the texts and JSON values of one row of a file into fields. The check of the row comes later."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import Alike, FileRow
from xoxo_async.bulk.intake.template_marks import without_label
from xoxo_async.errors import ConfigError
from xoxo_async.services.checks import decimal
from xoxo_async.services.orders.details import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails

__all__ = ["is_turned", "read_alike", "read_fields"]

_DETAILS: Final[tuple[type[Details], ...]] = (LoungeDetails, AirmilesDetails, TopUpDetails, ShippingDetails)
_FLAGS: Final = {"1": True, "true": True, "yes": True, "y": True, "0": False, "false": False, "no": False, "n": False}
_NUMBER_AS_FLOAT: Final = re.compile(r"[1-9][0-9]{0,14}\.0")
"""At most 15 digits: a program that keeps numbers in eight bytes has lost none of them."""
_TOO_LARGE: Final = 16
"""Digits. The check refuses such a number; as an integer, `1e99` would be a hundred digits long."""


def read_fields(
    number: int,
    fields: Mapping[str, object],
    problems: Problems,
    key_column: str,
    given: Mapping[str, object] | None = None,
) -> FileRow:
    """Turn the texts of a row into numbers, flags and details.

    A value that cannot be turned stays as it is: the check of the row refuses it and names the column. So every value
    is checked in one place, whether it comes from a file or from Python.

    Args:
        number: The row's number.
        fields: Its fields, without the empty ones.
        problems: Where details that do not fit are noted.
        key_column: The column that holds the key.
        given: The row as the file has it; None where that is `fields`.
    """
    values = {name: _VALUES.get(name, _text)(value) for name, value in fields.items()}
    if "key" not in values and "po_number" in values:
        values["key"] = values["po_number"]
    details = values.get("details")
    if isinstance(details, dict):
        try:
            values["details"] = _details(details)
        except ConfigError as error:
            problems.add(number, error.message, column="details", value=details, given=given or fields)
    return FileRow(number, values, key_column, given or fields)


def read_alike(row: FileRow, alike: Alike) -> FileRow:
    """Do as `read_fields` does for a row that may have much in common with earlier ones.

    Args:
        row: The row, as its table's reader gives it. All its values are texts or numbers.
        alike: What it has in common with others.
    """
    if alike.fields is None:
        alike.fields = {name: _VALUES.get(name, _text)(value) for name, value in alike.values.items()}
    values = {**row.fields, **alike.fields}
    if "contact" in values:
        values["contact"] = _phone(values["contact"])
    if "key" not in values and "po_number" in values:
        values["key"] = values["po_number"]
    if row.kept:
        values["kept"] = row.kept
    return FileRow(row.number, values, row.key_column, row.given, alike=alike)


def is_turned(column: str, value: object) -> bool:
    """Return whether a value has the type of its column. Numbers never count: the check decides on each.

    Args:
        column: The column.
        value: Its value, from `read_fields`.
    """
    return isinstance(value, _TYPES.get(column, str))


def _text(value: object) -> object:
    """Turn a whole number into its digits: JSON may hold a number in a column of texts."""
    return str(value) if type(value) is int else value


def _phone(value: object) -> object:
    """Turn `919876543210.0` into a phone number: a program took it for a number, and all its digits are there."""
    text = _text(value)
    return text[:-2] if isinstance(text, str) and _NUMBER_AS_FLOAT.fullmatch(text) else text


def _whole(value: object) -> object:
    """Turn a text or a decimal into a whole number: spreadsheets write `3.0` for three."""
    number = _amount(value)
    if isinstance(number, Decimal) and number.adjusted() < _TOO_LARGE and number == number.to_integral_value():
        return int(number)
    return value


def _product(value: object) -> object:
    """Turn a text into the number of a product; a template's list has the name behind it."""
    return _whole(without_label(value) if isinstance(value, str) else value)


def _amount(value: object) -> object:
    """Turn a text into an exact number. Texts with separators stay: `1,000` may mean a thousand or one."""
    number = decimal(value) if isinstance(value, str) else value
    return value if number is None else number


def _flag(value: object) -> object:
    """Turn `yes`, `no`, `1`, `0` and the like into a flag."""
    return _FLAGS.get(str(value).lower(), value)


def _details(value: dict[str, object]) -> Details:
    """Return the details that have all the names of a JSON object."""
    names = set(value)
    for kind in _DETAILS:
        if names and names <= set(kind.__struct_fields__):
            try:
                return msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                raise ConfigError(str(error)) from None
    raise ConfigError("must hold the fields of LoungeDetails, AirmilesDetails, TopUpDetails or ShippingDetails")


def _kept(value: object) -> object:
    """Turn the numbers among the columns that ride along into texts, and leave out those without a value."""
    if not isinstance(value, dict):
        return value
    return {name: str(one) if type(one) in {int, Decimal} else one for name, one in value.items() if one is not None}


def _as_it_is(value: object) -> object:
    return value


_VALUES: Final[dict[str, Callable[[object], object]]] = {
    "product_id": _product,
    "denomination": _amount,
    "quantity": _whole,
    "contact": _phone,
    "notify_receiver": _flag,
    "notify_admin": _flag,
    "details": _as_it_is,
    "kept": _kept,
}
"""The columns that do not hold a text."""
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "product_id": (),
    "denomination": (),
    "quantity": (),
    "notify_receiver": (bool,),
    "notify_admin": (bool,),
    "details": _DETAILS,
    "kept": (dict,),
}
