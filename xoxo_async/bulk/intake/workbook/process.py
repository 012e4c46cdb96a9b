"""The process that reads a workbook from its standard input, and writes rows to its standard output.

Each message is MessagePack behind its length in 4 bytes. First comes a dict of the sheet, then lists of rows, and then
a dict of what is known then. A dict with `refused` or `broken` ends it at any time. The calling process holds the
other end.
"""

import gc
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from xoxo_async.bulk.intake.workbook.archive import Archive
from xoxo_async.bulk.intake.workbook.marks import Marks
from xoxo_async.bulk.intake.workbook.refusing import (
    LONGEST_MESSAGE,
    MOST_CPU_S,
    MOST_MEMORY,
    UNCLEAR,
    RefusedError,
    as_csv,
    some,
)
from xoxo_async.bulk.intake.workbook.values import rows_of
from xoxo_async.bulk.intake.workbook.xlsx import Xlsx

if TYPE_CHECKING:
    from xoxo_async.bulk.intake.workbook.ods import Ods
    from xoxo_async.bulk.intake.workbook.xls import Xls

__all__ = ["main", "read"]

_BATCH: Final = 200
_OLE: Final = b"\xd0\xcf\x11\xe0"
_ENCODER: Final = msgspec.msgpack.Encoder()


def main() -> None:
    """Read the workbook on standard input; the name of the sheet is the only argument, empty for the first."""
    _bound_itself()
    gc.disable()  # the lists of cells hold no cycles, and there are many
    out = sys.stdout.buffer
    try:
        for message in _messages(sys.argv[1]):
            data = _encoded(message)
            out.write(len(data).to_bytes(4, "big"))
            out.write(data)
        out.flush()
    except BrokenPipeError:
        os._exit(0)  # the caller has stopped reading


def _encoded(message: object) -> bytes:
    data = _ENCODER.encode(message)
    if len(data) <= LONGEST_MESSAGE:
        return data
    return _ENCODER.encode(
        {"refused": f"{_BATCH} rows of the sheet have more than {LONGEST_MESSAGE // 2**20} MB of text"}
    )


def _messages(sheet: str) -> Iterator[object]:
    try:
        yield from read(sys.stdin.buffer, sheet)
    except RefusedError as error:
        yield {"refused": str(error)}
    except ImportError as error:  # of a package of the extra: the workbook is not at fault
        yield {"broken": _first_line(error)}
    except (MemoryError, RecursionError):
        yield {"refused": str(as_csv(f"it needs more than {MOST_MEMORY // 2**20} MB of memory"))}
    except Exception as error:  # noqa: BLE001 - whatever a damaged file does is said in one line
        yield {"refused": f"this is a damaged workbook ({_first_line(error)})"}
    except BaseException:  # noqa: BLE001 - the native reader's panics are none of Exception
        yield {"refused": "this is a damaged workbook (its reader cannot go on)"}


def read(file: IO[bytes], wanted: str) -> Iterator[object]:
    """Yield the messages of a workbook.

    Args:
        file: The workbook. It can seek.
        wanted: The name of the sheet; empty for the first.

    Raises:
        RefusedError: It cannot be read.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415 - after the bounds are set

    head = file.read(8)
    file.seek(0)
    parts = _parts(file, is_ole=head.startswith(_OLE))
    file.seek(0)
    try:
        book = CalamineWorkbook.from_filelike(file)
        name, among, notes = _choose(book, wanted)
        marks = parts.marks(name)
        sheet = book.get_sheet_by_name(name)
        merged = sheet.merged_cell_ranges or ()
    except PasswordError:
        raise RefusedError("this workbook has a password; save it without one") from None
    except CalamineError as error:
        raise RefusedError(f"this is a damaged workbook ({_first_line(error)})") from None
    if sheet.start is not None:
        if not marks.holds(*sheet.start, *(sheet.end or sheet.start)):
            # Then an error or a hidden row may be noted for another cell than the one that has it.
            raise RefusedError(UNCLEAR)
        marks.merge(merged, marks.first + 1, marks.last)
    yield {"sheet": name, "among": among, "notes": [*notes, *parts.notes, *marks.notes], "wide": marks.wide}
    yield from _batches(sheet, marks)


def _parts(file: IO[bytes], *, is_ole: bool) -> "Xls | Xlsx | Ods":
    """Return what a workbook says beside its values. Only the code for its own kind is loaded."""
    if is_ole:
        from xoxo_async.bulk.intake.workbook.xls import Xls  # noqa: PLC0415

        return Xls(file)
    archive = Archive(file)
    if archive.is_ods:
        from xoxo_async.bulk.intake.workbook.ods import Ods  # noqa: PLC0415

        return Ods(archive)
    return Xlsx(archive)


def _batches(sheet: Any, marks: Marks) -> Iterator[object]:
    batch: list[object] = []
    hidden = 0
    read, left = (sheet.iter_rows(), sheet.start[1]) if sheet.start is not None else (iter(()), 0)
    for number, cells in rows_of(read, left, marks):
        hidden += number - 1 in marks.hidden
        batch.append((number, cells))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch
    yield {"hidden_rows": hidden}


def _choose(book: Any, wanted: str) -> tuple[str, str, list[str]]:
    """Return the name of the sheet to read, which others there are, and what a person should know of the choice."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415

    shown: dict[str, str] = {}
    names: list[str] = []
    for sheet in book.sheets_metadata:
        if sheet.typ == SheetTypeEnum.WorkSheet:
            names.append(sheet.name)
            shown[sheet.name] = "" if sheet.visible == SheetVisibleEnum.Visible else "hidden"
        else:
            shown[sheet.name] = "a chart" if sheet.typ == SheetTypeEnum.ChartSheet else "without cells"
    if not names:
        raise RefusedError(f"no sheet of this workbook has cells (found: {some(_with_kinds(shown)) or 'nothing'})")
    if wanted:
        same = [name for name in shown if name == wanted] or [
            name for name in shown if name.strip().casefold() == wanted.strip().casefold()
        ]
        if len(same) != 1:
            raise RefusedError(f"there is no sheet {some([wanted])} (found: {some(_with_kinds(shown))})")
        if same[0] not in names:
            raise RefusedError(f"sheet {some(same)} has no cells (found: {some(_with_kinds(shown))})")
        return same[0], "", ["a hidden sheet"] if shown[same[0]] else []
    first = next((name for name in names if not shown[name]), names[0])
    others = _with_kinds({name: kind for name, kind in shown.items() if name != first})
    if not others:
        return first, "", []
    one = "the other: " if len(others) == 1 else "the others: "
    return first, f"the first of {len(shown)} sheets ({one}{some(others)})", []


def _with_kinds(sheets: dict[str, str]) -> list[str]:
    return [f"{name} ({kind})" if kind else name for name, kind in sheets.items()]


def _bound_itself() -> None:
    """Have the system end this process where it takes too much memory or time. Not every system does."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    for what, most in (
        (resource.RLIMIT_DATA, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):  # a lower bound is set already
            continue


def _first_line(error: BaseException) -> str:
    text = "".join(c if c.isprintable() else " " for c in (str(error) or type(error).__name__).split("\n")[0])
    return text[:120]
