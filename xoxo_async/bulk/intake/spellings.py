"""The keys that a ledger holds under another spelling than a new row has: one key, and never two orders."""

from typing import Final

from xoxo_async.bulk.intake.keys import folded
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["OddSpellings"]

_CHUNK: Final = 500


class OddSpellings:
    """The keys of a ledger whose spelling is not the form in which keys are compared; hardly any ledger has one.

    Args:
        ledger: The ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger: Final = ledger
        self._odd: Final[dict[str, str]] = {}

    async def read(self) -> None:
        """Look at every key that the ledger holds; a million take some two seconds."""
        shared: list[LedgerLine] = []
        async for line in self._ledger.lines():
            self._note(line.key)
            if line.lines > 1:
                shared.append(line)
            if len(shared) == _CHUNK:
                await self._note_packed(shared)
                shared = []
        await self._note_packed(shared)

    async def _note_packed(self, orders: list[LedgerLine]) -> None:
        for rows in (await self._ledger.packed(orders)).values():
            for row in rows:
                self._note(row.key)

    def _note(self, key: str) -> None:
        plain = folded(key)
        if plain != key:
            self._odd[plain] = key

    async def other(self, key: str) -> str | None:
        """Return the spelling under which the ledger holds a key; None when it is this one, or there is none.

        Args:
            key: The key of a row that is to be planned.
        """
        plain = folded(key)
        stored = self._odd.get(plain)
        if stored is None and plain != key and await self._ledger.find(plain) is not None:
            stored = plain
        return stored if stored != key else None
