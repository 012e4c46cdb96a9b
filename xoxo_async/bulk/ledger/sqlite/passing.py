"""How rows get into SQL: as one JSON text, and never as bytes.

SQLite takes bytes as JSON, too. But if the first byte fits their number, as in `[1000]` and in `{"1":23}`, SQLite 3.45
to 3.49 takes them for its own binary JSON, and refuses them as malformed. Debian 13 has 3.46, Ubuntu 24.04 has 3.45.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

__all__ = ["as_json", "passed"]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


def as_json(value: object) -> str:
    """Return a value as SQL gets it: JSON, in a text.

    Args:
        value: Rows, names or numbers.
    """
    return _ENCODER.encode(value).decode()


def passed(columns: Mapping[str, Sequence[object]], *, keyed: bool = False) -> tuple[dict[str, str], list[object]]:
    """Return the words and the parameters by which SQL gets many rows: from `json_each(?1) AS new`.

    Rows that are written together mostly have the same values. Such a value is bound once, and only what differs from
    row to row is passed as JSON: to pass all of it takes SQLite twice the time.

    Args:
        columns: The values of each column, in the order of the rows.
        keyed: Whether `new.key` need not be the place of the row.
    """
    words: dict[str, str] = {}
    bound: list[object] = []
    differ: dict[str, Sequence[object]] = {}
    number = len(next(iter(columns.values())))
    for name, column in columns.items():
        # Equal amounts may be written as 500 and as 500.00.
        values = _texts(column) if isinstance(column[0], Decimal) else column
        first = values[0]
        if values.count(first) == number:
            bound.append(first.value if isinstance(first, StrEnum) else first)
            words[name] = f"?{len(bound) + 1}"
        else:
            differ[name] = values
    rows, of_rows = _rows(differ, number, keyed=keyed)
    return words | of_rows, [as_json(rows), *bound]


def _rows(columns: Mapping[str, Sequence[object]], number: int, *, keyed: bool) -> tuple[object, dict[str, str]]:
    """Return rows as they are passed, and the words by which SQL gets their columns.

    One column is passed as a list, and two as an object if the first one is made of different numbers: SQLite parses
    each row of a list of lists a second time.
    """
    values = list(columns.values())
    if len(values) == 1:
        return values[0], dict.fromkeys(columns, "new.value")
    if keyed and len(values) == 2:
        pairs = dict(zip(*values, strict=True))
        if len(pairs) == number and all(type(key) is int for key in pairs):
            return pairs, dict(zip(columns, ("CAST(new.key AS INTEGER)", "new.value"), strict=True))
    rows = list(zip(*values, strict=True)) if values else [()] * number
    return rows, {name: f"json_extract(new.value, '$[{at}]')" for at, name in enumerate(columns)}


def _texts(amounts: Sequence[object]) -> Sequence[str | None]:
    return [None if amount is None else str(amount) for amount in amounts]
