"""Rows that repeat an earlier one of the same stream: a key twice is an error, a receiver twice is a warning."""

import re
from array import array
from collections.abc import Iterator
from typing import Final

from xoxo_async.bulk.intake.keys import folded
from xoxo_async.bulk.intake.order_lines import OrderLine, Problems
from xoxo_async.services.placing import AirmilesDetails, ShippingDetails, TopUpDetails

__all__ = ["FirstRows", "Repeats"]

_NO_DIGITS: Final = re.compile("[^0-9]+")
_ALL_BITS: Final = 2**64 - 1
_FEWEST_DIGITS: Final = 6
"""A shorter number is an extension or a placeholder, and no person's own."""


class FirstRows:
    """The row in which each of many things stood first: of a thing only a hash is kept, some 25 bytes a thing.

    Python's dict takes a hundred. Two of a million things have one hash with a probability of 1 in 30 million; then a
    good row is refused or warned about, and in the next process, which hashes otherwise, it is not.
    """

    def __init__(self) -> None:
        self._count = 0
        self._hashes = array("Q", bytes(8 * 1024))
        self._rows = array("I", bytes(4 * 1024))

    def first(self, thing: object, row: int) -> int:
        """Return the row in which a thing stood first; this one, when it is new.

        Args:
            thing: Anything that has a hash.
            row: The row it stands in.
        """
        wanted = hash(thing) & _ALL_BITS or 1  # 0 marks a free place
        hashes = self._hashes
        last = len(hashes) - 1
        place = wanted & last
        while (found := hashes[place]) != wanted:
            if not found:
                hashes[place], self._rows[place] = wanted, row
                self._count += 1
                if 3 * self._count > 2 * last:
                    self._grow()
                return row
            place = (place + 1) & last
        return self._rows[place]

    def _grow(self) -> None:
        size = 2 * len(self._hashes)
        hashes, rows, last = array("Q", bytes(8 * size)), array("I", bytes(4 * size)), size - 1
        for number, row in zip(self._hashes, self._rows, strict=True):
            if number:
                place = number & last
                while hashes[place]:
                    place = (place + 1) & last
                hashes[place], rows[place] = number, row
        self._hashes, self._rows = hashes, rows


class Repeats:
    """What the rows of one stream have in common with earlier ones.

    A ledger takes a line that it knows, with the same contents, as said twice: that is what running again is. Within
    one stream the same key may be two gifts for one person, or a copy by mistake, so a person has to say which.

    Attributes:
        warnings: Rows whose receiver gets the same from an earlier row, under another key.
    """

    def __init__(self) -> None:
        self.warnings: Final = Problems()
        self._keys: Final = FirstRows()
        self._po_numbers: Final = FirstRows()
        self._gifts: Final = FirstRows()

    def is_new(self, row: int, line: OrderLine, problems: Problems) -> bool:
        """Return whether a row has a key and a poNumber of its own; note what it repeats.

        Args:
            row: Its number.
            line: The row, checked.
            problems: Where a key or poNumber that is not its own is noted.
        """
        first = self._keys.first(folded(line.key), row)
        if first != row:
            problems.add(row, f"{line.key} stands in row {first} already", column="key")
            return False
        first = self._po_numbers.first(folded(line.po_number), row) if line.po_number else row
        if first != row:
            problems.add(row, f"{line.po_number} stands in row {first} already", column="po_number")
            return False
        self._warn(row, line)
        return True

    def _warn(self, row: int, line: OrderLine) -> None:
        earlier = [
            first
            for person in _receivers(line)
            if (first := self._gifts.first((person, line.product_id, line.denomination), row)) != row
        ]
        if earlier:
            what = f"its receiver gets product {line.product_id} for {line.denomination:f} from row {min(earlier)} too"
            self.warnings.add(row, what, key=line.key)


def _receivers(line: OrderLine) -> Iterator[str]:
    """Yield everything that names the receiver of a row."""
    if line.email:
        yield line.email.strip().casefold()
    details = line.details
    if isinstance(details, AirmilesDetails):
        yield f"member {details.loyalty_member_id}".strip()
    phones = [line.contact or ""]
    # The fields of details are checked later than this, so they may hold anything.
    if isinstance(details, TopUpDetails):
        phones.append(f"{details.phone_code}{details.phone_number}")
    if isinstance(details, ShippingDetails):
        phones.append(f"{details.contact_no}")
    for phone in phones:
        digits = _NO_DIGITS.sub("", phone).lstrip("0")  # 0091 and +91 are one prefix
        if len(digits) >= _FEWEST_DIGITS:
            yield digits
