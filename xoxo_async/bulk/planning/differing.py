"""In what a row differs from the same row as it was planned, for the error that refuses it. It writes nothing."""

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from xoxo_async.bulk.ledger.lines import LedgerLine, PackedLine, PlannedLine
from xoxo_async.errors import LedgerConflictError

__all__ = ["Fields", "RecentLines"]

_WIRE: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_RECENT: Final = 5_000
"""Lines that are remembered for an error message: as many as a store plans at once."""


class Fields(NamedTuple):
    """What the fields of a stored row are called.

    Attributes:
        names: Each field by its name in what a ledger stores.
        shown: The fields whose values an error may show: no address is one of them.
        others: What all other fields are.
    """

    names: Mapping[str, str]
    shown: frozenset[str]
    others: str = "details"

    def differing(self, old: str | bytes, new: str | bytes) -> str:
        """Return in words what two forms of a row differ in: `denomination was 500 and is 1000`; empty for nothing.

        Args:
            old: The row that was planned.
            new: The other one.
        """
        before, after = _WIRE.decode(old), _WIRE.decode(new)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        words = [
            f"{self.names[name]} was {before.get(name)} and is {after.get(name)}"
            if name in self.shown
            else f"{self.names[name]} has changed"
            if name in self.names
            else f"{self.others} have changed"
            for name in changed
        ]
        return ", ".join(dict.fromkeys(words))


class LineFinder(Protocol):
    """The methods of a ledger that find a line."""

    async def find(self, key: str, /) -> LedgerLine | None:
        """Return the line of a key."""
        ...

    async def packed(self, orders: Sequence[LedgerLine], /) -> dict[int, list[PackedLine]]:
        """Return the lines of packed orders."""
        ...


class RecentLines:
    """The last lines that a plan was given, to say what is wrong with the one that the ledger refuses.

    Args:
        ledger: The ledger.
        fields: What the fields of its rows are called.
    """

    def __init__(self, ledger: LineFinder, fields: Fields) -> None:
        self._ledger: Final = ledger
        self._fields: Final = fields
        self._lines: Final[deque[PlannedLine]] = deque(maxlen=_RECENT)

    def note(self, line: PlannedLine) -> None:
        """Remember a line.

        Args:
            line: The line.
        """
        self._lines.append(line)

    async def explained(self, error: LedgerConflictError) -> LedgerConflictError:
        """Return the error for a row with other contents, with what they differ in if that is known.

        Args:
            error: The ledger's.
        """
        line = next((line for line in self._lines if line.key == error.key), None)
        stored = await self._ledger.find(error.key) if line is not None else None
        if line is None or stored is None:
            return error
        body = stored.body
        if stored.lines > 1:
            shared = (await self._ledger.packed([stored])).get(stored.seq, [])
            body = next((one.body for one in shared if one.key == error.key), "")
        differs = self._fields.differing(body, line.request) if body else ""
        return LedgerConflictError(f"{error.message}: {differs}") if differs else error
