"""Rows from CSV, JSONL and workbooks: streamed, and every bad row named by its number and column.

What the rows are is data that is passed in: orders, recipients of points, anything that a `RowKind` describes.
"""

import itertools
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from xoxo_async.bulk.intake.columns import FileRows, read_table
from xoxo_async.bulk.intake.csv_table import read_csv
from xoxo_async.bulk.intake.encodings import TextLines
from xoxo_async.bulk.intake.halting import Halt
from xoxo_async.bulk.intake.input_file import InputFile, is_lasting, kind_of, misnamed
from xoxo_async.bulk.intake.jsonl_rows import JsonRows, one_a_line
from xoxo_async.bulk.intake.matching import FieldSet, recognised, same_name
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.reading import NO_CHOICE, ReadingChoices
from xoxo_async.bulk.intake.tables import Alike, FileRow, Form, Table
from xoxo_async.bulk.intake.template_marks import is_example
from xoxo_async.bulk.intake.text_lines import Place, UnreadableError, printable
from xoxo_async.bulk.intake.workbook.reader import is_workbook, read_workbook, refuse_damaged, refuse_misnamed
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["RowKind", "RowsFile"]

LineT = TypeVar("LineT", bound=msgspec.Struct)


class RowKind(NamedTuple, Generic[LineT]):
    """What the rows of one kind of file are.

    Attributes:
        line: The line that a row makes.
        fields: The fields that a column can hold.
        one: What a row is, for messages: `order`.
        many: The same for several rows: `orders`.
        done: What happens to a row, for messages: `ordered`.
        read: Turns the texts of a row into the values of its fields. It gets the row's number, its fields, the
            problems, the column that holds the key, and the row as the file has it.
        is_line: Returns whether a row can be a line, and notes what cannot be read.
        read_alike: Does as `read` does for a row that has much in common with earlier ones; only needed where `fields`
            says which fields are a row's own.
        ignores_others: Whether an object of JSONL may have other names than those of fields: nobody reads them.
    """

    line: type[LineT]
    fields: FieldSet
    one: str
    many: str
    done: str
    read: Callable[[int, Mapping[str, object], Problems, str, Mapping[str, object] | None], FileRow]
    is_line: Callable[[FileRow, Problems], bool]
    read_alike: Callable[[FileRow, Alike], FileRow] | None = None
    ignores_others: bool = False


class RowsFile(Generic[LineT]):
    """The lines of a file, read again at each iteration; see `read_orders`.

    Attributes:
        source: The file's name, for messages.
        choices: What a person decided about how it is read.
        kept_choices: What an earlier file of the job had decided; a job sets it from its ledger.
        form: How the file was read at the last iteration, as far as that came; None before the first.
        columns: Which column is which field, in words: `Employee ID is key`. Empty where every name is a field's.
        key_column: The name of the column that names the rows; empty where there are no columns, or none was read yet.
        format: The format that a person gave; None leaves it to the content.
        contents: A hash of what the last iteration has read; empty before its end, and for what cannot be read twice.

    Args:
        path: The file, or `-` for standard input.
        kind: What its rows are.
        format_: `csv`, `jsonl` or `workbook`; None lets the content decide.
        choices: What a person decided about how it is read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        kind: RowKind[LineT],
        format_: str | None = None,
        choices: ReadingChoices = NO_CHOICE,
    ) -> None:
        if format_ not in {None, "csv", "jsonl", "workbook"}:
            raise ConfigError(f"format must be 'csv', 'jsonl' or 'workbook', not {format_!r}")
        self.source: Final[str] = "standard input" if os.fspath(path) == "-" else os.fspath(path)
        self.choices: Final[ReadingChoices] = choices
        self.kept_choices: ReadingChoices = NO_CHOICE
        self.form: Form | None = None
        self.columns: str = ""
        self.key_column: str = ""
        self.format: Final[str | None] = format_
        self.contents: str = ""
        self._path: Final = None if os.fspath(path) == "-" else Path(path)
        self._kind: Final = kind

    def __iter__(self) -> Iterator[LineT]:
        problems = Problems()
        for row in self.rows(problems):
            if self._kind.is_line(row, problems):
                yield self._kind.line(**row.fields)
        problems.raise_if_any(self.source)

    def recognised(self) -> str:
        """Return in words what was recognised in the file, as far as it was read: its form, and its columns.

        Empty for a file as a program writes it: CSV with commas in UTF-8, whose columns have the names of fields.
        """
        if self.form is None or (self.form.is_usual and not self.columns):
            return ""
        return f"{self.form.describe()}; {self.columns}" if self.columns else self.form.describe()

    def choices_to_keep(self) -> str:
        """Return what a ledger keeps of the columns of all files of the job, as JSON, once this one is read.

        Empty where there is nothing to keep: no file of the job has had columns, and a person has chosen nothing.
        """
        keep = self.choices.to_keep(self.kept_choices, self.key_column)
        return "" if keep == NO_CHOICE else keep.to_json()

    def hash_contents(self) -> str:
        """Return the hash that `contents` has after an iteration, without reading a row; blocks.

        Raises:
            PlanError: The file cannot be read.
        """
        if not is_lasting(self._path):
            return ""
        opened = InputFile(self._path, self.source)
        with opened.file:
            try:
                return opened.hash()
            except OSError as error:
                raise PlanError(f"{self.source}: cannot be read ({error.strerror})") from None

    def rows(self, problems: Problems, halt: Halt | None = None) -> Iterator[FileRow]:
        """Yield every row that can be read; its fields are not checked yet.

        Args:
            problems: Where rows that cannot be read are noted.
            halt: Ends the reading from another thread; None where nobody does.

        Raises:
            PlanError: The file as a whole cannot be read.
        """
        opened = InputFile(self._path, self.source, halt)
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
            hint = self.form.sheet_hint if self.form is not None else ""
            raise PlanError(f"{self.source}: there are no {self._kind.many} in it{example}{hint}")

    def _rows(self, opened: InputFile, at: Place, problems: Problems) -> Iterator[FileRow]:
        head = opened.head()
        if known := kind_of(head):
            raise PlanError(f"{self.source}: this is {known}, not a table; save it as CSV in UTF-8")
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
        with self._no_text_named(text, head, form):
            first = self._first(lines, at)
        lines = itertools.chain([first], lines)
        if self.format == "jsonl" or (self.format is None and first.lstrip().startswith("{")):
            form.kind = "JSONL"
            self._note_name(form)
            self._refuse_choices_about_tables()
            lines = one_a_line(lines, self.source)
            text.need_utf_8()
            kind = self._kind
            reader = JsonRows(kind.line, kind.fields, kind.one, ignores_others=kind.ignores_others)
            for row in reader.read(lines, at, problems):
                form.rows += 1
                yield kind.read(row.number, row.fields, problems, row.key_column, None)
            return
        self._note_name(form)
        with self._no_text_named(text, head, form):
            table = read_csv(lines, at, self.source, form, delimiter=self.choices.delimiter, known=self._known())
            if not self._known()(table.header):
                self._refuse_no_text(text, head, form)
        yield from self._named(table, problems)

    @contextmanager
    def _no_text_named(self, text: TextLines, head: bytes, form: Form) -> Generator[None]:
        """Raise `PlanError` for a file whose header cannot be read because it is no text, instead of another error."""
        try:
            yield
        except UnreadableError:
            self._refuse_no_text(text, head, form)
            raise

    def _refuse_no_text(self, text: TextLines, head: bytes, form: Form) -> None:
        if why := text.why_no_text(form.separator):
            refuse_damaged(head, self.source)
            raise PlanError(f"{self.source}: this is no text{why}") from None

    def _note_name(self, form: Form) -> None:
        """Note that a text has a name that says another thing, unless a person has said what it is."""
        if self.format is None and (note := misnamed(self.source, form.kind)):
            form.notes.append(note)

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
        return partial(recognised, known=self._kind.fields, choices=self.choices.with_kept(self.kept_choices))

    def _named(self, table: Table, problems: Problems) -> Iterator[FileRow]:
        """Yield the rows of a table by the names of fields."""
        problems.hint = table.form.sheet_hint
        try:
            rows = self._by_fields(table, problems)
        except PlanError as error:
            raise PlanError(f"{error.message}{table.form.header_hint}{problems.hint}") from None
        for row in rows:
            if is_example(row.fields.get("key")):
                rows.form.rows -= 1
                rows.form.notes.append(f"the template's example in row {row.number} left out")
                continue
            if row.alike is not None and self._kind.read_alike is not None:
                yield self._kind.read_alike(row, row.alike)
                continue
            fields = {**row.fields, "kept": row.kept} if row.kept else row.fields
            yield self._kind.read(row.number, fields, problems, row.key_column, row.given)

    def _by_fields(self, table: Table, problems: Problems) -> FileRows:
        """Match the columns of a table with fields."""
        if {name.casefold() for name in table.header} >= _EXPORTED:
            raise PlanError(
                f"{self.source}: this is an export of vouchers, with columns of their codes and PINs, and no file of"
                f" {self._kind.many}; give the file that its job was planned from"
            )
        choices = self.choices.with_kept(self.kept_choices)
        rows = read_table(table, self._kind.fields, choices, self.source, problems)
        self.columns = rows.columns.describe()
        self.key_column = rows.columns.titles.get(rows.columns.key_column, rows.columns.key_column)
        self._check_key_column(table.header)
        return rows

    def _check_key_column(self, header: Sequence[str]) -> None:
        """Refuse a file whose rows are named by another column than those of the job's last file.

        Every row would be new, and would be sent a second time. A column that has been renamed is one that a person
        has to name; nobody can do so while the old one is there.
        """
        old, new = self.kept_choices.known_key_column, self.key_column
        if not old or same_name(old, new):
            return
        begin = f"{self.source}: the rows of this ledger have their key from column {printable(old)}, and this file"
        if any(same_name(old, name) for name in header):
            raise PlanError(
                f"{begin} has it, but takes the key from column {printable(new)}, so every row could be"
                f' {self._kind.done} twice: add --map "{printable(old)}=key". A list with other keys needs a ledger of'
                " its own"
            )
        said = {**self.kept_choices.columns, **self.choices.columns}
        if not any(field == "key" and same_name(name, new) for name, field in said.items()):
            raise PlanError(
                f"{begin} lacks it and takes the key from column {printable(new)}: if that column has the same keys,"
                f' add --map "{printable(new)}=key". With other keys every row would be {self._kind.done} twice'
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

    def _first(self, lines: Iterator[str], at: Place) -> str:
        """Return the first line with anything in it, and count those before it."""
        for line in lines:
            if line.strip():
                return line
            at.row += 1
        raise PlanError(f"{self.source}: empty, there are no {self._kind.many} in it")


_EXPORTED: Final = {"key", "po_number", "order_id", "state", "delivery", "code", "pin"}
"""Columns that every export has, and no file of rows. With --keep all, codes would become columns of a new job."""
