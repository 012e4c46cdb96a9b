"""A table as a file holds it: a header, rows of cells, and in words how it was read. It knows nothing of orders.

Every reader of files (CSV, workbooks) gives a `Table`. `columns.read_table` turns it into `FileRow`s by the names of
its columns. A reader has these duties:

- It yields rows one at a time, and holds no list of them.
- `TableRow.number` is the number that the file's own program shows: the header of a file without blank lines is row 1,
  and its first row of data is row 2. A quoted line break does not start a new row. Blank rows count, and are left out.
- It leaves a cell out of which nothing can be read as None or an empty text. A text may have blanks around it.
- It gives a number as an exact `Decimal`, and never as a float. A text with digits stays a text: whether `1,000` is a
  thousand or one is what the whole column proves, and `columns` looks for that proof.
- It gives a number that its cell shows in a way of its own (`00123`, `50 %`, `€500`) as `ShownNumber`.
- It gives a cell that cannot be trusted (digits are lost, a formula has an error) as `BadCell`. Its row is refused.
- It fills in `Form` while it reads. `Form.rows` is right after the last row.
- It raises `UnreadableError` (`text_lines`) for a file that cannot be read beyond a row, and `PlanError` for one that
  cannot be read at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

__all__ = [
    "DECIMALS",
    "MOST_COLUMNS",
    "BadCell",
    "Cell",
    "FileRow",
    "Form",
    "ShownNumber",
    "Table",
    "TableRow",
    "as_given",
    "separator_words",
]


class BadCell(NamedTuple):
    """A cell whose value cannot be trusted. The row that has it is refused.

    Attributes:
        why: What is wrong, to follow the column's name in a message: `is 9.19877E+11: its last digits are lost`.
    """

    why: str


class ShownNumber(NamedTuple):
    """A number that its cell shows in a way of its own: `00123`, `50 %`, `€500`.

    Attributes:
        number: The number.
        text: What a column of texts gets.
        bad_text: Why a column of texts cannot take it; empty where it can.
        bad_number: Why a column of numbers cannot take it; empty where it can.
        sign: The currency beside it, as a sign or a code; empty for none.
    """

    number: Decimal
    text: str
    bad_text: str = ""
    bad_number: str = ""
    sign: str = ""

    def __str__(self) -> str:
        """Return the number, with its currency before it."""
        return f"{self.sign}{self.number:f}"


Cell = str | Decimal | bool | date | datetime | ShownNumber | BadCell | None
"""The value of a cell. None and an empty text both mean that nothing is in it."""


# Structs and no named tuples, as `FileRow` is: these are made for each row, in a quarter of the time.
class TableRow(msgspec.Struct, gc=False):
    """One row below the header.

    Attributes:
        number: The row's number, as the file's own program shows it.
        cells: Its cells, in the order of the header. There may be fewer than the header has.
    """

    number: int
    cells: Sequence[Cell]


class Form(msgspec.Struct, kw_only=True):
    """How a file was read. Its reader fills it in while it reads.

    Attributes:
        kind: What the file is: `CSV`, `Excel workbook`.
        separator: The character between two cells; empty where the kind of file has none.
        encoding: The encoding, by the name that people use: `UTF-8`, `Windows-1252`; empty where there is no choice.
        decimal: The decimal sign that a column of numbers proved or a caller gave; empty where all numbers were plain.
        sheet: The name of the sheet; empty where there are no sheets.
        among: Which other sheets there are, where nobody named this one: `the first of 2 sheets (the other: May)`.
        merged: The merged cells of the header that cover several columns: `B1:C1`.
        hidden_rows: Rows that the file's program does not show. They are read.
        rows: Rows with anything in them, below the header, as far as they were read.
        notes: Anything else that a person should know: `a hidden sheet`. Each is a part of a sentence.
    """

    kind: str = "CSV"
    separator: str = ""
    encoding: str = ""
    decimal: str = ""
    sheet: str = ""
    among: str = ""
    merged: str = ""
    hidden_rows: int = 0
    rows: int = 0
    notes: list[str] = msgspec.field(default_factory=list)

    @property
    def is_usual(self) -> bool:
        """Whether the file is as a program writes it: commas, UTF-8, plain numbers. Then nobody has to be told."""
        return (
            self.separator in {"", ","}
            and self.encoding in {"", "UTF-8"}
            and not (self.decimal or self.sheet or self.hidden_rows or self.notes)
        )

    def describe(self) -> str:
        """Return in words what was recognised: `semicolons, decimal comma, Windows-1252, 312 rows`."""
        parts = [separator_words(self.separator)] if self.separator else []
        parts[:] = [part if part.isalpha() else f"{part} as separator" for part in parts]
        parts += [DECIMALS.get(self.decimal, "")] if self.decimal else []
        parts += [self.encoding] if self.encoding else []
        parts += [f"sheet {self.sheet}"] if self.sheet else []
        parts += [self.among] if self.among else []
        parts += [f"{self.hidden_rows:,} hidden row{'' if self.hidden_rows == 1 else 's'}"] if self.hidden_rows else []
        parts += self.notes
        return ", ".join([*parts, f"{self.rows:,} row{'' if self.rows == 1 else 's'}"])

    @property
    def sheet_hint(self) -> str:
        """How to read another sheet, to follow an error message; empty where there is no other, or one was named."""
        return f"; this is sheet {self.sheet}, {self.other_sheets}" if self.among else ""

    @property
    def header_hint(self) -> str:
        """What may be wrong with the header, to follow an error message; empty where nothing is known."""
        if not self.merged:
            return ""
        return f"; the header has merged cells ({self.merged}): unmerge them, and give each column its name"

    @property
    def other_sheets(self) -> str:
        """Which other sheets there are, and how to read one of them; empty as `sheet_hint` is."""
        return f"{self.among}: to read another one, add --sheet NAME" if self.among else ""


class Alike:
    """The cells that many rows of a table have in common, and what became of them.

    Most rows of a file differ in their key and their receiver alone. So each step that turns or checks a row keeps its
    result for the common cells here, for the next row that has the same ones.

    Attributes:
        values: The values of these cells by field: as the table's reader gives them, until the first row was turned.
        names: All fields of the table, in the order of its columns: problems are told in that order.
        turned: Whether `values` are those of an order's fields.
        request: What the request of an order holds of them; None before the first row was found good.
    """

    __slots__ = ("names", "request", "turned", "values")

    def __init__(self, values: dict[str, Any], names: Sequence[str]) -> None:
        self.values: dict[str, Any] = values
        self.names: Final = names
        self.turned: bool = False
        self.request: dict[str, Any] | None = None


class Table(NamedTuple):
    """A file as a table.

    Attributes:
        header: The names of its columns as the file has them, without blanks around them. A name may be empty.
        rows: The rows below the header. They can be read once.
        form: How it was read.
        has_texts: Whether every cell is a text, and nothing else.
    """

    header: Sequence[str]
    rows: Iterator[TableRow]
    form: Form
    has_texts: bool = False


class FileRow(msgspec.Struct, gc=False):
    """One row of a file, by the names of fields.

    Attributes:
        number: The row's number.
        fields: Values by the names of fields, without the empty ones. They are not checked yet. A `BadCell` among them
            is noted as a problem already; the check refuses it, because no field takes such a value.
        key_column: The field that names the row: for orders `key`, or `po_number`.
        source: What `given` is made of: that, or the names of the columns and the texts below them.
        kept: The texts of the columns that ride along, by the names of the columns.
        alike: What other rows have in common with it; None where that is not known.
    """

    number: int
    fields: dict[str, Any]
    key_column: str
    source: Mapping[str, object] | tuple[Sequence[str], Sequence[Cell]] = {}
    kept: Mapping[str, str] = {}
    alike: Alike | None = None

    @property
    def given(self) -> Mapping[str, object]:
        """The row as the file has it, by the names of its columns, for those who have to correct it."""
        source = self.source  # hardly any row has to be corrected, so it is put together when it is asked for
        if not isinstance(source, tuple):
            return source
        return {name: cell if type(cell) is str else as_given(cell) for name, cell in zip(*source, strict=True)}


def as_given(cell: Cell) -> object:
    """Return a cell for people who have to correct it: a cell that cannot be trusted has no value to show.

    Args:
        cell: The cell.
    """
    if isinstance(cell, BadCell):
        return None
    if isinstance(cell, ShownNumber):
        return cell.text if not cell.bad_text and cell.text[:1] == "0" else cell.number
    return cell.isoformat() if isinstance(cell, date) else cell


MOST_COLUMNS: Final = 1000
"""Columns that a table may have; more are a file of another kind."""
_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes", " ": "blanks"}
DECIMALS: Final = {".": "decimal point", ",": "decimal comma"}


def separator_words(separator: str) -> str:
    """Return a separator in the plural, for a message: `semicolons`; a sign without a name as it is: `'^'`."""
    return _SEPARATORS.get(separator, f"{separator!a}")
