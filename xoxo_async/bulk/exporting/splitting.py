"""The rows of an export by the value of a column: they wait in a temporary file until every value is known."""

import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from xoxo_async.bulk.exporting.columns import AnyRow, Columns, kept_columns
from xoxo_async.bulk.exporting.rows import Made
from xoxo_async.errors import ConfigError

__all__ = ["MOST_FILES", "Parts", "splitting_by"]

MOST_FILES: Final = 1_000
_encode: Final = msgspec.json.Encoder().encode


def splitting_by(column: str, columns: Columns, kept: Sequence[str]) -> Callable[[AnyRow], str]:
    """Return what gives a row's value in a column.

    Args:
        column: The column's heading in the export; case counts only where two differ in nothing else.
        columns: The fixed columns of the export.
        kept: The names of the columns that ride along.

    Raises:
        ConfigError: There is no such column, or an export cannot be split by it; names those by which it can.
    """
    # Codes and links are cash, and the name of a file is no place for them.
    known = [name for name in columns.names if name not in columns.cash and name != "error"]
    rides = dict(zip(kept_columns(kept, columns.names), kept, strict=True))
    alike = [name for name in [*known, *rides] if name.casefold() == column.strip().casefold()]
    chosen = column if column in known or column in rides else alike[0] if len(alike) == 1 else ""
    if chosen in rides:
        name = rides[chosen]
        return lambda row: row.kept.get(name, "")
    if chosen in known:
        return lambda row: str(value) if (value := getattr(row, chosen)) is not None else ""
    there = ", ".join([*rides, *known])
    raise ConfigError(f"an export cannot be split by {column!r}; the columns by which it can are: {there}")


class Parts:
    """Rows by the value of a column.

    Memory holds twelve bytes for each row. The rows are in a temporary file without a name, which a crash removes.

    Args:
        folder: Where the temporary file is.
        column: The column's heading, for messages.
        value_of: Gives a row's value.
        row: The struct of the rows.

    Raises:
        OSError: The temporary file cannot be made.
    """

    def __init__(self, folder: Path, column: str, value_of: Callable[[AnyRow], str], row: type[AnyRow]) -> None:
        self._column: Final = column
        self._value_of: Final = value_of
        made: Any = tuple[row, str]  # type: ignore[valid-type]  # the struct is known only here
        self._decode: Final[Callable[[bytes], tuple[AnyRow, str]]] = msgspec.json.Decoder(made).decode
        self._places: Final[dict[str, tuple[array[int], array[int]]]] = {}
        self._end = 0
        self._file: Final[IO[bytes]] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    @property
    def values(self) -> list[str]:
        """The values, in order; blank ones are one."""
        return sorted(self._places)

    def add(self, made: Made) -> None:
        """Keep a row.

        Args:
            made: The row.

        Raises:
            ConfigError: It has one value too many.
            OSError: It cannot be written.
        """
        value = self._value_of(made.row).strip()
        places = self._places.get(value)
        if places is None:
            if len(self._places) == MOST_FILES:
                raise ConfigError(
                    f"{self._column!r} has more than {MOST_FILES:,} values, and an export is split into"
                    f" {MOST_FILES:,} files at most: split it by another column"
                )
            places = self._places[value] = (array("Q"), array("L"))
        text = _encode(made)
        self._file.write(text)
        places[0].append(self._end)
        places[1].append(len(text))
        self._end += len(text)

    def rows(self, value: str) -> Iterator[Made]:
        """Yield the rows with a value, in the order in which they came.

        Args:
            value: One of `values`.

        Raises:
            OSError: They cannot be read.
        """
        self._file.flush()
        descriptor = self._file.fileno()
        for start, length in zip(*self._places[value], strict=True):
            yield Made(*self._decode(os.pread(descriptor, length, start)))
