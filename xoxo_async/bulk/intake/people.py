"""Whom earlier rows are for: a row for the same person is found, also if a phone lacks its country code."""

from array import array
from typing import Final, NamedTuple

from xoxo_async.bulk.intake.first_rows import FirstRows
from xoxo_async.services.persons import Person

__all__ = ["MAY_BE", "Earlier", "People"]

_END: Final = 8
"""Digits of a national number, at least: with fewer, the numbers of many people end alike."""
_MOST_DIGITS: Final = 18
"""Digits of a phone, at most: E.164 has 15. With more, a number and its flag do not fit into 64 bits."""
_LONGEST_CODE: Final = 4
"""Digits that one number has in front of another: a country code has three at most, and a zero may follow it."""

MAY_BE: Final = "one phone ends with the other, which may lack its country code"
"""Why two rows may be for one person."""


class Earlier(NamedTuple):
    """The row that was first for a person.

    Attributes:
        row: Its number.
        is_sure: Whether it is the same person; otherwise it may be, see `MAY_BE`.
    """

    row: int
    is_sure: bool


class People:
    """The persons of many rows. Each keeps a hash of some 25 bytes, and a phone some 20 bytes more."""

    def __init__(self) -> None:
        self._seen: Final = FirstRows()
        # A phone is found by its last digits. All phones with the same ones stand in a chain; the place 0 is its end.
        self._ends: Final = FirstRows()
        self._phones: Final = array("Q", [0])
        self._rows: Final = array("I", [0])
        self._next: Final = array("I", [0])

    def first(self, person: Person, row: int, about: object = None) -> Earlier | None:
        """Return the first row for a person, or None when the person is new; then it is kept.

        Args:
            person: The person.
            row: The row's number, from 1; 0 asks only.
            about: What the row has for the person, where only rows with the same one count.
        """
        digits = person.spelling
        if person.column == "phone" and _END <= len(digits) <= _MOST_DIGITS:
            return self._first_phone(int(digits) * 2 + person.lacks_code, digits, row, about)
        first = self._seen.first((person.column, digits, about), row)
        return None if first in {row, 0} else Earlier(first, is_sure=True)

    def _first_phone(self, phone: int, digits: str, row: int, about: object) -> Earlier | None:
        """Return the row with the same phone, or else the first that may be for the same person.

        A phone that may be an earlier one is kept too: a later row can have the very same.
        """
        maybe: Earlier | None = None
        new = len(self._phones) if row else 0
        place = self._ends.first((digits[-_END:], about), new)
        if place != new:
            while True:
                other = self._phones[place]
                if phone >> 1 == other >> 1:
                    return Earlier(self._rows[place], is_sure=True)
                if maybe is None and (_is_end_of(phone, other) or _is_end_of(other, phone)):
                    maybe = Earlier(self._rows[place], is_sure=False)
                if not self._next[place]:
                    break
                place = self._next[place]
            self._next[place] = new
        if row:
            self._phones.append(phone)
            self._rows.append(row)
            self._next.append(0)
        return maybe


def _is_end_of(short: int, long: int) -> bool:
    """Return whether a phone may lack its country code, and is what another one has behind its own.

    Args:
        short: Twice the digits of a phone, and 1 more if it may lack its country code.
        long: The other phone.
    """
    if not short & 1 or short >= long:
        return False
    digits = len(str(short >> 1))
    return len(str(long >> 1)) - digits <= _LONGEST_CODE and (long >> 1) % 10**digits == short >> 1
