"""The rows of a JSONL file: one object a line."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.bulk.intake.fields import read_fields
from xoxo_async.bulk.intake.numerals import either, readings_of
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import BadCell, FileRow
from xoxo_async.bulk.intake.text_lines import Place, check_length, printable

__all__ = ["read_jsonl"]

# Any value is decoded here, so that the check of the row can name the column of a wrong one.
_JsonRow: Any = msgspec.defstruct(
    "_JsonRow", [(name, object, None) for name in OrderLine.__struct_fields__], forbid_unknown_fields=True
)
_NUMBERS: Final = frozenset({"product_id", "denomination", "quantity"})
_DECODER: Final = msgspec.json.Decoder(_JsonRow, float_hook=Decimal)


def read_jsonl(lines: Iterator[str], at: Place, _source: str, problems: Problems) -> Iterator[FileRow]:
    """Yield the rows of a JSONL file; blank lines are left out.

    Args:
        lines: Its lines.
        at: How far it was read.
        problems: Where bad rows are noted.

    Raises:
        UnreadableError: The file cannot be read beyond a row.
    """
    for number, text in enumerate(lines, at.row + 1):
        check_length(text)
        at.row = number
        if not text.strip():
            continue
        try:
            values = msgspec.structs.asdict(_DECODER.decode(text))
        except (msgspec.MsgspecError, RecursionError) as error:
            problems.add(number, f"not one JSON object of order fields ({error})", given={"": text.rstrip()})
            continue
        key_column = "key" if values["key"] is not None or values["po_number"] is None else "po_number"
        fields: dict[str, object] = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in values.items()
            if value is not None and value != ""
        }
        if repeated := _repeated_name(text, fields):
            kept = fields.get("kept")
            is_kept = isinstance(kept, dict) and repeated in kept
            column = repeated if repeated in values else "kept" if is_kept else "details"
            what = f"{printable(repeated)} is in the object twice"
            problems.add(number, what, column=column, value=fields.get(column), given={"": text.rstrip()})
            continue
        for column in fields.keys() & _NUMBERS:
            _refuse_two_ways(number, column, fields, problems)
        yield read_fields(number, fields, problems, key_column)


def _refuse_two_ways(row: int, column: str, fields: dict[str, object], problems: Problems) -> None:
    """Refuse a text that can be two numbers: no column proves which one, and a JSON number is never in doubt."""
    text = fields[column]
    if isinstance(text, str) and (readings := readings_of(text)).differ:
        bad = BadCell(f"is {text!r}: it can be {either(readings)}; write a JSON number: 1000 or 1000.50")
        problems.add(row, bad.why, column=column, value=text, given=dict(fields))
        fields[column] = bad


def _repeated_name(text: str, fields: Mapping[str, object]) -> str:
    """Return a name that a JSON row has twice; empty when there is none.

    Of two values for one name the decoder silently takes the last. A row with as many colons as values has no name
    twice. A row with more colons, for example in a text, is decoded a second time, name by name.

    Args:
        text: The row.
        fields: Its fields.
    """
    inside = [value for value in (fields.get("details"), fields.get("kept")) if isinstance(value, dict)]
    if text.count(":") == len(fields) + sum(map(len, inside)):
        return ""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return repeated[0] if repeated else ""
