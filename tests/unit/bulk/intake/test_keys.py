"""`keys`: a key shows all of its characters, and two spellings that a person reads as one are one."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async import errors
from xoxo_async.bulk.intake.keys import MAX_KEY, alike, check_key, derive_po_number, folded

UNSEEN = {
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff",
    "right to left mark": "\u200f",
    "right to left override": "\u202e",
    "tag character": "\U000e0041",
    "bell": "\x07",
    "line feed": "\n",
    "next line": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "variation selector": "\ufe0f",
    "grapheme joiner": "\u034f",
    "hangul filler": "\u3164",
    "empty braille cell": "\u2800",
    "half a character": "\ud800",
}


@pytest.mark.parametrize("character", UNSEEN.values(), ids=list(UNSEEN))
def test_an_invisible_character_is_refused(character: str) -> None:
    """The error shows its code point and its place, because it is invisible."""
    with pytest.raises(errors.ConfigError, match=rf"U\+{ord(character):04X} .* as character 6: .*remove it"):
        check_key(f"EMP-1{character}x")


@pytest.mark.parametrize(
    "key", ["EMP-1", "Müller 7", "Mu\u0308ller", "EMP\u00a01", "张三", "अ-१", "a" * MAX_KEY, "1E5", "4E-05"]
)
def test_any_other_key_is_accepted(key: str) -> None:
    """A key may hold letters and marks of every script, and every kind of blank."""
    check_key(key)


@pytest.mark.parametrize("key", ["1.23457E+14", "1,23457E+14", "1E+11", "1.2345678901234568e+20"])
def test_a_number_with_lost_digits_is_refused(key: str) -> None:
    """The error says what the spreadsheet did, and how to get the digits back."""
    with pytest.raises(errors.ConfigError, match=r"a spreadsheet wrote .* digits are lost\. Format the column as text"):
        check_key(key)


def test_a_key_has_a_length_limit() -> None:
    """The error shows the length of the key and the limit."""
    with pytest.raises(errors.ConfigError, match="has 256 characters, and a key has 255 at most"):
        check_key("k" * 256)


@pytest.mark.parametrize(
    "other",
    ["M\u00fcller 7", "Mu\u0308ller 7", "Müller\u00a07", "Müller  7", " Müller\u20097\u3000"],
    ids=ascii,
)
def test_spellings_that_look_alike_are_equal(other: str) -> None:
    """Composed and decomposed characters are equal, and so are all kinds and numbers of blanks."""
    assert folded(other) == unicodedata.normalize("NFC", "Müller 7")


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("00123", "123"),
        ("00123", "123.0"),
        ("+919876543210", "919876543210"),
        ("'+91", "91"),
        ("007-A", "7-a"),
        ("ab1", "AB1"),
        ("MÜLLER\u00a07", "mu\u0308ller 7"),
        ("STRASSE", "straße"),
        ("000", "0"),
        ("\u0130x", "i\u0307x"),
    ],
    ids=ascii,
)
def test_what_programs_change_does_not_count(key: str, other: str) -> None:
    """A file that came back from a spreadsheet has the same keys."""
    assert alike(key) == alike(other)
    assert alike(alike(key)) == alike(key)


@pytest.mark.parametrize(
    ("key", "other"),
    [("Müller 7", "Muller 7"), ("Müller 7", "Müller7"), ("Müller 7", "Müller-7"), ("E007", "E7"), ("1.10", "1.1"),
     ("-7", "7"), ("0", "o"), ("v1.0", "v1"), ("100", "1")],
)  # fmt: skip
def test_spellings_that_look_different_differ(key: str, other: str) -> None:
    """Accents, blanks, signs and zeros within a key tell keys apart."""
    assert alike(key) != alike(other)
    assert folded(key) != folded(other)


KEYS = st.text(min_size=1, max_size=300).filter(str.strip)


@pytest.mark.parametrize("key", ["", "  ", "\t", "\udcff"], ids=["empty", "blanks", "tab", "half a character"])
def test_a_po_number_needs_a_key(key: str) -> None:
    """Otherwise all claims of a user that come without a key would be one order."""
    with pytest.raises(errors.ArgumentError, match="the key of an order"):
        derive_po_number("claims of ann", key)


@given(st.text(max_size=80), KEYS)
def test_a_po_number_is_plain_short_and_stable(job: str, key: str) -> None:
    """It has at most 100 plain characters, and it is the same for the same job and key."""
    po_number = derive_po_number(job, key)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", po_number)
    assert po_number == derive_po_number(job, key)


@given(st.tuples(st.text(max_size=5), KEYS), st.tuples(st.text(max_size=5), KEYS))
def test_two_rows_never_share_a_po_number(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two pairs of job and key get two poNumbers, even where they read the same when joined."""
    assert (derive_po_number(*one) == derive_po_number(*other)) == (one == other)
