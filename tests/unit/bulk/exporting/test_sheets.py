"""`sheets`: a cell holds every text to the character, and a number only where it is exact."""

from xml.etree import ElementTree as ET

import pytest

from xoxo_async.bulk.exporting.sheets import PLACES, SheetRows, Styles
from xoxo_async.errors import ConfigError

STYLES = Styles("1", "2", [str(3 + places) for places in PLACES])
ROWS = SheetRows(("code", "amount", "day"), numbers=frozenset({"amount"}), days=frozenset({"day"}), styles=STYLES)


def cells(*texts: str) -> list[tuple[str | None, str | None, str]]:
    """Return reference, format and contents of each cell that is written."""
    row = ET.fromstring(ROWS.row(7, texts))  # noqa: S314 - made here
    return [(cell.get("r"), cell.get("s"), "".join(cell.itertext())) for cell in row]


def test_a_row_has_texts_numbers_and_days() -> None:
    """An empty cell is left out."""
    assert cells("0012", "500.50", "2027-03-31") == [("A7", "1", "0012"), ("B7", "5", "500.50"), ("C7", "2", "46477")]
    assert cells("", "1", "") == [("B7", "3", "1")]


@pytest.mark.parametrize("text", ["1234567890123456", "0.1234567", "1e5", "-1", "+1", "007", "1,5", "NaN", "१", "1\n"])
def test_an_inexact_number_is_a_text(text: str) -> None:
    """A cell holds fifteen digits."""
    assert cells("", text)[0][:2] == ("B7", "1")


@pytest.mark.parametrize("text", ["1900-02-28", "0001-01-01", "2027-02-30", "2027-03-31T00:00:00", "soon"])
def test_a_day_that_is_none_is_a_text(text: str) -> None:
    """Nor is one that programs count in different ways."""
    assert cells("", "", text) == [("C7", "1", text)]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("<r><f>1</f></r>", "<r><f>1</f></r>"),
        ("a&b", "a&b"),
        ("_x0041_", "_x005F_x0041_"),
        ("_x0041_x0042_", "_x005F_x0041_x005F_x0042_"),
        ("a\x07\r\x1f", "a_x0007__x000D__x001F_"),
        (" a ", " a "),
        ("\ud800\ufffe", "?_xFFFE_"),
    ],
)
def test_an_odd_text_stays_a_text(text: str, spelled: str) -> None:
    """Markup is no markup, and a control character has the spelling that workbooks have for it."""
    assert cells(text) == [("A7", "1", spelled)]


@pytest.mark.parametrize(
    ("texts", "odd"),
    [
        (("a", "", ""), 0),
        (("", "", "b c"), 0),
        (("नमस्ते", "", "x"), 0),
        (("a ", "", "x"), 2),
        (("\u00a0a", "", "x"), 2),
        (("_x", "", "_x00"), 0),
    ],
)
def test_only_a_blank_at_an_end_is_odd(texts: tuple[str, str, str], odd: int) -> None:
    """An empty cell is none: its neighbours are written the fast way, and not each with the mark that keeps blanks."""
    assert ROWS.row(7, texts).count("preserve") == odd


def test_a_text_is_not_cut() -> None:
    """A cell holds 32,767 characters, and a code that lacks its end is worth nothing."""
    assert len(cells("x" * 32_767)[0][2]) == 32_767
    with pytest.raises(ConfigError, match=r"a text of 32,768 characters in the column 'code' does not fit"):
        ROWS.row(7, ["\U0001f381" * 16_384])
