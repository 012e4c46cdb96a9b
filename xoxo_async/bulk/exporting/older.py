"""Whether a file is an older export: only such a file may be replaced, because an export can be made again."""

import csv
import re
import zipfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from xoxo_async.bulk.exporting.columns import COLUMNS, kept_columns
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.errors import ConfigError

__all__ = ["MARK", "PARTS", "check_columns", "foreign_columns"]

MARK: Final = "xoxo bulk export"
"""The name of the property that a workbook of an export has. Its value is the moment at which it was written."""
PARTS: Final = ("_rels/.rels", "xl/worksheets/sheet1.xml")
"""The first parts of a workbook of an export. No other program begins with these; by them, systems see its kind."""
_HEADER: Final = 1024 * 1024
"""Bytes of a file that are read to see whether it is an export: more than all headings have."""
_FIXED: Final = [*(columns.names for columns in COLUMNS.values()), COLUMNS[JobKind.ORDERS].names[:-1]]
"""The fixed columns of all exports. Older versions wrote no tag, and had the columns of orders for jobs of any kind."""
_KEYS: Final = {*_FIXED, *((*columns, "kept") for columns in _FIXED)}
_STAMP: Final = re.compile(rf'name="{MARK}".{{0,80}}?>([0-9TZ:-]{{20}})<'.encode())
_MODIFIED: Final = re.compile(rb"<dcterms:modified[^>]*>([0-9TZ:-]{20})<")


def check_columns(path: Path, others: Collection[str], kept: Collection[str]) -> None:
    """Refuse to replace a file with columns of its own: a person may have added them to an older export.

    Args:
        path: The file.
        others: Its columns, as `foreign_columns` has them.
        kept: The names of the columns that ride along with the rows of the ledger.

    Raises:
        ConfigError: The file has a column that this export does not have.
    """
    if not set(others) <= {"tag", *(heading for fixed in _FIXED for heading in kept_columns(kept, fixed))}:
        raise _no_export(path)


def foreign_columns(path: Path) -> frozenset[str]:
    """Return the columns that an older export has beside the fixed ones; none where there is no such file.

    Args:
        path: The file's name.

    Raises:
        ConfigError: There is a file that is no older export, or one that cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(_HEADER)
            if first.startswith(b"PK") and _is_untouched(file):
                return frozenset()
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path} is there and cannot be read ({reason}), so it is not overwritten") from error
    if not first:
        return frozenset()
    with suppress(msgspec.MsgspecError):
        row = msgspec.json.decode(first)
        if isinstance(row, dict) and tuple(row) in _KEYS:
            return frozenset()
    with suppress(csv.Error, UnicodeDecodeError):
        columns = next(csv.reader([first.decode("utf-8-sig").rstrip("\r\n")], strict=True), [])
        for fixed in _FIXED:
            if tuple(columns[: len(fixed)]) == fixed:
                return frozenset(name.removeprefix("'") for name in columns[len(fixed) :])
    raise _no_export(path)


def _is_untouched(file: IO[bytes]) -> bool:
    """Return whether a workbook is an export that no program has saved again since: then a person has no work in it.

    A program that saves a workbook keeps its properties, sets the moment at which it was modified, and writes the parts
    in an order of its own.
    """
    with suppress(zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError), zipfile.ZipFile(file) as book:
        written = _STAMP.search(_part(book, "docProps/custom.xml"))
        modified = _MODIFIED.search(_part(book, "docProps/core.xml"))
        is_first = tuple(book.namelist()[: len(PARTS)]) == PARTS
        return bool(is_first and written and modified and written[1] == modified[1])
    return False


def _part(book: zipfile.ZipFile, name: str) -> bytes:
    with book.open(name) as part:
        return part.read(_HEADER)


def _no_export(path: Path) -> ConfigError:
    return ConfigError(f"{path} is there already and is no older export, so it is not overwritten")
