"""The container of .xlsx and .ods: a ZIP archive. Its directory is checked before anything is unpacked."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Final

from xoxo_async.bulk.intake.workbook.refusing import MOST_MEMBERS, MOST_RATIO, MOST_UNPACKED, RefusedError, some

__all__ = ["Archive"]

_CHUNK: Final = 2**16
_SMALL: Final = 2**20
"""Bytes. A small member may be packed as well as it likes."""
_PARTS: Final = (
    ("word/", "a Word document"),
    ("ppt/", "a PowerPoint presentation"),
)
_MEDIA_TYPES: Final = {
    "application/vnd.oasis.opendocument.spreadsheet": "",
    "application/vnd.oasis.opendocument.spreadsheet-template": "",
    "application/vnd.oasis.opendocument.text": "a text document (.odt)",
    "application/vnd.oasis.opendocument.presentation": "a presentation (.odp)",
    "application/epub+zip": "a book (.epub)",
}


class Archive:
    """A ZIP archive that is a workbook.

    Attributes:
        is_ods: Whether it is an OpenDocument spreadsheet, and not an Excel workbook.
        names: The names of its members.

    Args:
        file: The archive.

    Raises:
        RefusedError: It is damaged, larger than the bounds, or something else.
    """

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._zip: Final = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error, OverflowError):
            raise RefusedError("this is a damaged workbook (its ZIP directory cannot be read)") from None
        self._check_directory()
        self.names: Final = self._zip.namelist()
        self._by_name: Final = {name.casefold().lstrip("/"): name for name in self.names}
        self._left: int = MOST_UNPACKED
        self._counted: Final[dict[str, int]] = {}  # bytes of each member that were read
        self.is_ods: Final = self._has("content.xml") and not self._has("[content_types].xml")
        self._refuse_others()

    def has(self, start: str) -> bool:
        """Return whether there is a member whose name begins so."""
        return any(name.startswith(start.casefold()) for name in self._by_name)

    def read(self, name: str) -> bytes:
        """Return a whole member that is small; empty where there is none."""
        return b"".join(self.chunks(name)) if self._has(name) else b""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member piece by piece; its real size counts once, whatever the directory says.

        Raises:
            RefusedError: It is damaged, or larger than the bounds.
        """
        found = self._by_name.get(name.casefold().lstrip("/"))
        if found is None:
            raise RefusedError(f"this is a damaged workbook (there is no {name} in it)")
        try:
            with self._zip.open(found) as member:
                while chunk := member.read(_CHUNK):
                    counted, read = self._counted.get(found, 0), member.tell()
                    if read > counted:
                        self._counted[found] = read
                        self._left -= read - counted
                    if self._left < 0:
                        raise _bomb(f"more than {MOST_UNPACKED // 2**20} MB are packed in it")
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError, RuntimeError,
                struct.error, OverflowError):  # fmt: skip
            raise RefusedError(f"this is a damaged workbook ({name} in it cannot be unpacked)") from None

    def check(self, name: str) -> None:
        """Unpack a member and drop it, so that a reader without bounds can read it. Where there is none, do nothing."""
        if self._has(name):
            for _ in self.chunks(name):
                pass

    def _has(self, name: str) -> bool:
        return name.casefold() in self._by_name

    def _check_directory(self) -> None:
        members = self._zip.infolist()
        if len(members) > MOST_MEMBERS:
            raise _bomb(f"there are {len(members):,} files in it")
        total = sum(member.file_size for member in members)
        if total > MOST_UNPACKED:
            raise _bomb(f"{total // 2**20:,} MB are packed in it, and at most {MOST_UNPACKED // 2**20} are read")
        for member in members:
            if member.file_size > _SMALL and member.file_size > MOST_RATIO * max(member.compress_size, 1):
                ratio = member.file_size // max(member.compress_size, 1)
                raise _bomb(f"{some([member.filename])} in it is packed {ratio:,} times")

    def _refuse_others(self) -> None:
        if self.is_ods:
            kind = _MEDIA_TYPES.get(self.read("mimetype").decode("ascii", "replace").strip(), "")
            if kind:
                raise RefusedError(f"this is {kind}, not a workbook")
            if b"encryption-data" in self.read("META-INF/manifest.xml"):
                raise RefusedError("this workbook has a password; save it without one")
            return
        for start, kind in _PARTS:
            if self.has(start) and not self.has("xl/"):
                raise RefusedError(f"this is {kind}, not a workbook")
        if self._has("xl/workbook.bin"):
            raise RefusedError("this is a binary Excel workbook (.xlsb), which is not read; save it as .xlsx")
        if self._has("index/document.iwa") or self._has("index.zip"):
            raise RefusedError("this is a document of Numbers or Pages; export it as .xlsx")
        if not self._has("[content_types].xml"):
            files = [PurePosixPath(name).name or name for name in self.names]
            inside = f" with {some(files)}" if files else ", and nothing is in it"
            raise RefusedError(f"this is a ZIP archive{inside}, not a workbook; unpack it first")


def _bomb(why: str) -> RefusedError:
    return RefusedError(f"this is no usual workbook: {why}")
