"""Turn the texts and JSON values of one row of orders into fields. The check of the row comes later."""

from collections.abc import Mapping
from typing import Final

import msgspec

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import Alike, FileRow
from xoxo_async.bulk.intake.template_marks import without_label
from xoxo_async.bulk.intake.turning import Turns, as_amount, as_flag, as_kept, as_phone, as_text, as_whole, turn_row
from xoxo_async.errors import ConfigError
from xoxo_async.services.orders.details import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails

__all__ = ["is_turned", "read_alike", "read_fields"]

_DETAILS: Final[tuple[type[Details], ...]] = (LoungeDetails, AirmilesDetails, TopUpDetails, ShippingDetails)


def read_fields(
    number: int,
    fields: Mapping[str, object],
    problems: Problems,
    key_column: str,
    given: Mapping[str, object] | None = None,
) -> FileRow:
    """Turn the texts of a row of orders into numbers, flags and details.

    Args:
        number: The row's number.
        fields: Its fields, without the empty ones.
        problems: Where details that do not fit are noted.
        key_column: The column that holds the key.
        given: The row as the file has it; None where that is `fields`.
    """
    return turn_row(number, fields, _TURNS, problems, keys=_KEYS, key_column=key_column, given=given)


def read_alike(row: FileRow, alike: Alike) -> FileRow:
    """Do as `read_fields` does for a row that may have much in common with earlier ones.

    Args:
        row: The row, as its table's reader gives it. All its values are texts or numbers, or already those of an
            order's fields where `alike` has turned them.
        alike: What it has in common with others.
    """
    values = row.fields
    if not alike.turned:
        alike.values = {name: _TURNS.get(name, as_text)(value) for name, value in alike.values.items()}
        alike.turned = True
        values.update(alike.values)
    if "contact" in values:
        values["contact"] = as_phone(values["contact"])
    if _KEYS[0] not in values:
        first, *others = _KEYS
        values.update((first, values[key]) for key in reversed(others) if key in values)
    if row.kept:
        values["kept"] = row.kept
    return row


def is_turned(column: str, value: object) -> bool:
    """Return whether a value has the type of its column. Numbers never count: the check decides on each.

    Args:
        column: The column.
        value: Its value, from `read_fields`.
    """
    return isinstance(value, _TYPES.get(column, str))


def _product(value: object) -> object:
    """Turn a text into the number of a product; a template's list has the name behind it."""
    return as_whole(without_label(value) if isinstance(value, str) else value)


def _details(value: object) -> object:
    """Turn a JSON object into the details that have all of its names."""
    if not isinstance(value, dict):
        return value
    names = set(value)
    for kind in _DETAILS:
        if names and names <= set(kind.__struct_fields__):
            try:
                return msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                raise ConfigError(str(error)) from None
    raise ConfigError("must hold the fields of LoungeDetails, AirmilesDetails, TopUpDetails or ShippingDetails")


_KEYS: Final = ("key", "po_number")
_TURNS: Final[Turns] = {
    "product_id": _product,
    "denomination": as_amount,
    "quantity": as_whole,
    "contact": as_phone,
    "notify_receiver": as_flag,
    "notify_admin": as_flag,
    "details": _details,
    "kept": as_kept,
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
