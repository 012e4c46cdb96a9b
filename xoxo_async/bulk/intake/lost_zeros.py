"""Find keys that may have lost the zeros in front of their digits: `9` among `007` and `008`."""

from collections import Counter
from typing import Final

from xoxo_async.bulk.intake.problems import Problems

__all__ = ["LostZeros"]

_KEPT: Final = 20
"""As many rows of each length as are shown."""


class LostZeros:
    """Compares the keys of one input, while all of them are digits.

    A spreadsheet that takes a column for numbers drops zeros, also in a single cell. The row is sent: its
    key may be right. Where keys of two lengths have zeros in front, where a key is longer than those, or where one is
    no number, nothing says how long a key should be.

    Args:
        warnings: Where such rows are noted.
    """

    def __init__(self, warnings: Problems) -> None:
        self._warnings: Final = warnings
        self._first: tuple[int, str] | None = None  # the first key with a zero in front, and its row
        # Before the first key with a zero: the first keys of each length, with their rows, and how many there are.
        self._unpadded: Final[dict[int, list[tuple[int, str]]]] = {}
        self._counts: Final[Counter[int]] = Counter()
        self._is_off = False

    def note(self, key: str, row: int) -> None:
        """Compare a key with those before it; note it, or an earlier one, if it may lack zeros.

        Args:
            key: The key.
            row: Its row.
        """
        if self._is_off:
            return
        length = len(key)
        if not (key.isascii() and key.isdecimal()):
            self._is_off = True
        elif self._first is not None:
            padded = len(self._first[1])
            self._is_off = length > padded or (length != padded and _is_padded(key))
            if length < padded and not self._is_off:
                self._warn(key, row, self._first)
        elif not _is_padded(key):
            self._counts[length] += 1
            kept = self._unpadded.setdefault(length, [])
            if len(kept) < _KEPT:
                kept.append((row, key))
        elif max(self._counts, default=0) > length:
            self._is_off = True
        else:
            self._first = (row, key)
            self._warn_earlier(length, self._first)

    def _warn_earlier(self, length: int, first: tuple[int, str]) -> None:
        for shorter, kept in self._unpadded.items():
            if shorter < length:
                for row, key in kept:
                    self._warn(key, row, first)
                self._warnings.add_unseen(self._counts[shorter] - len(kept))

    def _warn(self, key: str, row: int, first: tuple[int, str]) -> None:
        where, padded = first
        what = f"its key has fewer digits than {padded} in row {where}: a spreadsheet drops zeros in front"
        self._warnings.add(row, f"{what}. If it did, write them back before it is sent", key=key)


def _is_padded(key: str) -> bool:
    return len(key) > 1 and key[0] == "0"
