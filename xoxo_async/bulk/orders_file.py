"""Order lines from CSV, JSONL or standard input: streamed, and every bad row named by its number and column."""

import csv
import errno
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from xoxo_async.bulk.order_lines import OrderLine, Problems
from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.services.checks import decimal
from xoxo_async.services.placing import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails

__all__ = ["OrdersFile", "read_orders"]

_DETAILS: Final[tuple[type[Details], ...]] = (LoungeDetails, AirmilesDetails, TopUpDetails, ShippingDetails)
_TEXTS: Final = ("key", "email", "contact", "tag", "po_number", "currency", "country")
_ESCAPED: Final = re.compile("[\udc80-\udcff]")
_TRUE: Final = frozenset({"1", "true", "yes", "y"})
_FALSE: Final = frozenset({"0", "false", "no", "n", ""})


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
            # An open quote is noticed at the end of the file, or of what a field may hold; it stands in this row.
            open_quote = "unexpected end" in str(error) or "field limit" in str(error)
            why = f"{error}: a quote in it is never closed" if open_quote else str(error)
            raise self._unreadable(at.row + 1, f"not a CSV file ({why})", problems) from None
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

    def _unreadable(self, row: int, what: str, problems: Problems) -> PlanError:
        """Return the error for a file that cannot be read beyond a row: no row after it may be taken for good."""
        before = f"\n{problems.listing()}" if problems.total else ""
        return PlanError(
            f"{self.source}: row {row}: {what}; nothing was sent{before}",
            problems=(*problems.shown(), f"row {row}: {what}"),
            total=problems.total + 1,
        )


class _UnreadableError(Exception):
    """The file cannot be read from here on."""


class _Place:
    """How far a file was read.

    Attributes:
        row: The last row that was read whole.
    """

    def __init__(self) -> None:
        self.row = 0


def _decoded(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file, up to one that is no UTF-8."""
    for line in file:
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


def _parse_csv(lines: Iterator[str], at: _Place, source: str, problems: Problems) -> Iterator[tuple[int, OrderLine]]:
    reader = csv.reader(lines, strict=True)
    header = [_printable(name).strip().lower() for name in next(reader)]
    _check_columns(header, source)
    at.row += 1
    named = "key" if "key" in header else "po_number"
    for number, cells in enumerate(reader, at.row + 1):
        at.row = number
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            problems.add(number, f"has {len(cells)} cells under {len(header)} columns")
            continue
        fields = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
        line = _line(number, fields, problems, named)
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
        named = "key" if row.key is not None or row.po_number is None else "po_number"
        line = _line(number, fields, problems, named)
        if line is not None:
            yield number, line


def _line(number: int, fields: Mapping[str, object], problems: Problems, named: str) -> OrderLine | None:
    """Check the fields of one row; note each problem by row and column, and return the line if there was none.

    Args:
        number: The row's number.
        fields: Its fields, without the empty ones.
        problems: Where problems are noted.
        named: Which column holds the key.
    """
    before = problems.total

    def bad(column: str, what: str) -> None:
        problems.add(number, what, column=column)

    texts = {column: _text(fields.get(column, ""), column, bad) for column in _TEXTS}
    key = texts.pop("key") or texts["po_number"]
    rest: dict[str, Any] = {column: text or None for column, text in texts.items()}
    if not key:
        bad(named, "is empty")
    product_id = _whole(fields.get("product_id"))
    if product_id is None:
        bad("product_id", _shown(fields.get("product_id"), "a whole number"))
    denomination = _decimal(fields.get("denomination"))
    if denomination is None:
        bad("denomination", _shown(fields.get("denomination"), "a number above 0"))
    quantity = _whole(fields.get("quantity", 1))
    if quantity is None:
        bad("quantity", _shown(fields.get("quantity"), "a whole number from 1"))
    for column in ("notify_receiver", "notify_admin"):
        flag = _flag(fields.get(column, ""))
        if flag is None:
            bad(column, _shown(fields.get(column), "yes or no"))
        rest[column] = bool(flag)
    details = _details(fields.get("details"), bad)
    if problems.total > before or product_id is None or denomination is None or quantity is None:
        return None
    return OrderLine(
        key=key,
        product_id=product_id,
        denomination=denomination,
        quantity=quantity,
        details=details,
        **rest,
    )


def _details(value: object, bad: Callable[[str, str], None]) -> Details | None:
    if value is None:
        return None
    names = set(value) if isinstance(value, dict) else set()
    for kind in _DETAILS:
        if names and names <= set(kind.__struct_fields__):
            try:
                return msgspec.convert(value, kind)
            except (msgspec.ValidationError, ConfigError) as error:
                bad("details", str(error))
                return None
    bad("details", "must hold the fields of LoungeDetails, AirmilesDetails, TopUpDetails or ShippingDetails")
    return None


def _text(value: object, column: str, bad: Callable[[str, str], None]) -> str:
    """Read a text; JSON may hold a number for one, and nothing else: what is dropped in silence is lost."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    bad(column, f"must be a text, not {type(value).__name__}")
    return ""


def _whole(value: object) -> int | None:
    """Read a whole number from 1; spreadsheets write `3.0` for three."""
    number = _decimal(value)
    if number is None or number != number.to_integral_value() or number >= 10**15:
        return None
    return int(number)


def _decimal(value: object) -> Decimal | None:
    """Read a positive number without separators; `1,000` may mean a thousand or one, so it is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    number = decimal(value) if isinstance(value, str) else Decimal(value)
    return number if number is not None and number.is_finite() and number > 0 and abs(number.adjusted()) < 16 else None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:80])


def _flag(value: object) -> bool | None:
    text = str(value).lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _shown(value: object, wanted: str) -> str:
    if value is None:
        return f"is missing, must be {wanted}"
    text = str(value)
    return f"must be {wanted}, not {text[:40]!r}"
