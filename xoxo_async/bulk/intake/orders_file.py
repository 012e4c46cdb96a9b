"""Order lines from CSV, JSONL and workbooks: streamed, and every bad row named by its number and column."""

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

from xoxo_async.bulk.intake.columns import read_table
from xoxo_async.bulk.intake.csv_table import read_csv
from xoxo_async.bulk.intake.encodings import TextLines
from xoxo_async.bulk.intake.fields import is_turned, read_alike, read_fields
from xoxo_async.bulk.intake.input_file import InputFile, kind_of
from xoxo_async.bulk.intake.jsonl_rows import read_jsonl
from xoxo_async.bulk.intake.matching import recognised, same_name
from xoxo_async.bulk.intake.order_fields import ORDER_FIELDS
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.reading import NO_CHOICE, ReadingChoices
from xoxo_async.bulk.intake.rows import report_fields
from xoxo_async.bulk.intake.tables import FileRow, Form, Table
from xoxo_async.bulk.intake.template_marks import is_example
from xoxo_async.bulk.intake.text_lines import Place, UnreadableError, printable
from xoxo_async.bulk.intake.workbook.reader import is_workbook, read_workbook, refuse_misnamed
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["OrdersFile", "read_orders"]


class OrdersFile:
    """The order lines of a file, read again at each iteration; see `read_orders`.

    Attributes:
        source: The file's name, for messages.
        choices: What a person decided about how it is read.
        kept_choices: What an earlier file of the job had decided; a job sets it from its ledger.
        form: How the file was read at the last iteration, as far as that came; None before the first.
        columns: Which column is which field, in words: `Employee ID is key`. Empty where every name is a field's.
        key_column: The name of the column that names the rows; empty where there are no columns, or none was read yet.
        format: The format that a person gave; None leaves it to the content.
        contents: A hash of what the last iteration has read; empty before its end, and for what cannot be read twice.
    """

    def __init__(
        self, path: str | os.PathLike[str], format_: str | None = None, choices: ReadingChoices = NO_CHOICE
    ) -> None:
        self.source: Final[str] = "standard input" if os.fspath(path) == "-" else os.fspath(path)
        self.choices: Final[ReadingChoices] = choices
        self.kept_choices: ReadingChoices = NO_CHOICE
        self.form: Form | None = None
        self.columns: str = ""
        self.key_column: str = ""
        self.format: Final[str | None] = format_
        self.contents: str = ""
        self._path: Final = None if os.fspath(path) == "-" else Path(path)

    def __iter__(self) -> Iterator[OrderLine]:
        problems = Problems()
        for row in self.rows(problems):
            if _is_line(row, problems):
                yield OrderLine(**row.fields)
        problems.raise_if_any(self.source)

    def recognised(self) -> str:
        """Return in words what was recognised in the file, as far as it was read: its form, and its columns.

        Empty for a file as a program writes it: CSV with commas in UTF-8, whose columns have the names of fields.
        """
        if self.form is None or (self.form.is_usual and not self.columns):
            return ""
        return f"{self.form.describe()}; {self.columns}" if self.columns else self.form.describe()

    def hash_contents(self) -> str:
        """Return the hash that `contents` has after an iteration, without reading a row; blocks.

        Raises:
            PlanError: The file cannot be read.
        """
        opened = InputFile(self._path, self.source)
        with opened.file:
            try:
                return opened.hash()
            except OSError as error:
                raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None

    def rows(self, problems: Problems) -> Iterator[FileRow]:
        """Yield every row that can be read; its fields are not checked yet.

        Args:
            problems: Where rows that cannot be read are noted.

        Raises:
            PlanError: The file as a whole cannot be read as orders.
        """
        opened = InputFile(self._path, self.source)
        self.columns = self.key_column = self.contents = ""
        with opened.file:
            try:
                contents = opened.hash()
                yield from self._parse(opened, problems)
                opened.check_unchanged()
                self.contents = contents
            except OSError as error:
                raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None

    def _parse(self, opened: InputFile, problems: Problems) -> Iterator[FileRow]:
        at = Place()
        found = False
        try:
            for row in self._rows(opened, at, problems):
                found = True
                yield row
        except UnreadableError as error:
            raise self._unreadable(at.row + 1, error, problems) from None
        if not found and not problems.total:
            notes = self.form.notes if self.form is not None else []
            example = ", only the template's example" if any("example" in note for note in notes) else ""
            raise PlanError(f"{self.source}: there are no orders in it{example}")

    def _rows(self, opened: InputFile, at: Place, problems: Problems) -> Iterator[FileRow]:
        head = opened.head()
        if kind := kind_of(head):
            raise PlanError(f"{self.source}: this is {kind}, not a table; save it as CSV in UTF-8")
        form = self.form = Form()
        if is_workbook(head):
            yield from self._workbook(opened, form, problems)
            return
        refuse_misnamed(head, self.source)
        if self.format == "workbook":
            raise PlanError(f"{self.source}: this is no workbook (.xlsx, .xls or .ods)")
        if self.choices.sheet is not None:
            raise ConfigError(f"{self.source}: only a workbook has sheets, so --sheet does not fit")
        text = TextLines(opened.file, form, self.choices.encoding)
        lines = iter(text)
        first = _first(lines, at, self.source)
        lines = itertools.chain([first], lines)
        if self.format == "jsonl" or (self.format is None and first.lstrip().startswith("{")):
            form.kind = "JSONL"
            self._refuse_choices_about_tables()
            text.need_utf_8()
            for row in read_jsonl(lines, at, self.source, problems):
                form.rows += 1
                yield row
            return
        table = read_csv(lines, at, self.source, form, delimiter=self.choices.delimiter, known=self._known())
        yield from self._named(table, problems)

    def _workbook(self, opened: InputFile, form: Form, problems: Problems) -> Iterator[FileRow]:
        """Yield the rows of a workbook's sheet."""
        if self.format is not None and self.format != "workbook":
            raise PlanError(f"{self.source}: this is a workbook, not {self.format.upper()}")
        for name in ("delimiter", "encoding"):
            if getattr(self.choices, name) is not None:
                raise ConfigError(f"{self.source}: this is a workbook, so --{name} does not fit")
        yield from self._named(read_workbook(opened, form, self.choices.sheet, self._known()), problems)

    def _known(self) -> Callable[[Sequence[str]], int]:
        """Return what counts the names of a header that mean something."""
        return partial(recognised, known=ORDER_FIELDS, choices=self.choices.with_kept(self.kept_choices))

    def _named(self, table: Table, problems: Problems) -> Iterator[FileRow]:
        """Yield the rows of a table by the names of the fields of an order."""
        if {name.casefold() for name in table.header} >= _EXPORTED:
            raise PlanError(
                f"{self.source}: this is an export of vouchers, with columns of their codes and PINs, and no file of"
                " orders; give the file that its job was planned from"
            )
        choices = self.choices.with_kept(self.kept_choices)
        rows = read_table(table, ORDER_FIELDS, choices, self.source, problems)
        self.columns = rows.columns.describe()
        self.key_column = rows.columns.titles.get(rows.columns.key_column, rows.columns.key_column)
        self._check_key_column(table.header)
        for row in rows:
            if is_example(row.fields.get("key")):
                rows.form.rows -= 1
                rows.form.notes.append(f"the template's example in row {row.number} left out")
                continue
            if row.alike is not None:
                yield read_alike(row, row.alike)
                continue
            fields = {**row.fields, "kept": row.kept} if row.kept else row.fields
            yield read_fields(row.number, fields, problems, row.key_column, row.given)

    def _check_key_column(self, header: Sequence[str]) -> None:
        """Refuse a file whose rows are named by another column than those of the job's last file.

        Every row would be new, and would be ordered a second time. A column that has been renamed is one that a person
        has to name; nobody can do so while the old one is there.
        """
        old, new = self.kept_choices.known_key_column, self.key_column
        if not old or same_name(old, new):
            return
        begin = f"{self.source}: the rows of this ledger have their key from column {printable(old)}, and this file"
        if any(same_name(old, name) for name in header):
            raise PlanError(
                f"{begin} has it, but takes the key from column {printable(new)}, so every row could be ordered twice:"
                f' add --map "{printable(old)}=key". A list with other keys needs a ledger of its own'
            )
        said = {**self.kept_choices.columns, **self.choices.columns}
        if not any(field == "key" and same_name(name, new) for name, field in said.items()):
            raise PlanError(
                f"{begin} lacks it and takes the key from column {printable(new)}: if that column has the same keys,"
                f' add --map "{printable(new)}=key". With other keys every row would be ordered twice'
            )

    def _refuse_choices_about_tables(self) -> None:
        choices = self.choices
        if choices.columns or choices.keep or choices.delimiter or choices.decimal:
            raise ConfigError(
                f"{self.source}: it is JSONL, whose objects name their fields: --map, --keep, --delimiter and --decimal"
                " do not fit"
            )

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


_EXPORTED: Final = {"key", "po_number", "order_id", "state", "delivery", "code", "pin"}
"""Columns that every export has, and no file of orders. With --keep all, codes would become columns of a new job."""


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


def _first(lines: Iterator[str], at: Place, source: str) -> str:
    """Return the first line with anything in it, and count those before it."""
    for line in lines:
        if line.strip():
            return line
        at.row += 1
    raise PlanError(f"{source}: empty, there are no orders in it")


def read_orders(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    sheet: str | None = None,
    columns: Mapping[str, str] | None = None,
    keep: Literal["all"] | Collection[str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> OrdersFile:
    """Read order lines from a file.

    CSV and a sheet of a workbook (`.xlsx`, `.xls`, `.ods`) have a header row. A column is recognised by the name of a
    field of `OrderLine`, or by a usual name such as `Employee ID`, `Amount` or `E-mail`. JSONL has one object a line
    with the fields, and `details` besides. Without a `key` column, `po_number` is the key. A row with the key of a
    template's example is left out.

    The file shows its separator and its encoding. A number with separators is read by what its whole column proves: a
    column with `1.000,50` has decimal commas. A number that could be two (`1,000`), in a column that proves neither, is
    a problem of its row.

    Args:
        path: The file, or `-` for standard input.
        format: `csv`, `jsonl` or `workbook`; by default the content decides.
        sheet: The sheet of a workbook; by default the first.
        columns: Fields by the names of columns in the file: `{"Staff": "key"}`.
        keep: Columns that are no fields and ride along, or `all`. Otherwise a file with such a column is refused.
            `all` also refuses one that is nearly called like a field which the file lacks: name it as well, in a list.
        delimiter: What separates the cells of CSV: one sign, or `comma`, `semicolon`, `tab`, `pipe`.
        encoding: The encoding of the text, `utf-8`, `utf-16`, `windows-1252` or another.
        decimal: The decimal sign of all numbers in CSV, `.` or `,`.

    Returns:
        The lines, streamed when iterated.

    Raises:
        PlanError: Raised by the iteration, for a file or rows that cannot be read as orders: every bad row is named.
        ConfigError: An argument makes no sense.
    """
    if format not in {None, "csv", "jsonl", "workbook"}:
        raise ConfigError(f"format must be 'csv', 'jsonl' or 'workbook', not {format!r}")
    choices = ReadingChoices.of(
        sheet=sheet, columns=columns, keep=keep, delimiter=delimiter, encoding=encoding, decimal=decimal
    )
    return OrdersFile(path, format, choices)
