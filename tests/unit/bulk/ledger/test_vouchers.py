"""`vouchers`: which two vouchers are one card, and what an order holds after another answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.ledger.facts import FORMS, codes
from xoxo_async.bulk.ledger.vouchers import OTHER_PIN, TOO_MANY, Deal, StoredCode, clean, codes_of, deal


def cards(*texts: str) -> tuple[StoredCode, ...]:
    """Return codes, each written `code` or `code|pin`."""
    return tuple(StoredCode(*text.rsplit("|", 1)) for text in texts)


def texts(dealt: Deal) -> list[str]:
    """Return codes as `cards` reads them."""
    return [f"{code.code}|{code.pin}" if code.pin else code.code for code in dealt.codes]


@pytest.mark.parametrize(
    "blank", ["", " ", "\t", "\u00a0", "\u200b", "-", "----", "****", "XXXX-XXXX", "xxxxxxxx", "•••"]
)
def test_a_blank_code_is_none_whatever_its_pin(blank: str) -> None:
    """Nothing, blanks, characters that nobody sees, and a mask of the whole code."""
    assert clean(cards(f"{blank}|1234")) == []


@pytest.mark.parametrize(
    ("given_code", "code", "pin"),
    [
        (" ABCD ", "ABCD", ""),
        ("AB\u200bCD\n|", "ABCD", ""),
        ("ABCD| 12 ", "ABCD", "12"),
        ("ABCD|****", "ABCD", ""),
        ("ABCD|**12", "ABCD", ""),
        ("ABCD|-", "ABCD", ""),
        ("ABCD|0", "ABCD", "0"),
        ("****1234", "****1234", ""),
    ],
)
def test_blanks_around_a_code_are_dropped(given_code: str, code: str, pin: str) -> None:
    """Nor is a masked PIN a PIN."""
    assert [(one.code, one.pin) for one in clean(cards(given_code))] == [(code, pin)]


@pytest.mark.parametrize(
    ("code", "whole"),
    [
        ("XXXX-1234", False),
        ("xxxxxxxxxxxx1234", False),
        ("****1234", False),
        ("AB**********34", False),
        ("####-####-1234", False),
        ("1234-XXXX", False),
        ("https://gift.example.com/****1234", False),
        ("ABCD-1234", True),
        ("XXXXABCD12345678", True),  # crosses that hide less than they leave are letters
        ("XXX-1234", True),
        ("AB*12", True),
        ("https://gift.example.com/r/XXXX1234##a", True),
    ],
)
def test_a_masked_code_is_known_by_its_mask(code: str, whole: bool) -> None:
    """At least two stars, or four crosses that hide half of it; a masked code is never complete."""
    assert (StoredCode(code).whole, StoredCode(code).complete) == (whole, whole)


def test_a_pin_completes_a_code_of_its_type() -> None:
    """The card cannot be spent before."""
    for kind in ("codePin", "urlPin"):
        assert not StoredCode("ABCD", type=kind).complete
        assert StoredCode("ABCD", "1", type=kind).complete


DEALT = [
    # what was held, what is listed, pieces, what is held then, how many of it complete, the trouble
    ("", "A A A", 3, "A", 1, ""),
    ("A B", "B A", 2, "A B", 2, ""),
    ("A", "B", 2, "A B", 2, ""),
    ("A", "", 2, "A", 1, ""),
    ("A", "B", 1, "A", 1, TOO_MANY),
    ("", "A B", 1, "", 0, TOO_MANY),
    ("A", "B A C", 2, "A", 1, TOO_MANY),
    ("A", "A|1 B C", 2, "A|1", 1, TOO_MANY),  # what is known of A is true all the same
    # without its PIN first
    ("A", "B A|1", 2, "A|1 B", 2, ""),
    ("A|1", "A", 1, "A|1", 1, ""),
    ("", "A A|1", 2, "A|1", 1, ""),
    ("A|1", "A|2", 1, "A|1", 1, OTHER_PIN),
    # masked first
    ("XXXX-1234", "ABCD-1234|5", 1, "ABCD-1234|5", 1, ""),
    ("****1234", "ZZZZ9999 ABCD1234", 2, "ABCD1234 ZZZZ9999", 2, ""),
    ("****1234 ****9999", "ZZZZ9999 ABCD1234", 2, "ABCD1234 ZZZZ9999", 2, ""),
    ("****34 ****1234", "ABCD1234 ZZ34", 2, "ZZ34 ABCD1234", 2, ""),
    ("AB**34", "AB1234", 1, "AB1234", 1, ""),
    ("ABCD1234", "****1234", 2, "ABCD1234", 1, ""),
    ("****1234", "XXXX-1234", 1, "****1234", 0, ""),
    ("", "****1234 ABCD1234", 2, "ABCD1234", 1, ""),
    ("", "****1234 ZZZZ9999", 2, "ZZZZ9999 ****1234", 1, ""),
    ("****1234|7", "ABCD1234|8", 2, "****1234|7 ABCD1234|8", 0, ""),
    ("****1234", "ZZZZ9999", 1, "****1234", 0, TOO_MANY),
    ("****1234", "ABCD1234 EFGH1234", 1, "****1234", 0, TOO_MANY),  # which of them it is, nobody knows
    # one link for all cards of a brand, and a PIN for each
    ("", "http://x/r|1 http://x/r|2", 2, "http://x/r|1 http://x/r|2", 2, ""),
    ("http://x/r", "http://x/r|1", 1, "http://x/r|1", 1, ""),
]


@pytest.mark.parametrize(("kept", "told", "pieces", "held", "complete", "trouble"), DEALT)
def test_what_an_order_holds_after_an_answer(
    kept: str, told: str, pieces: int, held: str, complete: int, trouble: str
) -> None:
    """A richer form replaces a poorer one in place, nothing else moves, and what cannot be is dealt to nobody."""
    dealt = deal(cards(*kept.split()), cards(*told.split()), pieces)
    assert (texts(dealt), dealt.held, dealt.trouble) == (held.split(), complete, trouble)


def test_two_forms_of_a_card_are_merged() -> None:
    """A date that the first answer lacked, and a PIN that the second one lacks."""
    first, second = StoredCode("A", "1", currency="INR"), StoredCode("A", valid_to="2028-01-01", currency="USD")
    assert deal([first], [second], 1).codes == (StoredCode("A", "1", "2028-01-01", currency="INR"),)


@given(st.lists(st.lists(FORMS, max_size=8), max_size=6), st.integers(1, 6))
def test_a_whole_code_is_never_lost_or_moved(answers: list[list[StoredCode]], pieces: int) -> None:
    """Whatever subset, order and form of its codes each answer of an order lists."""
    held = Deal((), 0, "")
    for told in answers:
        after = deal(held.codes, clean(told), pieces)
        for at, code in enumerate(held.codes):
            if code.whole:
                assert after.codes[at].code == code.code
                assert after.codes[at].pin == code.pin or not code.pin
        whole = [code.code for code in after.codes if code.whole]
        assert len(whole) == len(set(whole))
        assert held.held <= after.held <= len(after.codes) <= pieces
        assert all(code.complete for code in after.codes[: after.held])
        held = after


def test_a_code_shows_nothing_of_itself() -> None:
    """Bearer cash."""
    assert repr(codes_of(codes("SECRET"))) == "(StoredCode(***),)"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1234-5678", "12345678"),
        ("1234 5678", "1234-5678"),
        ("A&amp;B1", "A&B1"),
        ("https://x.example/?a=1&amp;b=2", "https://x.example/?a=1&b=2"),
    ],
)
def test_one_code_in_two_spellings_is_one_card(one: str, other: str) -> None:
    """A later answer may write it in another way: nobody else gets it."""
    kept = deal((), [StoredCode(one)], 2)
    again = deal(kept.codes, [StoredCode(other)], 2)
    assert (len(again.codes), again.held, again.trouble) == (1, 1, "")
    assert StoredCode(one).name == StoredCode(other).name


def test_a_hyphen_tells_two_links_apart() -> None:
    """There a hyphen may be all that tells them apart."""
    dealt = deal((), [StoredCode("https://x.example/a-b"), StoredCode("https://x.example/ab")], 2)
    assert (len(dealt.codes), dealt.held) == (2, 2)
