"""The rows of a JSONL file: one object a line."""

import itertools
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from xoxo_async.bulk.intake.matching import FieldSet
from xoxo_async.bulk.intake.numerals import either, readings_of
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import BadCell, FileRow
from xoxo_async.bulk.intake.text_lines import Place, check_length, printable
from xoxo_async.errors import PlanError

__all__ = ["JsonRows", "one_a_line"]

_CUT: Final = "truncated"
"""What msgspec says of a text that ends within JSON."""


class JsonRows:
    """Reads the rows of one kind of JSONL files.

    Args:
        line: The line that a row makes; an object may have its fields.
        known: The fields that a column can hold. The others hold objects.
        one: What a row is, for messages: `order`.
        ignores_others: Whether an object may have other names, which are left out; else each is an error.
    """

    def __init__(self, line: type[msgspec.Struct], known: FieldSet, one: str, *, ignores_others: bool = False) -> None:
        names = self._names = line.__struct_fields__
        # Any value is decoded here, so that the check of the row can name the column of a wrong one.
        fields = [(name, object, None) for name in names]
        row: Any = msgspec.defstruct("_JsonRow", fields, forbid_unknown_fields=not ignores_others)
        self._decoder: Final = msgspec.json.Decoder(row, float_hook=_fraction)
        self._keys: Final = known.keys
        self._numbers: Final = frozenset(field.name for field in known.fields if field.kind in {"whole", "amount"})
        self._objects: Final = [name for name in names if all(name != field.name for field in known.fields)]
        self._one: Final = one

    def read(self, lines: Iterator[str], at: Place, problems: Problems) -> Iterator[FileRow]:
        """Yield the rows of a file; blank lines are left out. Their values are not turned yet.

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
                values = msgspec.structs.asdict(self._decoder.decode(text))
            except (msgspec.MsgspecError, RecursionError) as error:
                what = f"not one JSON object of {self._one} fields ({printable(str(error))})"
                problems.add(number, what, given={"": text.rstrip()})
                continue
            fields: dict[str, object] = {
                name: value.strip() if isinstance(value, str) else value
                for name, value in values.items()
                if value is not None and value != ""
            }
            if repeated := self._repeated_name(text, fields):
                column = self._column_of(repeated, fields)
                what = f"{printable(repeated)} is in the object twice"
                problems.add(number, what, column=column, value=fields.get(column), given={"": text.rstrip()})
                continue
            for column in fields.keys() & self._numbers:
                _refuse_two_ways(number, column, fields, problems)
            key_column = next((key for key in self._keys if values[key] is not None), self._keys[0])
            yield FileRow(number, fields, key_column)

    def _column_of(self, name: str, fields: Mapping[str, object]) -> str:
        """Return the column that has a name: the column itself, or the object that holds it."""
        if name in self._names:
            return name
        inside = (column for column in reversed(self._objects) if _holds(fields.get(column), name))
        return next(inside, self._objects[0])

    def _repeated_name(self, text: str, fields: Mapping[str, object]) -> str:
        """Return a name that a JSON row has twice; empty when there is none.

        Of two values for one name the decoder silently takes the last. A row with as many colons as values has no name
        twice. A row with more colons, for example in a text, is decoded a second time, name by name.

        Args:
            text: The row.
            fields: Its fields.
        """
        inside = [value for column in self._objects if isinstance(value := fields.get(column), dict)]
        if text.count(":") == len(fields) + sum(map(len, inside)):
            return ""
        repeated: list[str] = []

        def look(pairs: list[tuple[str, object]]) -> None:
            names = [name for name, _ in pairs]
            repeated.extend(name for name in names if names.count(name) > 1)

        json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
        return repeated[0] if repeated else ""


def _fraction(text: str) -> Decimal | str:
    """Return a number; its text where no `Decimal` has such an exponent, for the check of the row to refuse."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def one_a_line(lines: Iterator[str], source: str) -> Iterator[str]:
    """Return the lines of a file as they are, unless its objects stand on several lines each.

    Args:
        lines: The lines; the first is not blank.
        source: The file's name, for messages.

    Raises:
        PlanError: The first object goes on in the second line.
    """
    first = next(lines)
    try:
        msgspec.json.decode(first)
    except msgspec.DecodeError as error:
        second = next(lines, "") if _CUT in str(error) else ""
        if second.strip() and not second.lstrip().startswith("{"):
            raise PlanError(
                f"{source}: this is JSON, and an object of it stands on several lines; write one object a line (JSONL)"
            ) from None
        first_ones = [first, second] if second else [first]
        return itertools.chain(first_ones, lines)
    except (UnicodeError, RecursionError):  # the reader of the row says so
        pass
    return itertools.chain([first], lines)


def _holds(value: object, name: str) -> bool:
    return isinstance(value, dict) and name in value


def _refuse_two_ways(row: int, column: str, fields: dict[str, object], problems: Problems) -> None:
    """Refuse a text that can be two numbers: no column proves which one, and a JSON number is never in doubt."""
    text = fields[column]
    if isinstance(text, str) and (readings := readings_of(text)).differ:
        bad = BadCell(f"is {text!r}: it can be {either(readings)}; write a JSON number: 1000 or 1000.50")
        problems.add(row, bad.why, column=column, value=text, given=dict(fields))
        fields[column] = bad
