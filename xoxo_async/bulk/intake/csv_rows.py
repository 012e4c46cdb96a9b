"""The rows of a CSV file."""

import csv
import itertools
import re
from collections.abc import Iterator
from typing import Final

from xoxo_async.bulk.intake.fields import FileRow, read_fields
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.text_lines import Place, UnreadableError, check_length, printable
from xoxo_async.errors import PlanError

__all__ = ["read_csv"]

_CELL: Final = re.compile(r'"[^"]*(?:""[^"]*)*"?|[^,\r\n]*')


def read_csv(lines: Iterator[str], at: Place, source: str, problems: Problems) -> Iterator[FileRow]:
    """Yield the rows of a CSV file with a header row; blank rows are left out.

    Args:
        lines: Its lines.
        at: How far it was read.
        source: Its name, for messages.
        problems: Where bad rows are noted.

    Raises:
        PlanError: The columns are not those of orders.
        UnreadableError: The file cannot be read beyond a row.
    """
    header: list[str] = []
    row_lines: list[str] = []
    reader = csv.reader(_noted(lines, row_lines), strict=True)
    try:
        header += [printable(name).strip().lower() for name in next(reader)]
        _check_columns(header, source)
        at.row += 1
        row_lines.clear()
        key_column = "key" if "key" in header else "po_number"
        for number, cells in enumerate(reader, at.row + 1):
            at.row = number
            row_lines.clear()
            if len(cells) > len(header) and any(cell.strip() for cell in cells):
                given = dict(itertools.zip_longest(header, cells[: len(header)], fillvalue=""))
                given[""] = ",".join(cells[len(header) :])
                problems.add(number, f"has {len(cells)} cells under {len(header)} columns", given=given)
                continue
            fields = {name: text for name, cell in zip(header, cells, strict=False) if (text := cell.strip())}
            if fields:
                yield read_fields(number, fields, problems, key_column)
    except csv.Error as error:
        raise _unreadable(str(error), header, "".join(row_lines)) from None


def _noted(lines: Iterator[str], row_lines: list[str]) -> Iterator[str]:
    """Yield lines, and keep those of the row that is being read: an error message names a place in them."""
    for line in lines:
        row_lines.append(line)
        yield line
        check_length(line)


def _check_columns(header: list[str], source: str) -> None:
    known = set(OrderLine.__struct_fields__) - {"details", "kept"}
    duplicates = sorted({name for name in header if header.count(name) > 1})
    if duplicates:
        raise PlanError(f"{source}: column {', '.join(duplicates)} is there more than once")
    missing = [name for name in ("product_id", "denomination") if name not in header]
    if missing:
        raise PlanError(f"{source}: column {' and '.join(missing)} is missing (found: {', '.join(header)})")
    if "key" not in header and "po_number" not in header:
        raise PlanError(f"{source}: there must be a column key or po_number, so that no row is ever ordered twice")
    unknown = [name or "(blank)" for name in header if name not in known]
    if unknown:
        raise PlanError(f"{source}: unknown column {', '.join(unknown)} (known: {', '.join(sorted(known))})")


def _unreadable(why: str, header: list[str], row: str) -> UnreadableError:
    """Return the error for a row that Python's csv cannot read, in plainer words than Python's if possible."""
    if "field limit" in why:
        limit = csv.field_size_limit()
        number, cell = _first_longer(limit, row)
        column = header[number] if number < len(header) else str(number + 1)
        quote = ", most likely because a quote in it is never closed" if cell.startswith('"') else ""
        return UnreadableError(f"the cell is longer than {limit:,} characters{quote}", f", column {column}")
    if "unexpected end" in why:  # the file ends within a quoted cell that begins in this row
        return UnreadableError("not a CSV file (a quote in it is never closed)")
    return UnreadableError(f"not a CSV file ({why})")


def _first_longer(limit: int, row: str) -> tuple[int, str]:
    """Return the first cell of a row's text that is longer than a limit, and its place from 0."""
    number = at = 0
    while True:
        found = _CELL.match(row, at)
        end = found.end() if found else len(row)  # the pattern matches everywhere, at least nothing
        if end - at > limit or end >= len(row):
            return number, row[at:end]
        number, at = number + 1, end + 1
