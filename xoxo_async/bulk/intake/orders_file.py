"""Order lines from CSV, JSONL or standard input: streamed, and every bad row named by its number and column."""

import errno
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from xoxo_async.bulk.intake.csv_rows import read_csv
from xoxo_async.bulk.intake.fields import FileRow, is_turned
from xoxo_async.bulk.intake.jsonl_rows import read_jsonl
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import report_fields
from xoxo_async.bulk.intake.text_lines import Place, UnreadableError, decoded
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["OrdersFile", "read_orders"]


class OrdersFile:
    """The order lines of a file, read again at each iteration; see `read_orders`."""

    def __init__(self, path: str | os.PathLike[str], format_: str | None = None) -> None:
        self.source: Final[str] = "standard input" if os.fspath(path) == "-" else os.fspath(path)
        self._path: Final = None if os.fspath(path) == "-" else Path(path)
        self._format: Final = format_

    def __iter__(self) -> Iterator[OrderLine]:
        problems = Problems()
        for row in self.rows(problems):
            if _is_line(row, problems):
                yield OrderLine(**row.fields)
        problems.raise_if_any(self.source)

    def rows(self, problems: Problems) -> Iterator[FileRow]:
        """Yield every row that can be read; its fields are not checked yet.

        Args:
            problems: Where rows that cannot be read are noted.

        Raises:
            PlanError: The file as a whole cannot be read as orders.
        """
        try:
            file = self._open()
        except OSError as error:
            raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None
        try:
            yield from self._parse(decoded(file), problems)
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
            path = os.dup(sys.stdin.fileno())  # a copy: closing it leaves the process its standard input
        # utf-8-sig: spreadsheets write a byte order mark. newline="": a quoted field keeps its line ends.
        # surrogateescape: `decoded` names the row with bytes that are not UTF-8.
        return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")  # noqa: PTH123 - or a descriptor

    def _parse(self, text: Iterator[str], problems: Problems) -> Iterator[FileRow]:
        at = Place()
        try:
            first = self._first(text, at)
            jsonl = self._format == "jsonl" if self._format else first.lstrip().startswith("{")
            parse = read_jsonl if jsonl else read_csv
            found = False
            for row in parse(itertools.chain([first], text), at, self.source, problems):
                found = True
                yield row
        except UnreadableError as error:
            raise self._unreadable(at.row + 1, error, problems) from None
        if not found and not problems.total:
            raise PlanError(f"{self.source}: there are no orders in it")

    def _first(self, text: Iterator[str], at: Place) -> str:
        """Return the first line with anything in it, and count those before it."""
        for line in text:
            if "\0" in line:
                raise UnreadableError("not UTF-8 (it holds zero bytes, as UTF-16 does); save it as UTF-8")
            if line.strip():
                return line
            at.row += 1
        raise PlanError(f"{self.source}: empty, there are no orders in it")

    def _unreadable(self, row: int, error: UnreadableError, problems: Problems) -> PlanError:
        """Return the error for a file that cannot be read beyond a row: the rows after it are not known."""
        before = f"\n{problems.listing()}" if problems.total else ""
        what = f"row {row}{error.where}: {error.what}"
        failure = PlanError(
            f"{self.source}: {what}; nothing was sent{before}",
            problems=(*problems.shown(), what),
            total=problems.total + 1,
        )
        problems.add(row, f"{error.what}; nothing after it was read", column=error.where.removeprefix(", column "))
        return failure


def _is_line(row: FileRow, problems: Problems) -> bool:
    """Return whether a row can be an order line; note what cannot be read.

    A number must be right, and anything else must have the type of its column. The job checks the contents of texts:
    code that iterates over a file may correct its texts before.
    """
    unread: list[str] = []

    def note(column: str, error: ConfigError) -> None:
        if not is_turned(column, row.fields.get(column)):
            unread.append(column)
            where = row.key_column if column == "key" else column
            what = error.message.removeprefix(f"{column} ")
            problems.add(row.number, what, column=where, value=row.fields.get(column), given=row.given)

    report_fields(row.fields, note)
    return not unread


def read_orders(path: str | os.PathLike[str], *, format: str | None = None) -> OrdersFile:  # noqa: A002 - the field's word
    """Read order lines from a file.

    CSV has a header row; its columns are the fields of `OrderLine`. JSONL has one object a line with the same
    fields, and `details` besides. Without a `key` column, `po_number` is the key.

    Args:
        path: The file, or `-` for standard input.
        format: `csv` or `jsonl`; by default the content decides.

    Returns:
        The lines, streamed when iterated.

    Raises:
        PlanError: Raised by the iteration, for a file or rows that cannot be read as orders: every bad row is named.
        ConfigError: The format is unknown.
    """
    if format not in {None, "csv", "jsonl"}:
        raise ConfigError(f"format must be 'csv' or 'jsonl', not {format!r}")
    return OrdersFile(path, format)
