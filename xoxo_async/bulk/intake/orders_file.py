"""Order lines from CSV, JSONL or standard input: streamed, and every bad row named by its number and column."""

import csv
import errno
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

import msgspec

from xoxo_async.bulk.intake.fields import line_of
from xoxo_async.bulk.intake.order_lines import OrderLine, Problems
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["OrdersFile", "read_orders"]

_LONGEST_LINE: Final = 2**21
"""Characters. All columns of a row together hold less, each at the limit that Python's csv has for a cell."""
_CELL: Final = re.compile(r'"[^"]*(?:""[^"]*)*"?|[^,\r\n]*')
_ESCAPED: Final = re.compile("[\udc80-\udcff]")


class OrdersFile:
    """The order lines of a file, read again at each iteration; see `read_orders`."""

    def __init__(self, path: str | os.PathLike[str], format_: str | None = None) -> None:
        self.source: Final = "standard input" if os.fspath(path) == "-" else os.fspath(path)
        self._path: Final = None if os.fspath(path) == "-" else Path(path)
        self._format: Final = format_

    def __iter__(self) -> Iterator[OrderLine]:
        problems = Problems()
        for _row, line in self.rows(problems):
            yield line
        problems.raise_if_any(self.source)

    def rows(self, problems: Problems) -> Iterator[tuple[int, OrderLine]]:
        """Yield (row number, line) for every good row.

        Args:
            problems: Where bad rows are noted.

        Raises:
            PlanError: When the file as a whole cannot be read as orders.
        """
        try:
            file = self._open()
        except OSError as error:
            raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None
        try:
            yield from self._parse(_decoded(file), problems)
        except OSError as error:
            raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None
        finally:
            file.close()

    def _open(self) -> IO[str]:
        path: int | Path
        if self._path is not None:
            path = self._path
        elif sys.stdin is None or sys.stdin.closed:
            raise OSError(errno.EBADF, "it is closed")
        else:
            path = os.dup(sys.stdin.fileno())  # closing ours must not close the process's
        # utf-8-sig: spreadsheets write a byte order mark. newline="": a quoted field keeps its line ends.
        # surrogateescape: what is no UTF-8 is noticed in its row, see `_decoded`.
        return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")  # noqa: PTH123 - or a descriptor

    def _parse(self, text: Iterator[str], problems: Problems) -> Iterator[tuple[int, OrderLine]]:
        at = _Place()
        try:
            first = self._first(text, at)
            jsonl = self._format == "jsonl" if self._format else first.lstrip().startswith("{")
            parse = _parse_jsonl if jsonl else _parse_csv
            found = False
            for row in parse(itertools.chain([first], text), at, self.source, problems):
                found = True
                yield row
        except _UnreadableError as error:
            raise self._unreadable(at.row + 1, str(error), problems) from None
        except csv.Error as error:
            where, why = _csv_error(str(error), at)
            raise self._unreadable(at.row + 1, why, problems, where) from None
        if not found and not problems.total:
            raise PlanError(f"{self.source}: there are no orders in it")

    def _first(self, text: Iterator[str], at: "_Place") -> str:
        """Return the first line with anything in it, and count those before it."""
        for line in text:
            if "\0" in line:
                raise _UnreadableError("not UTF-8 (it holds zero bytes, as UTF-16 does); save it as UTF-8")
            if line.strip():
                return line
            at.row += 1
        raise PlanError(f"{self.source}: empty, there are no orders in it")

    def _unreadable(self, row: int, what: str, problems: Problems, where: str = "") -> PlanError:
        """Return the error for a file that cannot be read beyond a row: no row after it may be taken for good."""
        before = f"\n{problems.listing()}" if problems.total else ""
        return PlanError(
            f"{self.source}: row {row}{where}: {what}; nothing was sent{before}",
            problems=(*problems.shown(), f"row {row}{where}: {what}"),
            total=problems.total + 1,
        )


class _UnreadableError(Exception):
    """The file cannot be read from here on."""


class _Place:
    """How far a file was read.

    Attributes:
        row: The last row that was read whole.
        columns: The columns of a CSV file, once they are known.
        text: The lines of the CSV row that is being read.
    """

    def __init__(self) -> None:
        self.row = 0
        self.columns: list[str] = []
        self.text: list[str] = []


def _decoded(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file, up to one that is no UTF-8; of an endless one no more than can be a row."""
    while line := file.readline(_LONGEST_LINE + 1):
        if not line.isascii() and (bad := _ESCAPED.search(line)):
            raise _UnreadableError(f"not UTF-8 (byte 0x{ord(bad[0]) - 0xDC00:02x}); save it as UTF-8")
        yield line


def read_orders(path: str | os.PathLike[str], *, format: str | None = None) -> OrdersFile:  # noqa: A002 - the field's word
    """Read order lines from a file.

    CSV has a header row; its columns are the fields of `OrderLine`. JSONL has one object a line with the same
    fields, and `details` besides. A missing `key` column means that `po_number` is the key.

    Args:
        path: The file, or `-` for standard input.
        format: `csv` or `jsonl`; seen from the content unless given.

    Returns:
        The lines, streamed when iterated.

    Raises:
        PlanError: When iterated, for a file or rows that cannot be read as orders: every bad row is named.
        ConfigError: For an unknown format.
    """
    if format not in {None, "csv", "jsonl"}:
        raise ConfigError(f"format must be 'csv' or 'jsonl', not {format!r}")
    return OrdersFile(path, format)


def _kept(lines: Iterator[str], at: _Place) -> Iterator[str]:
    """Yield lines, and keep those of the row that is being read: an error is looked for in them."""
    for line in lines:
        at.text.append(line)
        yield line
        _check_length(line)


def _check_length(line: str) -> None:
    if len(line) > _LONGEST_LINE:
        raise _UnreadableError(f"a line of it is longer than {_LONGEST_LINE:,} characters")


def _csv_error(why: str, at: _Place) -> tuple[str, str]:
    """Return where in its row reading ended, and why, in words of our own where we know better ones."""
    if "field limit" in why:
        limit = csv.field_size_limit()
        number, cell = _first_longer(limit, "".join(at.text))
        named = at.columns[number] if number < len(at.columns) else str(number + 1)
        quote = ", most likely because a quote in it is never closed" if cell.startswith('"') else ""
        return f", column {named}", f"the cell is longer than {limit:,} characters{quote}"
    if "unexpected end" in why:  # of the file; the quote stands in this row
        return "", "not a CSV file (a quote in it is never closed)"
    return "", f"not a CSV file ({why})"


def _first_longer(limit: int, row: str) -> tuple[int, str]:
    """Return the first cell of a row's text that is longer than a limit, and its place from 0."""
    number = at = 0
    while True:
        found = _CELL.match(row, at)
        end = found.end() if found else len(row)  # it matches anywhere, if only nothing
        if end - at > limit or end >= len(row):
            return number, row[at:end]
        number, at = number + 1, end + 1


def _parse_csv(lines: Iterator[str], at: _Place, source: str, problems: Problems) -> Iterator[tuple[int, OrderLine]]:
    reader = csv.reader(_kept(lines, at), strict=True)
    header = [_printable(name).strip().lower() for name in next(reader)]
    _check_columns(header, source)
    at.row, at.columns = at.row + 1, header
    at.text.clear()
    named = "key" if "key" in header else "po_number"
    for number, cells in enumerate(reader, at.row + 1):
        at.row = number
        at.text.clear()
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            problems.add(number, f"has {len(cells)} cells under {len(header)} columns")
            continue
        fields = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
        line = line_of(number, fields, problems, named)
        if line is not None:
            yield number, line


def _check_columns(header: list[str], source: str) -> None:
    known = set(OrderLine.__struct_fields__) - {"details"}
    duplicates = sorted({name for name in header if header.count(name) > 1})
    if duplicates:
        raise PlanError(f"{source}: column {', '.join(duplicates)} stands there more than once")
    missing = [name for name in ("product_id", "denomination") if name not in header]
    if missing:
        raise PlanError(f"{source}: column {' and '.join(missing)} is missing (found: {', '.join(header)})")
    if "key" not in header and "po_number" not in header:
        raise PlanError(f"{source}: there must be a column key or po_number, so that no row is ever ordered twice")
    unknown = [name or "(blank)" for name in header if name not in known]
    if unknown:
        raise PlanError(f"{source}: unknown column {', '.join(unknown)} (known: {', '.join(sorted(known))})")


class _JsonLine(msgspec.Struct, forbid_unknown_fields=True):
    """A JSONL row before its fields are checked one by one, so that each problem can name its column."""

    key: object = None
    product_id: object = None
    denomination: object = None
    quantity: object = None
    email: object = None
    contact: object = None
    tag: object = None
    notify_receiver: object = None
    notify_admin: object = None
    po_number: object = None
    details: object = None
    currency: object = None
    country: object = None


_JSON_LINE: Final = msgspec.json.Decoder(_JsonLine, float_hook=Decimal)


def _parse_jsonl(lines: Iterator[str], at: _Place, _source: str, problems: Problems) -> Iterator[tuple[int, OrderLine]]:
    for number, text in enumerate(lines, at.row + 1):
        _check_length(text)
        at.row = number
        if not text.strip():
            continue
        try:
            row = _JSON_LINE.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            problems.add(number, f"not one JSON object of order fields ({error})")
            continue
        fields = {
            name: value.strip() if isinstance(value, str) else value
            for name in row.__struct_fields__
            if (value := getattr(row, name)) is not None and value != ""
        }
        if repeated := _repeated_name(text, fields):
            column = repeated if repeated in row.__struct_fields__ else "details"
            problems.add(number, f"{_printable(repeated)} stands in the object twice", column=column)
            continue
        named = "key" if row.key is not None or row.po_number is None else "po_number"
        line = line_of(number, fields, problems, named)
        if line is not None:
            yield number, line


def _repeated_name(text: str, fields: Mapping[str, object]) -> str:
    """Return a name that stands twice in a JSON row; empty when there is none.

    The decoder takes the last of two values in silence. A row that has as many colons as it has values holds no other
    name; only where there are more, in a text for example, all names are looked at.

    Args:
        text: The row.
        fields: What was read of it.
    """
    details = fields.get("details")
    if text.count(":") == len(fields) + (len(details) if isinstance(details, dict) else 0):
        return ""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return repeated[0] if repeated else ""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:80])
