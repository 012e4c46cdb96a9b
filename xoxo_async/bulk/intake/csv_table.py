"""A CSV file as a table: its separator is what its header shows, and its rows come one at a time.

The apostrophe that an export or a person put before a cell, so that no spreadsheet changes it, is taken off.
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from xoxo_async.bulk.intake.guard import unguarded
from xoxo_async.bulk.intake.tables import MOST_COLUMNS, Form, Table, TableRow, separator_words
from xoxo_async.bulk.intake.text_lines import Place, UnreadableError, check_length, printable
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["check_delimiter", "read_csv"]

_SEPARATORS: Final = (",", ";", "\t", "|")
_WORDS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""Excel's own line for the separator of a file. Excel does not count it as a row."""
_MARKUP: Final = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)
_JSON_LIST: Final = re.compile(r'\s*\[\s*(?:[{\["\d]|$)')
_ENOUGH: Final = 2
"""Names of a header that mean something. No table of rows has fewer."""
_LOOKED_AT: Final = 10_000
"""Characters of a header in which another separator is looked for."""
_SIGNS: Final = 10
"""Signs that are tried as one, the most frequent first."""
_LONGEST_HEADER: Final = 100
"""Lines that a header may have, in quoted names."""


def check_delimiter(name: str) -> str:
    """Return the character that separates cells.

    Args:
        name: The character, or `comma`, `semicolon`, `tab` or `pipe`.

    Raises:
        ConfigError: It is neither.
    """
    sign = _WORDS.get(name.strip().lower(), name)
    if len(sign) != 1 or sign.isalnum() or sign in '"\r\n\0':
        raise ConfigError(f"delimiter must be one sign, or comma, semicolon, tab or pipe, not {name!r}")
    return sign


def read_csv(
    lines: Iterator[str],
    at: Place,
    source: str,
    form: Form,
    *,
    delimiter: str | None = None,
    known: Callable[[Sequence[str]], int] = len,
) -> Table:
    """Return a CSV file as a table. It reads the header, and each row when it is asked for.

    Args:
        lines: The lines of the file.
        at: How far it was read.
        source: The file's name, for messages.
        form: Gets the separator.
        delimiter: The separator that a person gave; None finds it out.
        known: Returns how many names of a header mean something. The separator that finds most is the file's.

    Raises:
        PlanError: The file has no header, is no CSV, or can be separated in two ways.
        UnreadableError: The file cannot be read beyond a row.
    """
    first = _first_line(lines, at, source)
    said = "--delimiter says" if delimiter else ""
    if given := _SEP_LINE.fullmatch(first):
        first, delimiter, said = _first_line(lines, at, source), delimiter or given[1], said or "its first line says"
    _refuse_other_kinds(first, source)
    header_lines = [first]
    while sum(map(str.count, header_lines, itertools.repeat('"'))) % 2 and len(header_lines) < _LONGEST_HEADER:
        if (line := next(lines, None)) is None:
            break
        header_lines.append(line)
    form.separator = delimiter or _separator(header_lines, known, source)
    rows = _CsvRows(itertools.chain(header_lines, lines), at, form.separator, source)
    doubted = known(rows.header) < _ENOUGH and (said or len(rows.header) == 1)
    if doubted and (sign := _other_separator(header_lines, known, blank=len(rows.header) == 1)):
        but = f", not by {separator_words(form.separator)} as {said}" if said else ""
        option = next(
            (word for word, one in _WORDS.items() if one == sign), f"'{sign}'" if sign in "$`\\!" else f'"{sign}"'
        )
        raise PlanError(f"{source}: this file is separated by {separator_words(sign)}{but}: add --delimiter {option}")
    return Table(rows.header, rows, form, has_texts=True)


def _first_line(lines: Iterator[str], at: Place, source: str) -> str:
    """Return the first line with anything in it, and count those before it."""
    for line in lines:
        if line.strip(' \t\r\n,;|"'):
            return line
        at.row += 1
    raise PlanError(f"{source}: empty, there are no orders in it")


def _refuse_other_kinds(first: str, source: str) -> None:
    what = "HTML or XML" if _MARKUP.match(first) else "a JSON list" if _JSON_LIST.match(first) else ""
    if what:
        advice = "; write one object a line (JSONL)" if "JSON" in what else ""
        raise PlanError(f"{source}: this is {what}, not a table with a header row{advice}")


def _separator(header_lines: list[str], known: Callable[[Sequence[str]], int], source: str) -> str:
    """Return the separator with which most names of a header mean something, and then the one that finds most cells."""
    found: list[tuple[int, int, str]] = []
    for sign in _SEPARATORS:
        if not any(sign in line for line in header_lines):
            continue
        names = _names(header_lines, sign)
        if len(names) > 1:
            found.append((_meaning(names, known), len(names), sign))
    found.sort(reverse=True)
    if len(found) > 1 and found[0][:2] == found[1][:2]:
        one, two = separator_words(found[0][2]), separator_words(found[1][2])
        raise PlanError(f"{source}: it can be separated by {one} or by {two}: add --delimiter")
    return found[0][2] if found else ","


def _other_separator(header_lines: list[str], known: Callable[[Sequence[str]], int], *, blank: bool) -> str:
    """Return the sign with which names of a header mean something, for one whose names mean nothing as it was read.

    Names have blanks in them. So the blank is tried last, only where it may be, and only where none of the usual
    separators gives columns.
    """
    signs = Counter(header_lines[0][:_LOOKED_AT])
    between = [
        c for c, _ in signs.most_common() if c == "\t" or (c.isprintable() and not c.isalnum() and c not in '"_ ')
    ]
    most, best = _ENOUGH - 1, ""
    for sign in between[:_SIGNS]:
        if (found := _meaning(_names(header_lines, sign), known)) > most:
            most, best = found, sign
    if best or not blank or any(len(_names(header_lines, sign)) > 1 for sign in _SEPARATORS):
        return best
    return " " if _meaning(_names(header_lines, " "), known) > most else ""


def _meaning(names: list[str], known: Callable[[Sequence[str]], int]) -> int:
    """Return how many names of a header mean something; none of a header with more columns than are read."""
    return known(names) if len(names) <= MOST_COLUMNS else 0


def _names(header_lines: list[str], sign: str) -> list[str]:
    """Return the names of a header with a sign between them; none where a quote ends before the sign does."""
    try:
        return [_name(cell) for cell in next(csv.reader(header_lines, delimiter=sign, strict=True))]
    except csv.Error:
        return []


def _name(cell: str) -> str:
    """Return the name of a column: on one line, without control characters and without the guard of spreadsheets."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(unguarded(cell).split()))


class _CsvRows:
    """The rows of a CSV file. The header is read at once."""

    def __init__(self, lines: Iterator[str], at: Place, separator: str, source: str) -> None:
        self.header: Final[list[str]] = []
        self._at: Final = at
        self._separator: Final = separator
        self._row_lines: Final[list[str]] = []
        self._reader: Final = csv.reader(self._noted(lines), delimiter=separator, strict=True)
        names = self._next()
        if len(names) > MOST_COLUMNS:
            raise PlanError(f"{source}: it has {len(names):,} columns, and {MOST_COLUMNS:,} are read at most")
        self.header.extend(map(_name, names))
        self._rows: Final = self._read()

    def __iter__(self) -> Iterator[TableRow]:
        return self._rows

    def __next__(self) -> TableRow:
        return next(self._rows)

    def _next(self) -> list[str]:
        self._row_lines.clear()
        try:
            cells = next(self._reader)
        except csv.Error as error:
            raise _unreadable(str(error), self.header, "".join(self._row_lines), self._separator) from None
        self._at.row += 1
        return cells

    def _read(self) -> Iterator[TableRow]:
        at, row_lines, reader, width = self._at, self._row_lines, self._reader, len(self.header)
        row_lines.clear()
        try:
            for number, cells in enumerate(reader, at.row + 1):
                if len(cells) == 1 < width and cells[0]:
                    self._refuse_other_separator(cells[0])
                at.row = number
                if "'" in row_lines[0] or len(row_lines) > 1:  # one search costs less than a look at each cell
                    cells = list(map(unguarded, cells))  # noqa: PLW2901
                row_lines.clear()
                if cells:
                    yield TableRow(number, cells)
        except csv.Error as error:
            raise _unreadable(str(error), self.header, "".join(row_lines), self._separator) from None

    def _refuse_other_separator(self, cell: str) -> None:
        """Refuse a row that has as many cells as the header, with another separator."""
        for sign in _SEPARATORS:
            if sign != self._separator and cell.count(sign) + 1 == len(self.header):
                here, above = separator_words(sign), separator_words(self._separator)
                raise UnreadableError(f"it is separated by {here}, and the header by {above}")

    def _noted(self, lines: Iterator[str]) -> Iterator[str]:
        """Yield lines, and keep those of the row that is being read: an error message names a place in them."""
        row_lines = self._row_lines
        for line in lines:
            row_lines.append(line)
            yield line
            check_length(line)


def _unreadable(why: str, header: list[str], row: str, separator: str) -> UnreadableError:
    """Return the error for a row that Python's csv cannot read, in plainer words than Python's if possible."""
    if "field limit" in why:
        limit = csv.field_size_limit()
        number, cell = _first_longer(limit, row, separator)
        column = header[number] if number < len(header) else str(number + 1)
        quote = ", most likely because a quote in it is never closed" if cell.startswith('"') else ""
        return UnreadableError(f"the cell is longer than {limit:,} characters{quote}", f", column {column}")
    if "unexpected end" in why:  # the file ends within a quoted cell that begins in this row
        return UnreadableError("not a CSV file (a quote in it is never closed)")
    return UnreadableError(f"not a CSV file ({printable(why.replace(chr(9), 'tab'))})")


def _first_longer(limit: int, row: str, separator: str) -> tuple[int, str]:
    """Return the first cell of a row's text that is longer than a limit, and its place from 0."""
    a_cell = re.compile(rf'"[^"]*(?:""[^"]*)*"?|[^{re.escape(separator)}\r\n]*')
    number = at = 0
    while True:
        found = a_cell.match(row, at)
        end = found.end() if found else len(row)  # the pattern matches everywhere, at least nothing
        if end - at > limit or end >= len(row):
            return number, row[at:end]
        number, at = number + 1, end + 1
