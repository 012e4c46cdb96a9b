"""Workbooks for tests, and what the reading process makes of them."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xlsxwriter

from xoxo_async.bulk.intake.workbook.process import read

HEADER = ("key", "product_id", "denomination")
FILES = Path(__file__).parents[4] / "fuzz" / "files"
"""Small workbooks, three of them written by LibreOffice."""


class Result(NamedTuple):
    """What the process gives."""

    about: dict[str, Any]
    rows: list[tuple[int, list[Any]]]
    hidden: int


def book(*rows: tuple[Any, ...], more: Callable[[Any, Any], object] | None = None, sheet: str = "Gifts") -> bytes:
    """Return an .xlsx workbook with the header and rows; `more` gets the workbook and its sheet."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as workbook:
        page = workbook.add_worksheet(sheet)
        for at, row in enumerate((HEADER, *rows)):
            page.write_row(at, 0, row)
        if more is not None:
            more(workbook, page)
    return out.getvalue()


def changed(data: bytes, changes: Mapping[str, Callable[[bytes], bytes] | bytes | None]) -> bytes:
    """Return a workbook with members changed, added, or (None) taken away; a name is the end of a member's."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            how = next((change for end, change in changes.items() if name.endswith(end)), before.read(name))
            if how is not None:
                after.writestr(name, how if isinstance(how, bytes) else how(before.read(name)))
        for end, change in changes.items():
            if isinstance(change, bytes) and not any(name.endswith(end) for name in before.namelist()):
                after.writestr(end, change)
    return out.getvalue()


def with_rows(xml: bytes) -> bytes:
    """Return a workbook with more XML at the end of its rows."""
    return changed(
        book(("A", 1001, 500)), {"sheet1.xml": lambda data: data.replace(b"</sheetData>", xml + b"</sheetData>")}
    )


def result(data: bytes, sheet: str = "") -> Result:
    """Read a workbook in this process."""
    about, *batches = read(io.BytesIO(data), sheet)
    end = batches.pop()
    assert isinstance(about, dict)
    assert isinstance(end, dict)
    rows = [row for batch in batches for row in batch]  # type: ignore[attr-defined]
    return Result(about, rows, end["hidden_rows"])
