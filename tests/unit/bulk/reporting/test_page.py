"""The page of a report: complete, escaped, and without anything that runs or loads."""

import re
from datetime import UTC, timedelta, timezone
from html.parser import HTMLParser

import pytest

from tests.unit.bulk.reporting.jobs import BEGAN, context, overview, whole
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Counts
from xoxo_async.bulk.reporting import charts
from xoxo_async.bulk.reporting.charts import LIGHT
from xoxo_async.bulk.reporting.facts import facts_of
from xoxo_async.bulk.reporting.page import page_of
from xoxo_async.bulk.reporting.proof import proof_of
from xoxo_async.bulk.reporting.words import MARKER

FACTS = facts_of(overview(), context(proof=proof_of({"ok": True, "notes": ["<i>odd</i>"]}, "march.proof.json")))


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(FACTS, zone=UTC, refresh_s=5)


class Elements(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br"} and tag != "path":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return the elements of a page; they are well formed."""
    parser = Elements()
    parser.feed(re.sub(r"<(line|rect|circle)([^>]*)/>", r"<\1\2></\1>", text))
    assert parser.open == []
    return parser.found


def test_a_page_loads_and_runs_nothing(page: str) -> None:
    """No script, no address, no form, and a policy that forbids them all."""
    found = elements(page)
    assert not {tag for tag, _ in found} & {"script", "img", "iframe", "form", "object", "base", "a", "input"}
    links = [(tag, name, value) for tag, names in found for name, value in names.items() if name in {"href", "src"}]
    assert links == [("link", "href", "data:,")]
    assert not any(name.startswith("on") or name == "style" for _, names in found for name in names)
    policies = [names["content"] for tag, names in found if names.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]
    assert MARKER in page[:200]


def test_a_page_says_all_of_the_facts(page: str) -> None:
    """Every section, with what is behind it."""
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Alarms",
        "Not settled yet",
        "Refusals by reason",
        "What it cost",
        "By Team",
        "Plan against outcome",
        "To whom",
        "Orders over time",
        "How fast the vendor answered",
        "How it was proven",
        "Runs",
    ]
    for text in (
        "po-7", "b***@example.com", "59 min", "xoxo bulk resume --ledger march.db", "Ledger and vendor agree.",
        "addresses at example.com", "15 Jan 2027, 08:00:00", "1,373.00", "<code>xoxo catalog vouchers</code>",
        "the vendor held orders back for 20 s", "times in UTC", "4.2 s", "985.00",
    ):  # fmt: skip
        assert text in page, text


def test_texts_are_escaped(page: str) -> None:
    """Names of products come from the vendor, and the notes of a proof from a file."""
    assert "<Sons>" not in page
    assert "<i>odd" not in page
    assert "Shop &amp; &lt;Sons&gt;" in page


def test_every_chart_has_a_table(page: str) -> None:
    """Each stands in a section with one; it is drawn for three widths."""
    for section in page.split("<section")[1:]:
        if "<svg" in section and "In numbers" not in section:
            assert "<table" in section
            wide, narrow = section.count('"chart wide"'), section.count('"chart narrow"')
            assert section.count("<svg") == wide + 2 * narrow > 0


def test_a_small_job_has_a_page() -> None:
    """Nothing was planned: no table is empty, and nothing is invented."""
    empty = overview(
        counts=Counts(rows=0, issued=0, pending=0, rejected=0, unknown=0, not_sent=0),
        groups=[], receivers=[], domains=0, beats=[], refused=[], labels=[], pauses=[], open=[],
    )  # fmt: skip
    text = page_of(facts_of(empty, context(currency="", notes=[], follow="", planned_at=None)), zone=UTC)
    elements(text)
    for words in ("No row was planned yet.", "Not recorded", "Nothing is placed yet.", "No order was sent yet."):
        assert words in text
    assert "<svg" not in text


def test_what_no_run_noted_is_not_recorded(undrawn: None) -> None:
    """No run has begun yet, and the job was planned without the catalog."""
    text = page_of(facts_of(overview(), context(notes=[], products={})), zone=UTC)
    assert "Allowance and penalties are not recorded for this job" in text
    assert "The ledger does not know the prices of all products" in text


def test_a_printed_page_has_literal_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that make PDFs know no variables in an SVG, and paper is light."""
    drawn: list[str] = []

    def draw(spec: dict[str, object], **_options: object) -> str:
        drawn.append(repr(spec))
        return "<svg></svg>"

    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", draw)
    printed = page_of(whole(), zone=UTC, printed=True)
    assert LIGHT.issued in "".join(drawn)
    assert "var(" not in "".join(drawn)
    assert 'name="color-scheme" content="light"' in printed


def test_a_followed_page_reads_itself_again(page: str, undrawn: None) -> None:
    """One in a file stays as it is."""
    assert '<meta http-equiv="refresh" content="5">' in page
    assert 'http-equiv="refresh"' not in page_of(whole(), zone=UTC)


def test_times_are_in_a_zone(undrawn: None) -> None:
    """The page names it."""
    text = page_of(whole(made_at=BEGAN), zone=timezone(timedelta(hours=5, minutes=30)))
    assert "times in UTC+05:30" in text
    assert "Made 15 Jan 2027, 13:30:00" in text


def test_an_older_proof_is_no_good_news() -> None:
    """The ledger has six placed orders, and the proof knows one."""
    page = page_of(facts_of(overview(), context(proof=proof_of({"ok": True, "placed": 1}, "f"))), zone=UTC)
    assert "Ledger and vendor agreed, and the ledger has changed since. The proof knows 1 placed order" in page
    assert "Ledger and vendor agree." not in page


def test_points_are_whole_and_no_orders() -> None:
    """A job of points has no `.00`, and a row in doubt is no order; amounts of money keep their two digits."""
    points = page_of(facts_of(overview(), context(kind=JobKind.POINTS, products={})), zone=UTC)
    shown = re.sub(r"<svg.*?</svg>", "", points, flags=re.DOTALL)
    assert "points may be there" in shown
    assert "may be placed" not in shown
    assert not re.search(r"\d\.00\b", shown)
    assert "may be placed" in page_of(FACTS, zone=UTC)
    assert re.search(r"\d\.00\b", page_of(FACTS, zone=UTC))
