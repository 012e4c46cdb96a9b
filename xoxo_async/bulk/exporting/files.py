"""Exports as files: CSV or JSON lines, 0600, written whole or not at all, and never over another file."""

import csv
import os
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final, TextIO

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.exporting.cells import csv_line, shown
from xoxo_async.bulk.exporting.fetching import CodeFetcher, Fetched
from xoxo_async.bulk.exporting.rows import FIXED_COLUMNS, Exported, ExportRow, RowMaker, kept_columns
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.errors import ConfigError
from xoxo_async.private_files import replacement

__all__ = ["ExportFile", "export_codes", "export_rows", "without_controls"]

_CHUNK: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HEADER: Final = 1024 * 1024
"""Bytes of a file that are read to see whether it is an export: more than all headings have."""
_TEXTS: Final = frozenset({"key", "po_number", "state", "delivery", "email", "valid_to", "currency", "error"})
"""Columns with texts of the caller or the vendor. Codes and PINs are not among them: they stay exact."""


def without_controls(text: str) -> str:
    """Return a text without the control characters that move a terminal's cursor.

    Args:
        text: The text.
    """
    return _CONTROL.sub("", text)


async def export_codes(
    client: BulkClient | None,
    ledger: Ledger,
    out: str | os.PathLike[str],
    *,
    reveal: bool = False,
    address: str = "",
) -> Exported:
    """Write a row for every voucher of a ledger, and one for every order without, into a private file.

    The file is 0600 and takes its name when all of it is on disk. It replaces an older export, and no other file. In
    CSV no text is a formula: one that begins with a sign that a spreadsheet calculates with gets an apostrophe before
    it. Codes and PINs are exact in both forms. Moves no money.

    Args:
        client: Fetches codes that the ledger does not keep, one getOrderDetails call an order; only with `reveal`. None
            fetches nothing: such rows count as missing.
        ledger: The ledger, open.
        out: The file's name; `.csv` or `.jsonl`.
        reveal: Whether codes and PINs are written as they are; they are cash. Otherwise they are masked.
        address: The address that the ledger stores, as for `BulkIssuer`.

    Returns:
        What was written, and which rows lack codes and why.

    Raises:
        ConfigError: When the file has another ending, is the ledger, is there and is no export, or cannot be written;
            or when the client is of another account or address.
        LedgerError: When the ledger cannot be read.
        XoxoError: When an order cannot be looked up. No file is left then, and an older one is as it was.

    Example:
        ```python
        async with open_ledger("march.db") as ledger:
            done = await export_codes(xoxo, ledger, "codes.csv", reveal=True)
        ```
    """
    file = ExportFile(Path(out), ledger=ledger.name)
    fetcher = CodeFetcher(ledger, lambda: nullcontext(client), address=address) if client is not None else None
    return await export_rows(ledger, file, fetcher, reveal=reveal)


class ExportFile:
    """The file that an export is written to.

    Args:
        path: Its name.
        ledger: The ledger's name, which it must not have.

    Attributes:
        path: Its name.
        as_csv: Whether it is CSV; otherwise it is JSON lines.

    Raises:
        ConfigError: When it has another ending, is the ledger, or is there already and is no older export.
    """

    def __init__(self, path: Path, *, ledger: str) -> None:
        kind = path.suffix.lower()
        if kind not in {".csv", ".jsonl"}:
            raise ConfigError(f"the file of an export must end in .csv or .jsonl, not {path.suffix or 'nothing'}")
        if path.resolve() == Path(ledger).resolve():
            raise ConfigError("the file of an export must not be the ledger")
        self._others: Final = _other_columns(path)
        self.path: Final[Path] = path
        self.as_csv: Final[bool] = kind == ".csv"

    def check_columns(self, kept: Collection[str]) -> None:
        """Refuse to replace a file with columns of its own: a person may have added them to an older export.

        Args:
            kept: The names of the columns that ride along with the rows of the ledger.

        Raises:
            ConfigError: The file has a column that this export does not have.
        """
        if not self._others <= set(kept_columns(kept)):
            raise _no_export(self.path)

    def writer(self, file: TextIO, kept: Sequence[str] = ()) -> Callable[[ExportRow], object]:
        """Write what stands before the rows, and return what writes a row.

        Args:
            file: The open file.
            kept: The names of the columns that ride along, in order.
        """
        if not self.as_csv:
            return lambda row: file.write(msgspec.json.encode(row).decode() + "\n")
        file.write(csv_line([*FIXED_COLUMNS, *map(shown, kept_columns(kept))]))

        def write(row: ExportRow) -> None:
            fixed = [_cell(name, getattr(row, name)) for name in FIXED_COLUMNS]
            file.write(csv_line([*fixed, *(shown(row.kept.get(name, "")) for name in kept)]))

        return write


def _cell(name: str, value: object) -> str:
    text = "" if value is None else str(value)
    return shown(text) if name in _TEXTS else text


def _other_columns(path: Path) -> frozenset[str]:
    """Return the columns that an older export has beside the fixed ones.

    Raises:
        ConfigError: There is a file that is no older export: an export can be made again, any other file cannot.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(_HEADER)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    if not first:
        return frozenset()
    with suppress(msgspec.MsgspecError):
        row = msgspec.json.decode(first)
        if isinstance(row, dict) and tuple(row) in {FIXED_COLUMNS, (*FIXED_COLUMNS, "kept")}:
            return frozenset()
    with suppress(csv.Error, UnicodeDecodeError):
        columns = next(csv.reader([first.decode().rstrip("\r\n")], strict=True), [])
        if tuple(columns[: len(FIXED_COLUMNS)]) == FIXED_COLUMNS:
            return frozenset(name.removeprefix("'") for name in columns[len(FIXED_COLUMNS) :])
    raise _no_export(path)


def _no_export(path: Path) -> ConfigError:
    return ConfigError(f"{path} is there already and is no older export, so it is not overwritten")


async def export_rows(
    ledger: Ledger,
    file: ExportFile,
    fetcher: CodeFetcher | None,
    *,
    reveal: bool,
    clean: Callable[[str], str] = without_controls,
) -> Exported:
    """Write an export, a chunk of lines at a time, so that a ledger of any size fits into memory.

    Args:
        ledger: The ledger, open.
        file: Where to.
        fetcher: Fetches codes that the ledger does not keep; asked only with `reveal`. None fetches nothing.
        reveal: Whether codes and PINs are written as they are.
        clean: Makes an error text fit to be shown.

    Returns:
        What was written.

    Raises:
        ConfigError: When the file cannot be written, or the fetcher's client is of another account or address.
        LedgerError: When the ledger cannot be read.
        XoxoError: When an order cannot be looked up.
    """
    maker = RowMaker(reveal=reveal, fetches=fetcher is not None, clean=clean)
    kept = await ledger.kept_names()
    file.check_columns(kept)
    try:
        with replacement(file.path) as text:
            write = file.writer(text, kept)
            if fetcher is None or not reveal:
                await _write_rows(ledger, maker, write, None)
            else:
                async with fetcher.opened():
                    await _write_rows(ledger, maker, write, fetcher)
    except OSError as error:
        raise ConfigError(f"{file.path} cannot be written: {error.strerror or error}") from error
    counts = await ledger.counts()
    done = maker.exported
    done.alarms, done.alarms_total = counts.alarms, counts.alarms_total
    return done


async def _write_rows(
    ledger: Ledger, maker: RowMaker, write: Callable[[ExportRow], object], fetcher: CodeFetcher | None
) -> None:
    async for chunk in _chunks(ledger):
        fetched = await fetcher.fetch(chunk) if fetcher is not None else Fetched({}, {})
        maker.exported.fetched += fetched.calls
        packed = await ledger.packed(chunk)
        keys = [line.key for line in chunk] + [one.key for lines in packed.values() for one in lines]
        kept = await ledger.kept(keys)
        for line in chunk:
            codes = fetched.codes.get(line.seq) or codes_of(line.codes)
            for row in maker.rows_of(line, codes, packed.get(line.seq, ()), not_fetched=fetched.refused, kept=kept):
                write(row)


async def _chunks(ledger: Ledger) -> AsyncIterator[list[LedgerLine]]:
    chunk: list[LedgerLine] = []
    async for line in ledger.lines(with_codes=True):
        chunk.append(line)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    yield chunk
