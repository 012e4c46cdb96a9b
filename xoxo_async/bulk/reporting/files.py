"""The report as a file: HTML or PDF, 0600, written whole or not at all, and never over another file."""

import os
from datetime import tzinfo
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import anyio.to_thread

from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.reporting.facts import Facts
from xoxo_async.bulk.reporting.proof import ProofFact
from xoxo_async.bulk.reporting.reading import Follow, read_facts
from xoxo_async.bulk.reporting.words import MARKER
from xoxo_async.errors import ConfigError
from xoxo_async.extras import check_loads
from xoxo_async.private_files import replacement

__all__ = ["ReportFile", "html_of", "write_facts", "write_report"]

_PDF_MARK: Final = b"\n%xoxo report 1\n"
_HEAD: Final = 200
_HTML: Final = frozenset({".html", ".htm"})
_EXTRA: Final = ("jinja2", "vl_convert")


async def write_report(
    ledger: Ledger,
    out: str | os.PathLike[str],
    *,
    pdf: bool = False,
    proof: ProofFact | None = None,
    follow: Follow | None = None,
    zone: tzinfo | None = None,
) -> Facts:
    """Write the report of a ledger's job as one HTML file that loads nothing and runs no script. Moves no money.

    It holds no voucher code and no PIN, and e-mail addresses are masked. The file is 0600 and takes its name when all
    of it is on disk. It replaces an older report, and no other file. It needs the extra `report`.

    Args:
        ledger: The ledger, open; to read only is enough, also while a process works on it.
        out: The file's name; `.html`, or with `pdf` also `.pdf`.
        pdf: Whether to write a PDF beside it, with the same name and `.pdf`; needs the extra `pdf`.
        proof: The result of `xoxo bulk prove`, see `read_proof_fact`.
        follow: Returns the command that goes on, which the report shows; None shows none.
        zone: The time zone of the report; None is the machine's own.

    Returns:
        What the report says.

    Raises:
        ConfigError: When an extra is missing, when the proof is another job's, or when the file has another ending, is
            the ledger, is there and is no report, or cannot be written.
        LedgerError: When the ledger cannot be read.

    Example:
        ```python
        from xoxo_async.bulk.reporting import write_report

        async with open_ledger("march.db") as ledger:
            facts = await write_report(ledger, "report.html")
        ```
    """
    file = ReportFile(Path(out), ledger=ledger.name, pdf=pdf)
    facts = await read_facts(ledger, proof=proof, follow=follow)
    await anyio.to_thread.run_sync(lambda: write_facts(facts, file, zone=zone))
    return facts


class ReportFile:
    """The files that a report is written to.

    Args:
        path: The name; `.html`, or `.pdf` for a PDF alone.
        ledger: The ledger's name, which it must not have.
        pdf: Whether a PDF is wanted beside the page.

    Attributes:
        page: The HTML file; None if only a PDF is wanted.
        pdf: The PDF; None if none is wanted.

    Raises:
        ConfigError: When it has another ending, is the ledger, or is there already and is no older report.
    """

    def __init__(self, path: Path, *, ledger: str, pdf: bool = False) -> None:
        kind = path.suffix.lower()
        if kind not in _HTML and not (pdf and kind == ".pdf"):
            raise ConfigError(f"the file of a report must end in .html, not {path.suffix or 'nothing'}")
        self.page: Final[Path | None] = path if kind in _HTML else None
        self.pdf: Final[Path | None] = path.with_suffix(".pdf") if pdf else None
        for file in self.all:
            if file.resolve() == Path(ledger).resolve():
                raise ConfigError("the file of a report must not be the ledger")
            _refuse_other_files(file)

    @property
    def all(self) -> list[Path]:
        """The files that are written."""
        return [file for file in (self.page, self.pdf) if file is not None]


def _refuse_other_files(path: Path) -> None:
    """Refuse to replace a file that is no older report: a report can be made again, any other file cannot."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - len(_PDF_MARK), 0))
            tail = file.read()
    except FileNotFoundError:
        return
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path} is there and cannot be read ({reason}), so it is not overwritten") from error
    if head and MARKER.encode() not in head and not (head.startswith(b"%PDF-") and tail == _PDF_MARK):
        raise ConfigError(f"{path} is there already and is no older report, so it is not overwritten")


def write_facts(facts: Facts, file: ReportFile, *, zone: tzinfo | None = None) -> None:
    """Write what a report says; blocks for a second or two, so call it in a thread.

    Args:
        facts: What it says.
        file: Where to.
        zone: The time zone of its times; None is the machine's own.

    Raises:
        ConfigError: When an extra is missing, or a file cannot be written.
    """
    # Both are made before one is written: a report without its PDF would look like a whole one.
    printed = None if file.pdf is None else _pdf_of(html_of(facts, zone=zone, printed=True))
    page = None if file.page is None else html_of(facts, zone=zone).encode()
    for path, content in ((file.page, page), (file.pdf, printed)):
        if path is not None and content is not None:
            _write(path, content)


def _write(path: Path, content: bytes) -> None:
    try:
        with replacement(path) as text:
            text.buffer.write(content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def html_of(facts: Facts, *, zone: tzinfo | None = None, refresh_s: int | None = None, printed: bool = False) -> str:
    """Return a report as HTML; draws its charts, which takes a second.

    Args:
        facts: What it says.
        zone: The time zone of its times; None is the machine's own.
        refresh_s: The page reads itself again after so many seconds; None for a page that stays.
        printed: Whether it is for a PDF.

    Raises:
        ConfigError: When the extra `report` is missing.
    """
    for package in _EXTRA:
        check_loads(package, "a report needs Jinja2 and vl-convert-python", "report")
    page: Any = import_module("xoxo_async.bulk.reporting.page")
    text: str = page.page_of(facts, zone=zone, refresh_s=refresh_s, printed=printed)
    return text


def _pdf_of(page: str) -> bytes:
    """Return a page as PDF."""
    try:
        weasyprint: Any = import_module("weasyprint")
    except (ImportError, OSError):  # OSError: the libraries of the system that it draws with are missing
        raise ConfigError(
            "a PDF needs WeasyPrint, and Pango on this machine: pip install 'xoxo-async[pdf]'. Without them, open the"
            " HTML report in a browser and print it into a PDF"
        ) from None

    def refuse(url: str, *_more: object, **_others: object) -> None:
        raise ValueError(f"a report loads nothing, not even {url}")

    content: bytes = weasyprint.HTML(string=page, url_fetcher=refuse).write_pdf()
    return content + _PDF_MARK
