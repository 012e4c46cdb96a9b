"""A round of look-ups: its result, and the protocol for the object that makes one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.ledger.lines import Change, LedgerLine
from xoxo_async.errors import XoxoError

__all__ = ["LookUpRounds", "Round"]


class Round(NamedTuple):
    """The result of one round of look-ups.

    Attributes:
        changes: The facts to record.
        failed: The lines whose look-up failed for a reason of their own, and the error of each.
    """

    changes: list[Change]
    failed: list[tuple[LedgerLine, XoxoError]]


class LookUpRounds(Protocol):
    """Makes look-ups of many lines; see `LookUps`."""

    @property
    def failure(self) -> XoxoError | None:
        """The error of the last look-up that failed."""
        ...

    @property
    def pause(self) -> Pause:
        """Why look-ups were given up, empty when they were not."""
        ...

    @property
    def reason(self) -> str:
        """The same in words."""
        ...

    @property
    def quiet_until(self) -> float:
        """No line is looked up before this time, by the ledger's clock."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether no further look-up should be made."""
        ...

    def begin(self) -> None:
        """Restart the pause limit."""
        ...

    async def make(self, lines: Sequence[LedgerLine], look: Callable[[LedgerLine], Awaitable[Change | None]]) -> Round:
        """Look up every line once."""
        ...
