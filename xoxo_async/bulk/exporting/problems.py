"""A file of every problem of the rows of a plan, each beside its row: written as they come, in the order of rows."""

import csv
import os
import tempfile
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Self, TextIO

import msgspec

from xoxo_async.bulk.exporting.cells import csv_line, shown
from xoxo_async.bulk.intake.guard import sheet_text
from xoxo_async.bulk.intake.problems import RowProblem
from xoxo_async.bulk.ledger.kept import KeptNames
from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.extras import check_loads
from xoxo_async.private_files import replacement

if TYPE_CHECKING:
    from xlsxwriter import Workbook

__all__ = ["ProblemsFile"]

_FIXED: Final = ("row", "column", "value", "reason")
_WHOLE_ROW: Final = "input"
"""The heading of the column with what belongs to no column: a line that could not be split into columns."""
_LONGEST: Final = 2_000
"""Characters of a cell: a wrong one may hold a hundred thousand."""
_MOST_COLUMNS: Final = 1_000
_MOST_ROWS: Final = 1_048_576
"""Rows that a sheet can hold, the heading included."""
_HEADER: Final = 1024 * 1024
_MARK: Final = "Problems of the rows of a plan, written by xoxo bulk"
_CORE: Final = "docProps/core.xml"

_encode: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(tuple[int, str, str, str, dict[str, str]])


class ProblemsFile:
    """Writes every problem of a plan's rows into a private file: row, column, value and reason, and the row beside it.

    Pass `add` to `BulkIssuer.plan` or `run` as `problems`. Problems are noted in a temporary file without a name, so
    memory stays flat. At the end of the block they take the name, in the order of rows; also if the rows were refused
    (`PlanError`). Any other error leaves an older file as it was. Without problems the file has its headings alone.

    In CSV no cell is a formula: one that begins with a sign that a spreadsheet calculates with gets an apostrophe. The
    rows may hold personal data, so the file is 0600.

    Args:
        path: The file's name; `.csv` or `.xlsx`. It replaces an older file of problems, and no other file.

    Attributes:
        path: Its name.
        total: How many problems were noted.
        rows: How many rows they are in, if all problems of a row come before those of the next one.

    Raises:
        ConfigError: The file has another ending, is there and is no file of problems, or cannot be written; or `.xlsx`
            is wanted and XlsxWriter is not installed.

    Example:
        ```python
        async with SqliteLedger("march.db") as ledger:
            issuer = BulkIssuer(xoxo, ledger, job="march")
            with ProblemsFile("problems.csv") as problems:
                await issuer.plan(read_orders("orders.csv"), problems=problems.add)
        ```
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Final[Path] = Path(path)
        self.total: int = 0
        self.rows: int = 0
        self._kind: Final = self.path.suffix.lower()
        self._last_row = 0
        self._names: Final = KeptNames()
        self._last_names: list[str] = []
        self._written: int | None = None
        self._places: Final = array("Q")
        self._numbers: Final = array("Q")
        self._spool: IO[bytes] | None = None
        if self._kind not in {".csv", ".xlsx"}:
            raise ConfigError(f"the file of problems must end in .csv or .xlsx, not {self.path.suffix or 'nothing'}")
        if self._kind == ".xlsx":
            check_loads("xlsxwriter", "a file of problems in .xlsx needs XlsxWriter", "files")
        _refuse_other_files(self.path)

    def __enter__(self) -> Self:
        try:
            self._spool = tempfile.TemporaryFile(dir=self.path.absolute().parent)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spool is not None:
            with self._spool:
                if error is None or isinstance(error, PlanError):
                    self.finish()
        self._spool = None

    def add(self, problem: RowProblem) -> None:
        """Note one problem.

        Args:
            problem: The problem.

        Raises:
            ConfigError: It cannot be written.
        """
        if self._spool is None:
            raise ConfigError(f"{self.path} takes problems within its `with` block alone")
        given = _given(problem.given)
        names = list(given)
        if names != self._last_names and len(self._names.names) < _MOST_COLUMNS:
            self._names.merge(names)
        self._last_names = names
        if problem.row != self._last_row:
            self.rows, self._last_row = self.rows + 1, problem.row
        self.total += 1
        line = _encode((problem.row, problem.column, _text(problem.value), problem.reason[:_LONGEST], given)) + b"\n"
        try:
            self._places.append(self._spool.tell())
            self._numbers.append(problem.row)
            self._spool.write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Give the file its name, with all problems so far; the end of the block does so, too.

        Raises:
            ConfigError: It cannot be written.
        """
        if self._spool is None or self._written == self.total:
            return
        try:
            with replacement(self.path) as file:
                if self._kind == ".csv":
                    _write_csv(file, self._header(), self._lines())
                else:
                    folder = str(self.path.absolute().parent)
                    _write_xlsx(file.buffer, folder, self._header(), self._lines(), self.total)
        except OSError as error:
            raise self._unwritable(error) from error
        self._written = self.total

    def _header(self) -> list[str]:
        names = [f"{name} (input)" if name in _FIXED else name for name in self._names.names]
        return [*_FIXED, *(name or _WHOLE_ROW for name in names)]

    def _lines(self) -> Iterator[list[str]]:
        """Yield the cells of every problem in the order of rows; of a row, in the order in which they came."""
        spool = self._spool
        if spool is None:
            return
        for index in sorted(range(len(self._numbers)), key=self._numbers.__getitem__):
            spool.seek(self._places[index])
            row, column, value, reason, given = _DECODER.decode(spool.readline())
            yield [str(row), column, value, reason, *(given.get(name, "") for name in self._names.names)]
        spool.seek(0, os.SEEK_END)

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(f"{self.path} cannot be written: {error.strerror or error}")


def _given(given: Mapping[str, object]) -> dict[str, str]:
    """Return a row as texts, the columns that ride along among its other columns."""
    texts: dict[str, str] = {}
    for name, value in given.items():
        if name == "kept" and isinstance(value, Mapping):
            texts.update({str(one)[:_LONGEST]: _text(text) for one, text in value.items()})
        else:
            texts[name[:_LONGEST]] = _text(value)
    return texts


def _text(value: object) -> str:
    """Return a value as a cell that UTF-8 can hold, cut to a length that a person reads."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str() | int() | float() | Decimal():
            text = str(value)
        case _:
            with suppress(TypeError, ValueError, msgspec.MsgspecError):
                return _cut(_encode(value).decode())
            text = type(value).__name__
    return _cut(text.encode("utf-8", "replace").decode())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _write_csv(file: TextIO, header: Sequence[str], lines: Iterator[list[str]]) -> None:
    file.write(csv_line(map(shown, header)))
    file.writelines(csv_line(map(shown, line)) for line in lines)


def _write_xlsx(file: IO[bytes], folder: str, header: Sequence[str], lines: Iterator[list[str]], total: int) -> None:
    """Write a workbook of text cells, a row at a time; a sheet that cannot hold all rows says so in its last one."""
    from xlsxwriter import Workbook  # noqa: PLC0415 - of an extra
    from xlsxwriter.exceptions import XlsxWriterException  # noqa: PLC0415

    try:
        _fill(Workbook(file, {"constant_memory": True, "tmpdir": folder}), header, lines, total)
    except XlsxWriterException as error:
        raise OSError(0, str(error)) from error


def _fill(workbook: "Workbook", header: Sequence[str], lines: Iterator[list[str]], total: int) -> None:
    with workbook as book:
        book.set_properties({"title": "Problems", "comments": _MARK})
        sheet = book.add_worksheet("problems")
        bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, 1, 14)
        sheet.set_column(2, 2, 24)
        sheet.set_column(3, 3, 60, wrapped)
        for column, name in enumerate(header):
            sheet.write_string(0, column, sheet_text(name), bold)
        for number, line in enumerate(lines, 1):
            if number == _MOST_ROWS - 1 and total > number:
                sheet.write_string(number, 0, f"… and {total - number + 1:,} more: write them to a .csv file")
                break
            sheet.write_number(number, 0, int(line[0]))
            for column, cell in enumerate(line[1:], 1):
                if cell:
                    sheet.write_string(number, column, sheet_text(cell))


def _is_marked(file: IO[bytes]) -> bool:
    """Return whether a workbook has the mark of a file of problems."""
    with suppress(zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError), zipfile.ZipFile(file) as book:
        return book.getinfo(_CORE).file_size < _HEADER and _MARK.encode() in book.read(_CORE)
    return False


def _refuse_other_files(path: Path) -> None:
    """Refuse to replace a file that is no older file of problems."""
    try:
        with path.open("rb") as file:
            first = file.readline(_HEADER)
            if not first:
                return
            if first.startswith(b"PK") and _is_marked(file):
                return
    except FileNotFoundError:
        return
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path} is there and cannot be read ({reason}), so it is not overwritten") from error
    with suppress(csv.Error, UnicodeDecodeError):
        if tuple(next(csv.reader([first.decode()]), [])[: len(_FIXED)]) == _FIXED:
            return
    raise ConfigError(f"{path} is there already and is no file of problems, so it is not overwritten")
