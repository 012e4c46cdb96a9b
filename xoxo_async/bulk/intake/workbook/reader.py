"""Read a workbook as a `Table`: another process reads it, and its rows come here one after another."""

import contextlib
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import IO, Any, Final, cast

import msgspec

from xoxo_async.bulk.intake.halting import open_haltable
from xoxo_async.bulk.intake.input_file import InputFile, misnamed
from xoxo_async.bulk.intake.tables import BadCell, Cell, Form, ShownNumber, Table, TableRow
from xoxo_async.bulk.intake.text_lines import printable
from xoxo_async.bulk.intake.workbook.refusing import LONGEST_MESSAGE, MOST_CPU_S, MOST_MEMORY
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["is_workbook", "read_workbook", "refuse_damaged", "refuse_misnamed"]

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARTS: Final = (b"[Content_Types].xml", b"xl/workbook", b"mimetypeapplication/vnd.oasis.")
"""Names that stand at the start of a workbook."""
_LARGEST: Final = 64 * 2**20
"""Bytes. A workbook of the largest size that is read takes a tenth of it."""
_ENDINGS: Final = {".xlsx", ".xls", ".ods", ".xlsm", ".xlsb", ".xltx", ".xlt", ".ots"}
_NEEDED: Final = ("python_calamine", "olefile")
_PACKAGES: Final = ("xoxo_async", "xoxo_async.bulk", "xoxo_async.bulk.intake", "xoxo_async.bulk.intake.workbook")
_START: Final = """
import sys, types
for place in sys.argv.pop(1).split("|"):
    name, _, folder = place.partition("=")
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [folder]
from xoxo_async.bulk.intake.workbook.process import main
main()
"""
"""Starts the other process without the code of the packages around it, which takes half a second to import."""
_TOP: Final = 10
_ENOUGH: Final = 2
_DECODER: Final = msgspec.msgpack.Decoder()


def is_workbook(head: bytes) -> bool:
    """Return whether a file is a workbook, or in the container of one, by its first bytes."""
    return head.startswith((*_ZIP, _OLE))


def refuse_misnamed(head: bytes, source: str) -> None:
    """Raise `PlanError` for a file that has the name of a workbook, and is HTML, XML or JSON.

    Args:
        head: Its first bytes.
        source: Its name.
    """
    ending = PurePath(source).suffix.lower()
    if ending not in _ENDINGS:
        return
    start = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if start.startswith(b"<"):
        is_xml = start.startswith(b"<?xml") and b"<html" not in start
        what = (
            "XML (a workbook of Excel 2003)"
            if is_xml and b"excel" in start
            else "XML"
            if is_xml
            else "a web page (HTML)"
        )
    elif start.startswith((b"{", b"[")):
        what = "JSON"
    elif start.startswith(b"mime-version"):
        what = "a web archive (MHTML)"
    else:
        return
    raise PlanError(
        f"{source}: this is {what}, although its name ends in {ending}; open it in its program, and save it as .xlsx"
    )


def refuse_damaged(head: bytes, source: str) -> None:
    """Raise `PlanError` for a file that is no text, and has the name or the parts of a workbook.

    Args:
        head: Its first bytes.
        source: Its name.
    """
    ending = PurePath(source).suffix.lower()
    if ending in _ENDINGS or any(part in head for part in _PARTS):
        raise PlanError(
            f"{source}: this is a damaged workbook (its first bytes are not those of one); get it once more, or save it"
            " anew as .xlsx"
        )


def read_workbook(
    opened: InputFile, form: Form, sheet: str | None = None, known: Callable[[Sequence[str]], int] | None = None
) -> Table:
    """Return one sheet of a workbook (.xlsx, .xls, .ods) as a table.

    The header is the first row with anything in it. Where none of its names is known, as in a title, it is the row of
    the first ten with most known names, if there are two of them.

    A cell has the value of its formula. A number becomes the digits that the program shows; one of more than 15 digits
    has lost some, and is refused, like an error, a length of time and the cells of a merged range but the first. Hidden
    rows are read and counted.

    The workbook is copied first, so that it cannot change. Another process reads the copy: whatever a damaged file does
    to the native reader happens there, and the process may hold 190 MB.

    Args:
        opened: The file.
        form: Gets the sheet and what a person should know of it.
        sheet: The name of the sheet; None takes the first that is not hidden.
        known: Returns how many names of a header mean something.

    Raises:
        PlanError: It is no workbook, is damaged, has a password or no such sheet, or is too large.
        ConfigError: The extra `files` is not installed.
    """
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f"{opened.source}: this is a workbook, and {missing[0]} is not installed; install it with"
            " `pip install 'xoxo-async[files]'`, or save the sheet as CSV in UTF-8"
        )
    form.kind = "workbook"
    if note := misnamed(opened.source, form.kind):
        form.notes.append(note)
    messages = _messages(opened, sheet or "")
    about = next(messages)
    form.sheet = printable(about["sheet"])
    form.among = about["among"]
    form.notes += about["notes"]
    rows = _rows(messages, form)
    top = list(itertools.islice(rows, _TOP))
    if not top:
        about_it = f" ({', '.join(form.notes)})" if form.notes else ""
        raise PlanError(
            f"{opened.source}: the workbook's sheet {form.sheet} is empty{about_it}"
            f"{'; it is ' if form.among else ''}{form.other_sheets}"
        )
    at = 0 if known is None else _header(top, known)
    form.merged = ", ".join(names for first, last, names in about["wide"] if first <= top[at].number <= last)
    if at:
        above = "row above it is" if at == 1 else f"{at} rows above it are"
        form.notes.append(f"the header in row {top[at].number} (the {above} left out)")
    return Table(_names(top[at]), itertools.chain(top[at + 1 :], rows), form)


def _header(top: Sequence[TableRow], known: Callable[[Sequence[str]], int]) -> int:
    """Return which of the first rows is the header."""
    found = [known(_names(row)) for row in top]
    return found.index(max(found)) if found[0] == 0 and max(found) >= _ENOUGH else 0


def _names(header: TableRow) -> list[str]:
    return [_name(cell) for cell in header.cells]


def _rows(messages: Iterator[Any], form: Form) -> Iterator[TableRow]:
    for message in messages:
        if isinstance(message, dict):
            form.hidden_rows = message["hidden_rows"]
            return
        for number, cells in message:
            yield TableRow(number, [
                cell if type(cell) is str else Decimal(cell) if type(cell) is int else _cell(cell) for cell in cells
            ])  # fmt: skip


def _cell(cell: Any) -> Cell:
    if cell is None or isinstance(cell, bool):
        return cell
    kind, text, *more = cell
    if kind == "number":
        return Decimal(text)
    if kind == "bad":
        return BadCell(text)
    if kind == "shown":
        return ShownNumber(Decimal(text), *more)
    return date.fromisoformat(text) if kind == "day" else datetime.fromisoformat(text)


def _name(cell: Cell) -> str:
    """Return the name of a column: on one line, and without control characters."""
    text = "" if cell is None or isinstance(cell, BadCell) else str(cell.text if type(cell) is ShownNumber else cell)
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _messages(opened: InputFile, sheet: str) -> Generator[Any]:
    """Yield the messages of the process that reads a copy of the workbook; end it when nobody asks for more."""
    with _copy(opened) as copy, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, and a text of this module
            [sys.executable, "-S", "-P", "-c", _START, _places(), sheet],
            stdin=copy, stdout=subprocess.PIPE, stderr=errors, env=_environment(),
        )  # fmt: skip
        try:
            piped = cast("IO[bytes]", process.stdout)
            # A large workbook takes seconds before its first message.
            with open_haltable(os.dup(piped.fileno()), opened.halt) as out:
                while (message := _next(out)) is not None:
                    if isinstance(message, dict) and "refused" in message:
                        raise PlanError(f"{opened.source}: {message['refused']}; nothing was sent")
                    if isinstance(message, dict) and "broken" in message:
                        raise ConfigError(
                            f"{opened.source}: this is a workbook, and what reads it is installed and does not load"
                            f" ({message['broken']}); install it anew with `pip install --force-reinstall"
                            " 'xoxo-async[files]'`, or save the sheet as CSV in UTF-8"
                        )
                    yield message
                    if isinstance(message, dict) and "hidden_rows" in message:
                        return
            raise PlanError(f"{opened.source}: {_ending(process.wait(), errors)}; nothing was sent")
        finally:
            process.kill()
            with contextlib.suppress(OSError):
                if process.stdout is not None:
                    process.stdout.close()
            process.wait()


def _next(out: IO[bytes]) -> Any:
    """Return the next message; None where there is none, or not a whole one."""
    size = int.from_bytes(out.read(4), "big")
    if not 0 < size <= LONGEST_MESSAGE:
        return None
    data = out.read(size)
    return _DECODER.decode(data) if len(data) == size else None


def _copy(opened: InputFile) -> IO[bytes]:
    """Return a copy of a file without a name, which nobody else can open."""
    try:
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise ConfigError(
            f"there is no room for a temporary file ({error.strerror}): set TMPDIR to a folder that can be written"
        ) from None
    left = _LARGEST
    while chunk := opened.file.read(2**20):
        left -= len(chunk)
        if left < 0:
            copy.close()
            raise PlanError(
                f"{opened.source}: the workbook is larger than {_LARGEST // 2**20} MB; save the sheet as CSV in UTF-8"
            )
        copy.write(chunk)
    opened.check_unchanged()
    copy.flush()
    copy.seek(0)
    return copy


def _places() -> str:
    """Return the folders of the packages that the other process imports from."""
    return "|".join(f"{name}={next(iter(sys.modules[name].__path__))}" for name in _PACKAGES)


def _environment() -> dict[str, str]:
    """Return the environment of the other process: where modules are, and no secret."""
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR"}
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}


def _ending(status: int, errors: IO[bytes]) -> str:
    """Return why the process ended before the workbook did."""
    errors.seek(0)
    said = errors.read(4000)
    if status in {-signal.SIGXCPU, -signal.SIGKILL}:
        return (
            f"the workbook takes more than {MOST_CPU_S} s to read, or more memory than there is; save the sheet as CSV"
        )
    if b"memory" in said:
        return (
            f"the workbook needs more than {MOST_MEMORY // 2**20} MB of memory to read; save the sheet as CSV in UTF-8"
        )
    if b"Error" in said:
        raise ConfigError(f"the reader of workbooks does not start: {said.decode(errors='replace').strip()[-200:]}")
    return f"this is a damaged workbook (it ends its reader, status {status})"
