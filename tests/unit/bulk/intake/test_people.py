"""`people`: a row for the person of an earlier one is found."""

import pytest

from xoxo_async.bulk.intake.people import Earlier, People
from xoxo_async.services.persons import Person, by_address, by_phone


def phone(text: str) -> Person:
    """Return whom a phone names."""
    found = by_phone(text)
    assert found is not None
    return found


@pytest.mark.parametrize(("one", "other"), [
    ("+91 98765 43210", "98765 43210"),
    ("+91 98765 43210", "098765 43210"),
    ("919876543210", "9876543210"),
    ("0091 98765 43210", "98765-43210"),
    ("+65 9123 4567", "9123 4567"),
    ("+353 087 123 4567", "087 123 4567"),
])  # fmt: skip
def test_a_lacking_country_code_is_found(one: str, other: str) -> None:
    """Whichever comes first. It may be the same person; that is not sure."""
    for first, second in ((one, other), (other, one)):
        people = People()
        assert people.first(phone(first), 7) is None
        assert people.first(phone(second), 8) == Earlier(7, is_sure=False)
        assert people.first(phone(first), 9) == Earlier(7, is_sure=True)


@pytest.mark.parametrize(("one", "other"), [
    ("+91 65 9123 4567", "+65 9123 4567"),
    ("+45 12 34 56 78", "+47 12 34 56 78"),
    ("+49 170 123 4567", "123 4567"),
    ("12345 98765 43210", "98765 43210"),
    ("98765 43210", "98765 43211"),
])  # fmt: skip
def test_other_people_are_not_one(one: str, other: str) -> None:
    """Both have a code, or the end is too short, or what stands in front of it is too long for a code."""
    for first, second in ((one, other), (other, one)):
        people = People()
        assert people.first(phone(first), 7) is None
        assert people.first(phone(second), 8) is None


def test_each_number_with_one_end_is_compared() -> None:
    """Many phones have the same last eight digits; the right one of them is found, and a question keeps nothing."""
    people = People()
    numbers = [f"+{code} 500 12345678" for code in range(10, 99)]
    assert all(people.first(phone(number), row) is None for row, number in enumerate(numbers, 1))
    assert people.first(phone("98 500 12345678"), 0) == Earlier(89, is_sure=True)
    assert people.first(phone("+5 12345678"), 0) is people.first(phone("+5 12345678"), 0) is None
    assert people.first(phone("500 12345678"), 0) == Earlier(1, is_sure=False)


def test_the_same_phone_goes_before_a_likely_one() -> None:
    """The second row's phone may be the first one's. The third row has the second one's, written in another way."""
    people = People()
    assert people.first(phone("20 7946 0958"), 1) is None
    assert people.first(phone("+44 20 7946 0958"), 2) == Earlier(1, is_sure=False)
    assert people.first(phone("+44 (0)20 7946 0958"), 3) == Earlier(2, is_sure=True)
    assert people.first(phone("+44 (0)20 7946 0958"), 0) == Earlier(2, is_sure=True)
    assert people.first(phone("+1 20 7946 0958"), 0) == Earlier(1, is_sure=False)


def test_an_address_is_one_person() -> None:
    """In every spelling; a number that is longer than any phone counts as it stands."""
    people, long = People(), "9" * 30
    assert people.first(by_address("k@b\u00fccher.de"), 1) is None
    assert people.first(by_address("K@xn--bcher-kva.de."), 2) == Earlier(1, is_sure=True)
    assert people.first(by_address("k@b\u00fccher.de"), 1) is None
    assert people.first(phone(long), 3) is None
    assert people.first(phone(long), 4) == Earlier(3, is_sure=True)
    assert people.first(phone("1" + long), 4) is None


def test_only_the_same_gift_counts() -> None:
    """Two rows of orders may be for one person, with two products."""
    people = People()
    for row, gift in enumerate("ab", 1):
        assert people.first(phone("+91 98765 43210"), row, gift) is None
    assert people.first(phone("98765 43210"), 3, "b") == Earlier(2, is_sure=False)
