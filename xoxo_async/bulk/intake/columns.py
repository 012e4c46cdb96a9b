"""Rows of a table by the names of fields. The fields are data that is passed in: orders, people, anything.

    rows = read_table(table, ORDER_FIELDS, Choices(), "orders.csv", problems)
    rows.columns.describe()      # "Employee ID is key, Amount is denomination"
    for row in rows: ...         # FileRow(number=2, fields={"key": "E-1", "denomination": Decimal(500)}, …)

The readers of files (`csv_table`, workbooks) give the `Table`; `matching` says which column is which field.
"""

import itertools
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from operator import itemgetter
from typing import Final

from xoxo_async.bulk.intake.ahead import look_ahead
from xoxo_async.bulk.intake.currencies import currencies_of
from xoxo_async.bulk.intake.matching import Choices, Columns, Field, FieldSet, match_columns
from xoxo_async.bulk.intake.numerals import NumberColumn
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import DECIMALS, Alike, BadCell, Cell, FileRow, Form, ShownNumber, Table, TableRow
from xoxo_async.bulk.intake.text_lines import printable

__all__ = ["Choices", "Columns", "Field", "FieldSet", "FileRows", "read_table"]


def read_table(table: Table, known: FieldSet, choices: Choices, source: str, problems: Problems) -> "FileRows":
    """Return the rows of a table by the names of fields.

    The values of `amount` and `whole` fields become `Decimal` where they are numbers; a text that is no number stays a
    text. Other texts stay without the blanks around them, and a whole number in a text column becomes its digits. Empty
    cells are left out, and so are rows without any value.

    A column of plain numbers (`1000`, `1000.50`) is read as it comes. At the first other number (`1,000`) the rest of
    the table is read first: only the whole column proves what its decimal sign is.

    Args:
        table: The table.
        known: The fields.
        choices: What a person decided.
        source: The file's name, for messages.
        problems: Where cells that cannot be trusted are noted. It gets the names of the columns as the file has them.

    Raises:
        PlanError: The columns do not fit the fields.
        ConfigError: The choices name a field that there is not.
    """
    columns = match_columns(table.header, known, choices, source, separated=table.form.separator != "")
    problems.titles.update(columns.titles)
    return FileRows(table, columns, known, choices, problems)


class FileRows:
    """The rows of one table, read once; see `read_table`.

    Attributes:
        columns: Which column is which field.
        form: How the table was read; its number of rows is right after the last row.
    """

    def __init__(self, table: Table, columns: Columns, known: FieldSet, choices: Choices, problems: Problems) -> None:
        self.columns: Final[Columns] = columns
        self.form: Final[Form] = table.form
        self._rows: Final = table.rows
        self._header: Final = table.header
        self._width: Final = len(table.header)
        self._problems: Final = problems
        self._currency: Final = known.currency
        self._numbers: Final = {
            at: NumberColumn(
                whole=field.kind == "whole",
                given=choices.decimal,
                signs=known.currency != "" and field.kind == "amount",
            )
            for at, field in columns.fields
            if field.kind in {"whole", "amount"}
        }
        self._plan: Final = [(at, field.name, field.kind, self._numbers.get(at)) for at, field in columns.fields]
        amounts = [(at, field.name) for at, field in columns.fields if field.kind == "amount" and known.currency]
        self._amounts: Final = [(at, name, self._numbers[at]) for at, name in amounts]
        self._own_names: Final = known.own
        self._names: Final = [field.name for _, field in columns.fields]
        self._own: Final = [(at, field.name) for at, field in columns.fields if field.name in known.own]
        common = [at for at, field in columns.fields if field.name not in known.own]
        compares = table.has_texts and known.own and common and not columns.unnamed
        self._common = itemgetter(*common) if compares else None
        self._alikes: Final[dict[object, Alike]] = {}

    def __iter__(self) -> Iterator[FileRow]:
        if self._numbers and any(number.sign for number in self._numbers.values()):
            self._note_sign()
        for row in self._rows:
            read = self._read(row)
            if read is _UNPROVEN:
                yield from self._after_proof(row)
                return
            if read is not None:
                yield read

    def _after_proof(self, first: TableRow) -> Iterator[FileRow]:
        """Learn the columns from a row on to the end; then read these rows."""
        self._learn(first)
        rest = look_ahead(self._rows, self._learn)
        for number in self._numbers.values():
            number.settle()
        self._alikes.clear()  # a text may be another number now
        self._note_sign()
        for row in itertools.chain([first], rest):
            if (read := self._read(row)) is not None:
                yield read

    def _learn(self, row: TableRow) -> None:
        cells = row.cells
        for at, number in self._numbers.items():
            if at < len(cells) and type(cell := cells[at]) is str:
                number.learn(cell, row.number)

    def _note_sign(self) -> None:
        """Tell the form which decimal sign the columns have."""
        signs = {name: numbers.sign for _, name, _, numbers in self._plan if numbers is not None and numbers.sign}
        if len(set(signs.values())) == 1:
            self.form.decimal = next(iter(signs.values()))
        elif signs:
            title = self.columns.titles.get
            self.form.notes += [f"{DECIMALS[sign]} in {title(name, name)}" for name, sign in signs.items()]

    def _read(self, row: TableRow) -> FileRow | None:
        """Return a row; None for one that is empty or refused, `_UNPROVEN` where its columns have to be learned."""
        cells, number = row.cells, row.number
        common = self._common(cells) if self._common is not None and len(cells) == self._width else None
        if common is not None and (alike := self._alikes.get(common)) is not None:
            return self._read_alike(row, alike)
        values: dict[str, object] = {}
        for at, name, kind, numbers in self._plan:
            if at >= len(cells):
                continue
            cell = cells[at]
            if type(cell) is str:
                if not (text := cell.strip()):
                    continue
                value: object = text
                if numbers is not None and (value := numbers.read(text, number)) is None:
                    return _UNPROVEN
            elif cell is None:
                continue
            else:
                value = _typed(cell, kind)
            values[name] = value
            if type(value) is BadCell:
                self._refuse(row, name, cell, value)
        kept = self._kept(row) if self.columns.kept else _NOTHING
        strays = (len(cells) > self._width or self.columns.unnamed) and self._has_stray(row)
        if not (values or kept or strays):
            return None
        self.form.rows += 1
        if strays or kept is None or self._is_header(row):
            return None
        if self._amounts:
            self._add_currency(row, values)
        alike = None if common is None else self._remember(common, values)
        return FileRow(number, values, self.columns.key_column, self._given(row), kept, alike)

    def _remember(self, common: object, values: dict[str, object]) -> Alike | None:
        """Keep what a row may have in common with later ones; None if there is nothing, or something is wrong."""
        common_values = {name: value for name, value in values.items() if name not in self._own_names}
        alike = Alike(common_values, self._names)
        if not alike.values or any(type(value) is BadCell for value in values.values()):
            return None
        if len(self._alikes) == _MOST_ALIKE:
            self._common = None  # the rows of this table differ: to compare them takes more than it saves
            return None
        self._alikes[common] = alike
        return alike

    def _read_alike(self, row: TableRow, alike: Alike) -> FileRow | None:
        """Read a row that has all but its own fields in common with an earlier one; the cells are texts."""
        cells = row.cells
        values = alike.values.copy()
        for at, name in self._own:
            if text := cells[at].strip():  # type: ignore[union-attr]
                values[name] = text
        kept = self._kept(row) if self.columns.kept else _NOTHING
        self.form.rows += 1
        if kept is None or (cells[0] == self._header[0] and self._is_header(row)):
            return None
        return FileRow(row.number, values, self.columns.key_column, (self._header, cells), kept, alike)

    def _given(self, row: TableRow) -> dict[str, object]:
        """Return a row as the file has it. What stands beyond the header has no name."""
        given: dict[str, object] = {
            name: cell if type(cell) is str else _as_given(cell)
            for name, cell in zip(self._header, row.cells, strict=False)
        }
        if len(row.cells) > self._width:
            given[""] = ",".join(str(cell) for cell in row.cells[self._width :] if cell is not None)
        return given

    def _refuse(self, row: TableRow, column: str, cell: Cell, bad: BadCell) -> None:
        value = None if isinstance(cell, BadCell) else cell.number if isinstance(cell, ShownNumber) else cell
        self._problems.add(row.number, bad.why, column=column, value=value, given=self._given(row))

    def _is_header(self, row: TableRow) -> bool:
        """Return whether a row is the header once more; note it."""
        header, cells = self._header, row.cells
        if cells[0] != header[0] or not header[0] or [_stripped(cell) for cell in cells] != list(header):
            return False
        what = "is the header again: two files may have been put together"
        self._problems.add(row.number, what, given=self._given(row))
        return True

    def _kept(self, row: TableRow) -> dict[str, str] | None:
        """Return the cells that ride along, as texts; None where one cannot be trusted."""
        kept: dict[str, str] = {}
        for at, name in self.columns.kept:
            cell = row.cells[at] if at < len(row.cells) else None
            value = cell if cell is None or isinstance(cell, str) else _typed(cell, "kept")
            if isinstance(value, BadCell):
                self._refuse(row, name, cell, value)
                return None
            if value is not None and (text := str(value).strip()):
                kept[name] = text
        return kept

    def _has_stray(self, row: TableRow) -> bool:
        """Return whether something stands where the header has no name; note it."""
        cells = row.cells
        for at in itertools.chain(self.columns.unnamed, range(self._width, len(cells))):
            if at < len(cells) and cells[at] is not None and str(cells[at]).strip():
                what = f"has {_count(len(cells), 'cell')} under {_count(self._width, 'column')}"
                if at < self._width:
                    what = f"has {printable(str(cells[at]))!r} in column {at + 1}, which has no name in the header"
                self._problems.add(row.number, what, given=self._given(row))
                return True
        return False

    def _add_currency(self, row: TableRow, values: dict[str, object]) -> None:
        """Give a row the currency that its amounts show; refuse it where another one is written beside them."""
        for at, name, numbers in self._amounts:
            header = self.columns.currencies.get(name, ())
            cell = row.cells[at] if at < len(row.cells) else None
            shown = currencies_of(cell.sign) if type(cell) is ShownNumber else ()
            if not (header or shown or numbers.currencies) or isinstance(values.get(name), BadCell | None):
                continue
            codes = (numbers.currencies.get(cell.strip(), ()) if isinstance(cell, str) else shown) or header
            if not codes:
                continue
            given = str(values.setdefault(self._currency, codes[0]))
            why = "" if given.upper() in codes else f"column {self._currency} has {given}"
            if header and not set(header).intersection(codes):
                why = f"the header has {header[0]}"
            if why:
                bad = values[name] = BadCell(f"is {_in_words(cell)!r} in {codes[0]}, and {why}")
                self._refuse(row, name, cell, bad)


def _as_given(cell: Cell) -> object:
    """Return a cell for people who have to correct it: a cell that cannot be trusted has no value to show."""
    if isinstance(cell, BadCell):
        return None
    if isinstance(cell, ShownNumber):
        return cell.text if not cell.bad_text and cell.text[:1] == "0" else cell.number
    return cell.isoformat() if isinstance(cell, date) else cell


def _stripped(cell: Cell) -> Cell:
    return cell.strip() if isinstance(cell, str) else cell


def _as_shown(cell: ShownNumber, kind: str) -> object:
    """Return what a field of some kind gets of a number that its cell shows in a way of its own."""
    if kind in {"text", "kept"}:
        return BadCell(cell.bad_text) if cell.bad_text else cell.text
    if kind == "whole" and cell.sign:
        return BadCell(f"is {str(cell)!r}: a currency stands beside it")
    return BadCell(cell.bad_number) if cell.bad_number else cell.number


def _in_words(cell: Cell) -> Cell:
    return str(cell) if isinstance(cell, ShownNumber) else _stripped(cell)


def _typed(cell: Cell, kind: str) -> object:
    """Return the value of a cell that is no text, for a field of some kind, or for a column that is `kept`."""
    if isinstance(cell, BadCell):
        return cell
    if isinstance(cell, ShownNumber):
        return _as_shown(cell, kind)
    if isinstance(cell, date):
        day = cell.date() if isinstance(cell, datetime) and cell.time() == _MIDNIGHT else cell
        if kind in {"whole", "amount"}:
            return BadCell(f"is a date ({day}), not a number")
        if kind == "kept":
            return day.isoformat()
        return BadCell(f"is a date ({day}), not a text: programs make dates of ids such as 3-4; write it as text")
    if isinstance(cell, Decimal) and kind in {"text", "kept"}:
        return f"{cell:f}" if cell != cell.to_integral_value() else f"{cell.quantize(Decimal(1)):f}"
    if isinstance(cell, bool) and kind in {"text", "kept"}:
        return str(cell).lower()
    return cell


_MOST_ALIKE: Final = 10_000
"""Groups of alike rows that are remembered."""
_NOTHING: Final[dict[str, str]] = {}
_MIDNIGHT: Final = time()
_UNPROVEN: Final = FileRow(0, {}, "")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
