"""The sandbox's books of links: which call made which, to whom they were mailed, and what its answer told."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

__all__ = ["BookedLinks", "LinksBook"]


class BookedLinks(msgspec.Struct):
    """The links that one call made.

    Attributes:
        call: The number of the call, from 1. Calls that made nothing are not counted.
        campaign_id: The campaign.
        links: The links.
        emails: The addresses they were mailed to, in the same order; empty for generateLink.
        answered: Of how many of them an answer told that left the sandbox: of all, or of fewer after a fault. For links
            that were mailed, the answer tells that they were mailed.
        worth: What they are worth, in INR.
        made_at: When they were made, in seconds since the epoch.
    """

    call: int
    campaign_id: int
    links: tuple[str, ...]
    emails: tuple[str, ...] = ()
    answered: int = 0
    worth: Decimal = Decimal(0)
    made_at: float = 0.0

    @property
    def batch_id(self) -> str:
        """The id that the answer of generateLink names."""
        return f"batch_{self.call:06d}"


class LinksBook:
    """All links of a sandbox.

    Args:
        seed: A part of each link.
        keep: Writes an entry, of a kind that `replay` reads, into the file of the books.
        pay: Is called with the links of each call.
    """

    def __init__(self, seed: int, keep: Callable[[str, object], None], pay: Callable[[BookedLinks], None]) -> None:
        self.batches: Final[list[BookedLinks]] = []
        self.made: int = 0
        self._seed: Final = seed
        self._keep: Final = keep
        self._pay: Final = pay

    def all(self) -> list[str]:
        """Return the links of all calls."""
        return [link for batch in self.batches for link in batch.links]

    def make(
        self, campaign_id: int, quantity: int, emails: Sequence[str] = (), *, worth: Decimal, at: float
    ) -> BookedLinks:
        """Make links in one call, and mail them if there are addresses."""
        links = tuple(f"https://claim.example.com/{self._seed}-{self.made + n:08d}" for n in range(quantity))
        call = len(self.batches) + 1
        batch = BookedLinks(call, campaign_id, links, tuple(emails), answered=quantity, worth=worth, made_at=at)
        self._add(batch)
        self._keep("links", batch)
        return batch

    def lose(self, batch: BookedLinks, told: int = 0) -> None:
        """Note that an answer told of only so many links of a call."""
        batch.answered = told
        self._keep("links_lost", (batch.call, told))

    def replay(self, kind: str, body: bytes) -> None:
        """Apply an entry of the file; entries of other books do nothing."""
        if kind == "links":
            self._add(msgspec.json.decode(body, type=BookedLinks))
        elif kind == "links_lost":
            call, told = msgspec.json.decode(body, type=tuple[int, int])
            self.batches[call - 1].answered = told

    def _add(self, batch: BookedLinks) -> None:
        self.batches.append(batch)
        self.made += len(batch.links)
        self._pay(batch)
