"""Find keys that may have lost the zeros in front of their digits: `9` among `007` and `008`."""

from typing import Final

from xoxo_async.bulk.intake.problems import Problems

__all__ = ["LostZeros"]

_KEPT: Final = 20
"""As many rows as are shown."""


class LostZeros:
    """Compares the keys of one input, while all of them are digits.

    A spreadsheet that takes a column for numbers drops zeros, and one cell may lose them alone. The row is sent: its
    key may be right. Where keys of two lengths have zeros in front, where a key is longer than those, or where one is
    no number, nothing says how long a key should be.

    Args:
        warnings: Where such rows are noted.
    """

    def __init__(self, warnings: Problems) -> None:
        self._warnings: Final = warnings
        self._first: tuple[int, str] | None = None  # the first key with a zero in front, and its row
        self._longest = 0
        self._shorter: list[tuple[int, str]] = []  # before the first key with a zero
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
            self._longest = max(self._longest, length)
            if len(self._shorter) < _KEPT:
                self._shorter.append((row, key))
        elif self._longest > length:
            self._is_off = True
        else:
            self._first = (row, key)
            for earlier, shorter in self._shorter:
                if len(shorter) < length:
                    self._warn(shorter, earlier, self._first)
            self._shorter = []

    def _warn(self, key: str, row: int, first: tuple[int, str]) -> None:
        where, padded = first
        what = f"its key has fewer digits than {padded} in row {where}: a spreadsheet drops zeros in front"
        self._warnings.add(row, f"{what}. If it did, write them back before it is sent", key=key)


def _is_padded(key: str) -> bool:
    return len(key) > 1 and key[0] == "0"
