"""`guard`: what a spreadsheet would change gets an apostrophe, and a reader takes off that one alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.bulk.intake.guard import kept_as_text, sheet_text, shown, unguarded


@given(st.text(st.sampled_from("'=+-@\t0aé. 1") | st.characters(codec="utf-8")))
def test_a_guarded_text_comes_back_exactly(text: str) -> None:
    """From every export, with and without --excel."""
    assert unguarded(shown(text)) == text
    assert unguarded(kept_as_text(text)) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'0012", "0012"),
        ("'+919876543210", "+919876543210"),
        ("'1,000.50", "1,000.50"),
        ("''s", "'s"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
        ("'EMP-1", "'EMP-1"),
        ("'", "'"),
        ("it's", "it's"),
        ("", ""),
    ],
)
def test_a_text_nobody_guards_stays(cell: str, text: str) -> None:
    """An apostrophe before a number is a person's or an export's; one before a word belongs to the word."""
    assert unguarded(cell) == text


@given(st.text(st.sampled_from("<r>/ a")))
def test_no_text_of_a_sheet_is_rich(text: str) -> None:
    """XlsxWriter takes what begins with `<r>` and ends with `</r>` for XML of its own."""
    written = sheet_text(text)
    assert not (written.startswith("<r>") and written.endswith("</r>"))
    assert written.rstrip(" ") == text.rstrip(" ")
