"""Order lines from CSV, JSONL, standard input or any iterable: streamed, and every bad row named."""

import csv
import itertools
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Final

import anyio.to_thread
import msgspec

from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.services.orders import (
    AirmilesDetails,
    LoungeDetails,
    ShippingDetails,
    TopUpDetails,
)

__all__ = ["OrderLine", "OrdersFile", "Problems", "Rows", "read_orders", "rows_of"]

Details = LoungeDetails | AirmilesDetails | TopUpDetails | ShippingDetails

_DETAILS: Final[tuple[type[Details], ...]] = (LoungeDetails, AirmilesDetails, TopUpDetails, ShippingDetails)

_SHOWN: Final = 20
_CHUNK: Final = 500
_TRUE: Final = frozenset({"1", "true", "yes", "y"})
_FALSE: Final = frozenset({"0", "false", "no", "n", ""})


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One intended order: what to buy, for whom, and the caller's own key for it.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key is never ordered twice.
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
        quantity: Pieces, from 1.
        email: The receiver's address.
        contact: The receiver's phone, `+CC-NUMBER`; some products demand it.
        tag: Free text for the order history.
        notify_receiver: Have the vendor e-mail the codes to the receiver.
        notify_admin: Have the vendor e-mail the account's administrator.
        po_number: The poNumber; derived from job and key unless given.
        details: What lounges, airmiles, top-ups and merchandise need besides.
        currency: The currency you take the denomination to be in, `INR`: checked against the product, never sent.
        country: The country you take the product to be good in, `IN` or `India`: checked likewise.
    """

    key: str
    product_id: int
    denomination: Decimal
    quantity: int = 1
    email: str | None = None
    contact: str | None = None
    tag: str | None = None
    notify_receiver: bool = False
    notify_admin: bool = False
    po_number: str | None = None
    details: Details | None = None
    currency: str | None = None
    country: str | None = None


class Problems:
    """Collects what is wrong with rows: the first twenty in full, the rest as a count.

    Attributes:
        total: How many problems there are.
        rows: How many rows have one. A row's problems are noted one after another.
    """

    def __init__(self) -> None:
        self.total = 0
        self.rows = 0
        self._last_row = 0
        self._shown: Final[list[str]] = []

    def add(self, row: int, what: str, *, column: str = "", key: str = "") -> None:
        """Note one problem.

        Args:
            row: The row's number.
            what: What is wrong there.
            column: Which column, where it is one's.
            key: The row's key, where the problem is the whole row's.
        """
        self.total += 1
        if row != self._last_row:
            self.rows, self._last_row = self.rows + 1, row
        if len(self._shown) < _SHOWN:
            where = f", column {column}" if column else f" (key {key})" if key else ""
            self._shown.append(f"row {row}{where}: {what}")

    def listing(self) -> str:
        """Return the problems, one a line."""
        more = self.total - len(self._shown)
        lines = [f"  {problem}" for problem in self._shown]
        return "\n".join([*lines, f"  … and {more} more"] if more else lines)

    def raise_if_any(self, source: str) -> None:
        """Raise `PlanError` when there was any problem.

        Args:
            source: What was read.
        """
        if self.total:
            raise PlanError(
                f"{source}: {self.total} problem{'s' if self.total > 1 else ''}, nothing was sent\n{self.listing()}",
                problems=tuple(self._shown),
                total=self.total,
            )


class Rows:
    """A stream of (row number, line); bad rows go to `problems` and the stream goes on.

    Args:
        source: What is read, for messages.
        rows: The rows.
        problems: Where bad rows are noted.
    """

    def __init__(self, source: str, rows: AsyncIterator[tuple[int, OrderLine]], problems: Problems) -> None:
        self.source: Final = source
        self.problems: Final = problems
        self._rows: Final = rows

    def __aiter__(self) -> AsyncIterator[tuple[int, OrderLine]]:
        return self._rows


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
            yield from self._parse(file, problems)
        except UnicodeDecodeError as error:
            raise PlanError(
                f"{self.source}: not UTF-8 (byte 0x{error.object[error.start]:02x}); save it as UTF-8, nothing was sent"
            ) from None
        except csv.Error as error:
            raise PlanError(f"{self.source}: not a CSV file ({error})") from None
        except OSError as error:
            raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None
        finally:
            file.close()

    def _open(self) -> IO[str]:
        # Standard input is duplicated: closing ours must not close the process's.
        path = os.dup(sys.stdin.fileno()) if self._path is None else self._path
        # utf-8-sig: spreadsheets write a byte order mark. newline="": a quoted field keeps its line ends.
        return open(path, encoding="utf-8-sig", newline="")  # noqa: PTH123 - a descriptor, or a path

    def _parse(self, text: IO[str], problems: Problems) -> Iterator[tuple[int, OrderLine]]:
        first = ""
        skipped = 0
        for first in text:
            if first.strip():
                break
            skipped += 1
        if not first.strip():
            raise PlanError(f"{self.source}: empty, there are no orders in it")
        lines = _chained(first, text)
        jsonl = self._format == "jsonl" if self._format else first.lstrip().startswith("{")
        parse = _parse_jsonl if jsonl else _parse_csv
        found = False
        for row in parse(lines, skipped, self.source, problems):
            found = True
            yield row
        if not found and not problems.total:
            raise PlanError(f"{self.source}: there are no orders in it")


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


def rows_of(orders: "OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine]") -> Rows:
    """Return any source of order lines as one stream of numbered rows.

    Files and other blocking sources are read in a thread, a chunk at a time: the loop stays free, memory stays flat.

    Args:
        orders: A file, or a sync or async iterable of order lines.
    """
    problems = Problems()
    if isinstance(orders, OrdersFile):
        return Rows(orders.source, _in_thread(orders.rows(problems)), problems)
    if isinstance(orders, AsyncIterable):
        return Rows("orders", _numbered(orders, problems), problems)
    return Rows("orders", _in_thread(_checked(enumerate(orders, 1), problems)), problems)


async def _numbered(orders: AsyncIterable[OrderLine], problems: Problems) -> AsyncIterator[tuple[int, OrderLine]]:
    row = 0
    async for line in orders:
        row += 1
        if _is_line(row, line, problems):
            yield row, line


def _checked(rows: Iterable[tuple[int, OrderLine]], problems: Problems) -> Iterator[tuple[int, OrderLine]]:
    return ((row, line) for row, line in rows if _is_line(row, line, problems))


def _is_line(row: int, line: object, problems: Problems) -> bool:
    if isinstance(line, OrderLine):
        return True
    problems.add(row, f"is a {type(line).__name__}, not an OrderLine")
    return False


async def _in_thread(rows: Iterator[tuple[int, OrderLine]]) -> AsyncIterator[tuple[int, OrderLine]]:
    def chunk() -> list[tuple[int, OrderLine]]:
        return list(itertools.islice(rows, _CHUNK))

    while batch := await anyio.to_thread.run_sync(chunk):
        for row in batch:
            yield row


def _chained(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _parse_csv(lines: Iterator[str], skipped: int, source: str, problems: Problems) -> Iterator[tuple[int, OrderLine]]:
    reader = csv.reader(lines, strict=True)
    header = [_printable(name).strip().lower() for name in next(reader)]
    _check_columns(header, source)
    for number, cells in enumerate(reader, 2 + skipped):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            problems.add(number, f"has {len(cells)} cells under {len(header)} columns")
            continue
        fields = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
        line = _line(number, fields, problems)
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


def _parse_jsonl(
    lines: Iterator[str], skipped: int, _source: str, problems: Problems
) -> Iterator[tuple[int, OrderLine]]:
    for number, text in enumerate(lines, 1 + skipped):
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
        line = _line(number, fields, problems)
        if line is not None:
            yield number, line


def _line(number: int, fields: Mapping[str, object], problems: Problems) -> OrderLine | None:
    """Check the fields of one row; note each problem by row and column, and return the line if there was none."""
    before = problems.total

    def bad(column: str, what: str) -> None:
        problems.add(number, what, column=column)

    key = _text(fields, "key") or _text(fields, "po_number")
    if not key:
        bad("key" if "key" in fields or "po_number" not in fields else "po_number", "is empty")
    product_id = _whole(fields.get("product_id"))
    if product_id is None:
        bad("product_id", _shown(fields.get("product_id"), "a whole number"))
    denomination = _decimal(fields.get("denomination"))
    if denomination is None:
        bad("denomination", _shown(fields.get("denomination"), "a number above 0"))
    quantity = _whole(fields.get("quantity", 1))
    if quantity is None:
        bad("quantity", _shown(fields.get("quantity"), "a whole number from 1"))
    flags = {}
    for column in ("notify_receiver", "notify_admin"):
        flag = _flag(fields.get(column, ""))
        if flag is None:
            bad(column, _shown(fields.get(column), "yes or no"))
        flags[column] = bool(flag)
    details = _details(fields.get("details"), bad)
    if problems.total > before or product_id is None or denomination is None or quantity is None:
        return None
    return OrderLine(
        key=key,
        product_id=product_id,
        denomination=denomination,
        quantity=quantity,
        email=_text(fields, "email") or None,
        contact=_text(fields, "contact") or None,
        tag=_text(fields, "tag") or None,
        po_number=_text(fields, "po_number") or None,
        details=details,
        currency=_text(fields, "currency") or None,
        country=_text(fields, "country") or None,
        **flags,
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


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name, "")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


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
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number > 0 and abs(number.adjusted()) < 16 else None


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
