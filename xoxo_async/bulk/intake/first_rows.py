"""The row in which each of many things was first seen, in little memory."""

from array import array
from typing import Final

__all__ = ["FirstRows"]

_ALL_BITS: Final = 2**64 - 1


class FirstRows:
    """The row in which each of many things was first seen. It keeps a hash of each thing, some 25 bytes.

    A dict takes a hundred bytes a thing. Two of a million things have the same hash with a probability of 1 in 30
    million. Then a good row is refused or warned about; the next process has other hashes and takes it.
    """

    def __init__(self) -> None:
        self._hashes = array("Q", bytes(8 * 1024))
        self._rows = array("I", bytes(4 * 1024))
        # Half of the places stay free: with more in use, a new thing takes twice as many looks at taken ones.
        self._room = 512

    def first(self, thing: object, row: int) -> int:
        """Return the row in which a thing was first seen; this row when the thing is new.

        Args:
            thing: Anything that has a hash.
            row: The row that holds it; 0 asks only, and is returned for a thing that is new.
        """
        wanted = hash(thing) & _ALL_BITS or 1  # 0 marks a free place
        hashes = self._hashes
        last = len(hashes) - 1
        place = wanted & last
        while (found := hashes[place]) != wanted:
            if not found:
                if not row:
                    return 0
                hashes[place] = wanted
                self._rows[place] = row
                self._room -= 1
                if not self._room:
                    self._grow()
                return row
            place = (place + 1) & last
        return self._rows[place]

    def _grow(self) -> None:
        size = 2 * len(self._hashes)
        self._room = len(self._hashes) // 2
        hashes, rows, last = array("Q", bytes(8 * size)), array("I", bytes(4 * size)), size - 1
        for number, row in zip(self._hashes, self._rows, strict=True):
            if number:
                place = number & last
                while hashes[place]:
                    place = (place + 1) & last
                hashes[place], rows[place] = number, row
        self._hashes, self._rows = hashes, rows
