"""The report as a file: private, whole, and never over another file."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
from tests.unit.bulk.reporting.jobs import whole
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.reporting import write_report
from xoxo_async.bulk.reporting.files import ReportFile, html_of, write_facts
from xoxo_async.errors import ConfigError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


async def test_a_report_is_written_and_replaced(tmp_path: Path) -> None:
    """The file is private, and an older report gives way to it."""
    await one_placed(tmp_path / "march.db")
    out = tmp_path / "report.html"
    async with SqliteLedger(tmp_path / "march.db", read_only=True) as ledger:
        for _ in range(2):
            facts = await write_report(ledger, out)
    assert facts.headline.issued == 1
    assert out.stat().st_mode & 0o777 == 0o600
    assert "Every row is issued" in out.read_text()
    assert "BEARER-CASH" not in out.read_text()
    assert sorted(os.listdir(tmp_path)) == ["march.db", "march.db.lock", "report.html"]


@pytest.mark.parametrize("content", ["hello", "<!doctype html><html></html>", "%PDF-1.7 a paper"])
def test_another_file_is_not_replaced(tmp_path: Path, content: str) -> None:
    """A report can be made again, any other file cannot."""
    out = tmp_path / "report.html"
    out.write_text(content)
    with pytest.raises(ConfigError, match="is no older report"):
        ReportFile(out, ledger="march.db")
    assert out.read_text() == content


def test_the_name_must_be_a_page(tmp_path: Path) -> None:
    """Another ending is refused, and so is the ledger's own name."""
    with pytest.raises(ConfigError, match=r"must end in \.html, not \.txt"):
        ReportFile(tmp_path / "x.txt", ledger="march.db")
    with pytest.raises(ConfigError, match="must not be the ledger"):
        ReportFile(tmp_path / "x.html", ledger=str(tmp_path / "x.html"))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the line that installs it; nothing is written."""
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "xoxo_async.bulk.reporting.page", raising=False)
        patch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(ConfigError, match=r"pip install 'xoxo-async\[report\]'"):
            html_of(whole())
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ConfigError, match=r"print it into a PDF"):
        write_facts(whole(), ReportFile(tmp_path / "r.html", ledger="march.db", pdf=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
def test_a_pdf_has_titled_tables() -> None:
    """The tables behind the charts are printed whole, each under its title."""
    weasyprint = pytest.importorskip("weasyprint")
    pages = weasyprint.HTML(string=html_of(whole(), printed=True)).render().pages
    boxes = [box for page in pages for box in page._page_box.descendants()]
    text = "\n".join(box.text for box in boxes if hasattr(box, "text"))
    for title in ("Table: by product and currency", "Table: by Team", "Table: answers by time"):
        assert title in text
    for cell in ("Charged", "Time of the answer", "INR"):
        assert cell in text


@pytest.mark.nightly
def test_a_pdf_is_written_and_replaced(tmp_path: Path) -> None:
    """Beside the page, or alone."""
    try:
        importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:
        pytest.skip(f"needs WeasyPrint and Pango: {error}")
    for name in ("r.html", "r.pdf"):
        file = ReportFile(tmp_path / name, ledger="march.db", pdf=True)
        write_facts(whole(), file)
    assert (tmp_path / "r.html").exists()
    content = (tmp_path / "r.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert (tmp_path / "r.pdf").stat().st_mode & 0o777 == 0o600
