"""`persons`: when two receivers are one person."""

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.services.persons import Person, by_address, by_phone, only_looks_plain, same_address, same_phone


def test_case_and_blanks_do_not_count() -> None:
    """A mail program writes an address in its own way."""
    assert same_address(" Jane@Example.COM ") == same_address("jane@example.com")
    assert same_address("jane@example.com") != same_address("jan@example.com")
    assert same_address("J\u00fcrgen@example.com") == same_address("ju\u0308rgen@Example.com")  # u and its dots apart


@pytest.mark.parametrize(("one", "other"), [
    ("k@b\u00fccher.de", "k@xn--bcher-kva.de"),
    ("k@B\u00dcCHER.de", "K@XN--BCHER-KVA.DE"),
    ("k@stra\u00dfe.de", "k@xn--strae-oqa.de"),
    ("k@\u4f8b\u3048.jp", "k@\u4f8b\u3048\u3002jp"),
    ("h@x.com", "h@x.com."),
    ("h@b\u00fccher.de", "h@xn--bcher-kva.de."),
    ("h@x.com", "\uff48@x.com"),
    ("h@x.com", "h\uff20x\uff0ecom"),
    ("h1@x.com", "h\u00b9@x.com"),
    ("h@x.com", "h\u200b@x.com"),
    ("h@x.com", "h@x\u00ad.com"),
    ("h@x.com", "\u202eh@x.com\u202c"),
    ("h@x.com", "h\ufe0f@x.com"),
    ("ju\u0308rgen@x.com", "ju\u200d\u0308rgen@x.com"),
    ("h@x.com", '"h"@x.com'),
    ("h@x.com", '"\\h"@X.com'),
])  # fmt: skip
def test_one_mailbox_has_many_spellings(one: str, other: str) -> None:
    """All of them reach the same person."""
    assert same_address(one) == same_address(other)
    assert by_address(one) == by_address(other) == Person("email", same_address(one))


@pytest.mark.parametrize(("one", "other"), [
    ("k@b\u00fccher.de", "k@bucher.de"),
    ("jane.doe@gmail.com", "janedoe@gmail.com"),
    ("jane+a@gmail.com", "jane@gmail.com"),
    ("h@x.com", "h@y.com"),
    ("h@x.com", "\u04bb@x.com"),
    ("k@xn--\u00fc.de", "k@\u00fc.de"),
    ("k@xn--99999999999.de", "k@xn--99999999998.de"),
])  # fmt: skip
def test_another_mailbox_is_another_person(one: str, other: str) -> None:
    """A dot or a tag in the name is the mail server's to judge, and a letter of another script is another letter."""
    assert same_address(one) != same_address(other)


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFD"]))
def test_any_text_has_one_form(text: str, form: Literal["NFC", "NFD"]) -> None:
    """A file may hold anything: no text ends a plan, however it writes its accents."""
    for address in (f"{text}@x.com", f"h@xn--{text}.com"):
        assert same_address(unicodedata.normalize(form, address)) == same_address(address)


@pytest.mark.parametrize(("text", "odd"), [
    ("\uff48@x.com", True),
    ("h@x\u3002com", True),
    ("h\ufe0f@x.com", True),
    ("\u210c@x.com", True),
    ("\ufb01x@x.com", True),
    ("h@b\u00fccher.de", False),
    ("\u0e19\u0e49\u0e33@x.com", False),
    ("ju\u0308rgen@x.com", False),
    ("h@x.com", False),
])  # fmt: skip
def test_what_only_looks_plain_is_told(text: str, odd: bool) -> None:
    """Letters of other scripts are plain, also those that have two forms of their own."""
    assert only_looks_plain(text) is odd


@pytest.mark.parametrize("phone", ["+91-98765 43210", "0091 (98765) 43210", "919876543210", "+91 (0) 98765 43210"])
def test_only_the_digits_of_a_phone_count(phone: str) -> None:
    """People write one number in many ways."""
    assert same_phone(phone) == "919876543210"


def test_a_phone_may_lack_its_country_code() -> None:
    """One that begins with + or 00 has it."""
    assert by_phone("(+91) 98765 43210") == Person("phone", "919876543210")
    assert by_phone("0091 98765 43210") == Person("phone", "919876543210")
    assert by_phone("098765 43210") == Person("phone", "9876543210", lacks_code=True)
    assert by_phone("\uff0b91 98765 \uff14\uff13210") == Person("phone", "919876543210")


@pytest.mark.parametrize("phone", ["", "n/a", "4711", "000000"])
def test_a_short_number_is_nobodys(phone: str) -> None:
    """Many persons share an extension or a placeholder."""
    assert same_phone(phone) == ""
    assert by_phone(phone) is None
