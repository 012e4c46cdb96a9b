"""Look at the rest of a table before its next row is given; the file itself is read once."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, Final

import msgspec

from xoxo_async.bulk.intake.tables import BadCell, Cell, ShownNumber, TableRow
from xoxo_async.errors import ConfigError

__all__ = ["look_ahead"]

_BATCH: Final = 500
_IN_MEMORY: Final = 2**23
"""Bytes. What is more goes to a file without a name in the folder for temporary files, which nobody else can open."""
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[int, list[Any]]])


def look_ahead(rows: Iterator[TableRow], look: Callable[[TableRow], None]) -> Iterator[TableRow]:
    """Read all rows, call `look` with each, and return an iterator that gives them again.

    A file that is read twice could change in between, and standard input cannot be read twice. So the rows are kept, in
    memory up to 8 MiB, and beyond that in a temporary file.

    Args:
        rows: The rows.
        look: Is called with each row, before this function returns.

    Raises:
        ConfigError: There is no room for a temporary file.
    """
    kept: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - `_again` closes it
    try:
        batch: list[tuple[int, list[object]]] = []
        for row in rows:
            look(row)
            batch.append((row.number, [cell if type(cell) is str else _packed(cell) for cell in row.cells]))
            if len(batch) == _BATCH:
                _write(kept, batch)
                batch = []
        _write(kept, batch)
        kept.seek(0)
    except BaseException:
        kept.close()
        raise
    return _again(kept)


def _write(kept: IO[bytes], batch: list[tuple[int, list[object]]]) -> None:
    data = _ENCODER.encode(batch)
    try:
        kept.write(len(data).to_bytes(8, "big"))
        kept.write(data)
    except OSError as error:
        raise ConfigError(
            f"there is no room for a temporary file ({error.strerror}): set TMPDIR to a folder that can be written"
        ) from None


def _again(kept: IO[bytes]) -> Iterator[TableRow]:
    with kept:
        while size := kept.read(8):
            for number, cells in _DECODER.decode(kept.read(int.from_bytes(size, "big"))):
                yield TableRow(number, [cell if type(cell) is str else _unpacked(cell) for cell in cells])


def _packed(cell: Cell) -> object:
    """Return a cell that is no text in a form that MessagePack has; a list says what it is."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, BadCell):
        return ["bad", cell.why]
    if isinstance(cell, ShownNumber):
        return ["shown", str(cell.number), *cell[1:]]
    if isinstance(cell, Decimal):
        return ["number", str(cell)]
    if isinstance(cell, str):  # a subclass
        return str(cell)
    return ["time" if isinstance(cell, datetime) else "day", cell.isoformat()]


def _unpacked(cell: Any) -> Cell:
    if not isinstance(cell, list):
        return cell  # type: ignore[no-any-return]
    kind, text, *more = cell
    if kind == "shown":
        return ShownNumber(Decimal(text), *more)
    return _KINDS[kind](text)


_KINDS: Final[dict[str, Callable[[str], Cell]]] = {
    "bad": BadCell,
    "number": Decimal,
    "time": datetime.fromisoformat,
    "day": date.fromisoformat,
}
