"""`persons`: when two receivers are one person."""

import pytest

from xoxo_async.services.persons import same_address, same_phone


def test_case_and_blanks_do_not_count() -> None:
    """A mail program writes an address in its own way."""
    assert same_address(" Jane@Example.COM ") == same_address("jane@example.com")
    assert same_address("jane@example.com") != same_address("jan@example.com")
    assert same_address("J\u00fcrgen@example.com") == same_address("ju\u0308rgen@Example.com")  # u and its dots apart


@pytest.mark.parametrize("phone", ["+91-98765 43210", "0091 (98765) 43210", "919876543210"])
def test_only_the_digits_of_a_phone_count(phone: str) -> None:
    """People write one number in many ways."""
    assert same_phone(phone) == "919876543210"


@pytest.mark.parametrize("phone", ["", "n/a", "4711", "000000"])
def test_a_short_number_is_nobodys(phone: str) -> None:
    """Many persons share an extension or a placeholder."""
    assert same_phone(phone) == ""
