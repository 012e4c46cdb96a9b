"""Exports as files: workbooks, CSV or JSON lines; 0600, written whole or not at all, and never over another file."""

import os
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.exporting.columns import COLUMNS, Columns
from xoxo_async.bulk.exporting.fetching import CodeFetcher, Fetched
from xoxo_async.bulk.exporting.naming import split_paths
from xoxo_async.bulk.exporting.older import check_columns, foreign_columns
from xoxo_async.bulk.exporting.rows import Exported, Made, RowMaker
from xoxo_async.bulk.exporting.splitting import Parts, splitting_by
from xoxo_async.bulk.exporting.texts import csv_writer, jsonl_writer
from xoxo_async.bulk.exporting.workbook import check_installed, workbook_writer
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.errors import ConfigError
from xoxo_async.private_files import Draft, why_unwritten

__all__ = ["ExportFile", "export_codes", "export_rows", "without_controls"]

_CHUNK: Final = 1_000
_CHUNK_BYTES: Final = 1024 * 1024
"""Bytes of codes that are worked on at once: a line may have thousands of codes."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KINDS: Final = (".csv", ".jsonl", ".xlsx")


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
    excel: bool = False,
    split_by: str = "",
) -> Exported:
    """Write a row for every voucher of a ledger, and one for every order without, into a private file.

    A job of points has a row for every recipient, one of links a row for every link, one of mails a row for every
    address; each kind has columns of its own.

    The file is 0600 and takes its name when all of it is on disk. It replaces an older export, and no other file. A
    workbook (`.xlsx`) has every code as text, to the digit; one sheet has the codes, and one what is missing and why.
    In CSV no text is a formula: one that begins with a sign that a spreadsheet calculates with gets an apostrophe
    before it. Codes and PINs are exact in `.csv` and `.jsonl`. Moves no money.

    Args:
        client: Fetches codes that the ledger does not keep, one getOrderDetails call an order; only with `reveal`. None
            fetches nothing: such rows count as missing.
        ledger: The ledger, open.
        out: The file's name; `.xlsx` (needs the extra `files`), `.csv` or `.jsonl`.
        reveal: Whether codes and PINs are written as they are; they are cash. Otherwise they are masked.
        address: The address that the ledger stores, as for `BulkIssuer`.
        excel: Whether a `.csv` is for Excel: it says that it is UTF-8, and a code or text that Excel would read as a
            number or a date gets an apostrophe, too. In Excel the apostrophe is seen; use `.xlsx` for codes.
        split_by: A column, such as `currency`, `tag` or one that rides along: then each of its values has a file of its
            own, `codes-Sales.xlsx`, and blank ones have `codes-none.xlsx`; 1,000 files at most. All files are written
            before the first one takes its name. If the process ends while they take their names, some of the files are
            new and others are old; each one is whole, and the next export makes all of them new.

    Returns:
        What was written, and which rows lack codes and why.

    Raises:
        ConfigError: When the file has another ending, is the ledger, is there and is no export, or cannot be written;
            when `split_by` is no column, or has too many values; or when the client is of another account or address.
        LedgerError: When the ledger cannot be read.
        XoxoError: When an order cannot be looked up. No file is left then, and an older one is as it was.

    Example:
        ```python
        async with open_ledger("march.db") as ledger:
            done = await export_codes(xoxo, ledger, "codes.csv", reveal=True)
        ```
    """
    file = ExportFile(Path(out), ledger=ledger.name, excel=excel, split_by=split_by)
    fetcher = CodeFetcher(ledger, lambda: nullcontext(client), address=address) if client is not None else None
    return await export_rows(ledger, file, fetcher, reveal=reveal)


class ExportFile:
    """The file that an export is written to, or the files that it is split into.

    Args:
        path: Its name.
        ledger: The ledger's name, which it must not have.
        excel: Whether a `.csv` is for Excel.
        split_by: The column by whose values the export is split; empty for a single file.

    Attributes:
        path: Its name.
        as_csv: Whether codes that begin with a formula's sign are exact in it, so that a spreadsheet would run them.
        split_by: The column by whose values the export is split.

    Raises:
        ConfigError: When it has another ending, is the ledger, or is there already and is no older export; or when
            XlsxWriter is missing, or `excel` is given for another form than `.csv`.
    """

    def __init__(self, path: Path, *, ledger: str, excel: bool = False, split_by: str = "") -> None:
        kind = path.suffix.lower()
        if kind not in _KINDS:
            raise ConfigError(
                f"the file of an export must end in .xlsx, .csv or .jsonl, not {path.suffix or 'nothing'}"
            )
        if excel and kind != ".csv":
            raise ConfigError(f"only a .csv needs guards for Excel; a {kind} has every code to the digit without them")
        if kind == ".xlsx":
            check_installed()
        self.path: Final[Path] = path
        self.as_csv: Final[bool] = kind == ".csv" and not excel
        self.split_by: Final[str] = split_by
        self._kind: Final = kind
        self._excel: Final = excel
        self._ledger: Final = Path(ledger).resolve()
        if not split_by:
            self._check(path)

    def check_columns(self, columns: Columns, kept: Sequence[str]) -> None:
        """Refuse to replace a file with columns of its own, and to split by a column that is not there.

        Args:
            columns: The fixed columns.
            kept: The names of the columns that ride along with the rows of the ledger.

        Raises:
            ConfigError: The file has a column that this export does not have, or there is no column to split by.
        """
        if self.split_by:
            splitting_by(self.split_by, columns, kept)
        else:
            check_columns(self.path, foreign_columns(self.path), kept)

    @contextmanager
    def writer(self, columns: Columns, kept: Sequence[str]) -> Generator[Callable[[Made], object]]:
        """Yield what writes a row. At the end of the block the files take their names; after an error none does.

        Args:
            columns: The fixed columns.
            kept: The names of the columns that ride along, in order.

        Raises:
            ConfigError: A file cannot be written, is there already and is no older export, or there would be too many.
        """
        self.files: list[Path] = [self.path]
        try:
            with ExitStack() as drafts:
                if self.split_by:
                    value_of = splitting_by(self.split_by, columns, kept)
                    folder = self.path.absolute().parent
                    with closing(Parts(folder, self.split_by, value_of, columns.row)) as parts:
                        yield parts.add
                        placing = self._write_parts(parts, drafts, columns, kept)
                else:
                    with self._drafted(self.path, drafts, columns, kept) as (write, draft):
                        yield write
                    placing = [draft]
                for draft in placing:
                    draft.place()
        except OSError as error:
            failed = next((path for path in self.files if why_unwritten(error, path)), self.path)
            about = f"{error.filename}: " if isinstance(error.filename, str) and error.filename != str(failed) else ""
            raise ConfigError(f"{failed} cannot be written: {about}{error.strerror or error}") from error

    def _write_parts(self, parts: Parts, drafts: ExitStack, columns: Columns, kept: Sequence[str]) -> list[Draft]:
        paths = split_paths(self.path, parts.values)
        for path in paths.values():
            self._check(path)
            check_columns(path, foreign_columns(path), kept)
        self.files = list(paths.values())
        placing: list[Draft] = []
        for value, path in paths.items():
            with self._drafted(path, drafts, columns, kept) as (write, draft):
                _write_all(write, parts.rows(value))
            placing.append(draft)
        return placing

    @contextmanager
    def _drafted(
        self, path: Path, drafts: ExitStack, columns: Columns, kept: Sequence[str]
    ) -> Generator[tuple[Callable[[Made], object], Draft]]:
        """Yield what writes a row into the draft of a file; the draft is whole and on disk at the end of the block."""
        draft = Draft(path)
        drafts.callback(draft.discard)
        if self._kind == ".xlsx":
            with workbook_writer(draft.file.buffer, path.absolute().parent, columns, kept) as write:
                yield write, draft
        elif self._kind == ".csv":
            yield csv_writer(draft.file, columns, kept, excel=self._excel), draft
        else:
            yield jsonl_writer(draft.file), draft
        draft.finish()

    def _check(self, path: Path) -> None:
        if path.resolve() == self._ledger:
            raise ConfigError("the file of an export must not be the ledger")
        foreign_columns(path)


def _write_all(write: Callable[[Made], object], rows: Iterable[Made]) -> None:
    for made in rows:
        write(made)


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
    kind = ledger.kind or JobKind.ORDERS
    unit = await ledger.get_fact(CURRENCY) or ""
    maker = RowMaker(reveal=reveal, fetches=fetcher is not None, clean=clean, kind=kind, unit=unit)
    columns, kept = COLUMNS[kind], await ledger.kept_names()
    file.check_columns(columns, kept)
    with file.writer(columns, kept) as write:
        if fetcher is None or not reveal:
            await _write_rows(ledger, maker, write, None, kept)
        else:
            async with fetcher.opened():
                await _write_rows(ledger, maker, write, fetcher, kept)
    counts = await ledger.counts()
    done = maker.exported
    done.alarms, done.alarms_total = counts.alarms, counts.alarms_total
    done.files = [str(path) for path in file.files]
    return done


async def _write_rows(
    ledger: Ledger,
    maker: RowMaker,
    write: Callable[[Made], object],
    fetcher: CodeFetcher | None,
    names: Sequence[str],
) -> None:
    async for chunk in _chunks(ledger):
        fetched = await fetcher.fetch(chunk) if fetcher is not None else Fetched({}, {})
        maker.exported.fetched += fetched.calls
        packed = await ledger.packed(chunk)
        kept: Mapping[str, Mapping[str, str]] = {}
        if names:
            keys = [line.key for line in chunk] + [one.key for lines in packed.values() for one in lines]
            kept = await ledger.kept(keys)
        for line in chunk:
            codes = fetched.codes.get(line.seq) or codes_of(line.codes)
            shared = packed.get(line.seq, ())
            for made in maker.rows_of(line, codes, shared, not_fetched=fetched.refused, kept=kept):
                write(made)


async def _chunks(ledger: Ledger) -> AsyncIterator[list[LedgerLine]]:
    chunk: list[LedgerLine] = []
    held = 0
    async for line in ledger.lines(with_codes=True):
        chunk.append(line)
        held += len(line.codes or b"")
        if len(chunk) == _CHUNK or held > _CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    yield chunk
