"""The columns that ride along with the lines of a job: how a ledger keeps them, and the order of their names."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

__all__ = ["KeptNames", "decode_kept", "encode_kept", "names_of"]

_encode: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(dict[str, str])
_NAMES: Final = msgspec.json.Decoder(list[str])


def encode_kept(values: Mapping[str, str]) -> str:
    """Return the columns of one line as a ledger keeps them: a JSON object in the order of the input; empty for none.

    Args:
        values: The columns, by name.
    """
    return _encode(dict(values)).decode() if values else ""


def decode_kept(text: str) -> dict[str, str]:
    """Return the columns of one line, by name.

    Args:
        text: As `encode_kept` returned it.
    """
    return _DECODER.decode(text) if text else {}


def names_of(fact: str | None) -> list[str]:
    """Return the names in the fact `KEPT_NAMES`; none where a ledger has no such fact.

    Args:
        fact: The fact.
    """
    return _NAMES.decode(fact) if fact else []


class KeptNames:
    """The names of all columns that ride along with the lines of a job, in the order of the input.

    Args:
        known: The names so far.

    Attributes:
        names: The names, in order.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.names: Final[list[str]] = list(known)
        self._seen: Final = set(self.names)

    def add(self, lines: Iterable[str]) -> bool:
        """Add the names of some lines; return whether one of them is new.

        Args:
            lines: The columns of each line, as `encode_kept` returned them.
        """
        before = len(self.names)
        last: list[str] = []
        for text in lines:
            names = list(_DECODER.decode(text))
            if names != last:  # nearly all lines of a file have the same names
                self.merge(names)
                last = names
        return len(self.names) > before

    def merge(self, names: Iterable[str]) -> bool:
        """Add names in order; return whether one of them is new.

        A new name comes after the one before it. So a column that the first lines lack does not move to the end.

        Args:
            names: The names.
        """
        before, place = len(self.names), 0
        for name in names:
            if name not in self._seen:
                self._seen.add(name)
                self.names.insert(place, name)
                place += 1
            else:
                place = self.names.index(name) + 1
        return len(self.names) > before

    def fact(self) -> str:
        """Return the names as the fact `KEPT_NAMES`."""
        return _encode(self.names).decode()
