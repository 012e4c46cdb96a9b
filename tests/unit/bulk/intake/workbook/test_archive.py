"""The container: its directory is checked first, and what is unpacked counts."""

import io
import struct
import zipfile

import pytest

from tests.unit.bulk.intake.workbook.books import book
from xoxo_async.bulk.intake.workbook.archive import Archive
from xoxo_async.bulk.intake.workbook.refusing import MOST_MEMBERS, RefusedError


def packed(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        Archive(io.BytesIO(data))
    return str(caught.value)


@pytest.mark.parametrize(("members", "why"), [
    ({"a.csv": b"x", "b.csv": b"x"}, "a ZIP archive with a.csv, b.csv, not a workbook"),
    ({}, "a ZIP archive, and nothing is in it"),
    ({"[Content_Types].xml": b"", "word/document.xml": b""}, "a Word document"),
    ({"[Content_Types].xml": b"", "ppt/a.xml": b""}, "a PowerPoint"),
    ({"[Content_Types].xml": b"", "xl/workbook.bin": b""}, "binary Excel workbook (.xlsb)"),
    ({"Index/Document.iwa": b""}, "Numbers"),
    ({"content.xml": b"", "mimetype": b"application/epub+zip"}, "a book"),
])  # fmt: skip
def test_other_archives_are_named(members: dict[str, bytes], why: str) -> None:
    """A person reads what the file is."""
    assert why in refusal(packed(**members))


def test_a_bomb_is_refused_by_its_directory() -> None:
    """Nothing of it is unpacked."""
    assert "is packed 1,0" in refusal(packed(**{"[Content_Types].xml": b"", "xl/a.xml": bytes(3 * 2**20)}))
    names = {f"xl/{number}": b"" for number in range(MOST_MEMBERS + 1)}
    assert "5,001 files" in refusal(packed(**names))


def test_a_directory_that_lies_does_not_help() -> None:
    """The real size of a member counts; no more of it is unpacked than it has declared."""
    data = bytearray(packed(**{"[Content_Types].xml": b"", "xl/a.xml": bytes(3 * 2**20)}))
    entry = data.rfind(b"PK\1\2")
    struct.pack_into("<I", data, entry + 24, 1000)
    archive = Archive(io.BytesIO(data))
    with pytest.raises(RefusedError, match="cannot be unpacked"):
        archive.check("xl/a.xml")


def test_a_member_is_found_whatever_its_case() -> None:
    """Programs for Windows write `sharedstrings.xml`."""
    archive = Archive(io.BytesIO(packed(**{"[Content_Types].xml": b"", "XL/Workbook.xml": b"<a/>"})))
    assert b"".join(archive.chunks("xl/workbook.xml")) == b"<a/>"
    assert archive.read("xl/none.xml") == b""
    with pytest.raises(RefusedError, match=r"no xl/none\.xml"):
        next(archive.chunks("xl/none.xml"))


@pytest.mark.parametrize("end", [100, 2000, -30])
def test_half_a_workbook_is_damaged(end: int) -> None:
    """A download that broke off is one."""
    assert "damaged" in refusal(book()[:end])
