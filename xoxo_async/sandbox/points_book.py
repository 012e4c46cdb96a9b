"""The sandbox's books of points: who really got how many, by which call, and whether its answer came through."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

__all__ = ["BookedCredit", "Gift", "PointsBook"]


class BookedCredit(msgspec.Struct):
    """Points that one receiver got.

    Attributes:
        unique_id: The id of the credit.
        email: The receiver's e-mail address, as it was sent.
        name: The receiver's name.
        points: The number of points.
        citation: The reason, which the receiver reads.
        call: The number of the sendBalance call that made it, from 1. Calls that made nothing are not counted.
        sent_at: When it was made, in seconds since the epoch.
        answered: Whether an answer that told of it left the sandbox. False after a fault that loses the answer.
        cancelled: Whether it was cancelled.
        cancels: How many cancelBalance calls named it.
    """

    unique_id: int
    email: str
    name: str
    points: int
    citation: str
    call: int
    sent_at: float
    answered: bool = True
    cancelled: bool = False
    cancels: int = 0


class Gift(NamedTuple):
    """A receiver of points, as a request names it."""

    email: str
    name: str
    points: int
    citation: str


class PointsBook:
    """All credits of a sandbox.

    Args:
        keep: Writes an entry, of a kind that `replay` reads, into the file of the books.
        pay: Is called with each credit that is made or cancelled, the points that went out (or, below 0, came back),
            and the time in seconds since the epoch.
        clock: The time, in seconds since the epoch.
    """

    def __init__(
        self,
        keep: Callable[[str, object], None],
        pay: Callable[[BookedCredit, int, float], None],
        clock: Callable[[], float],
    ) -> None:
        self.credits: Final[dict[int, BookedCredit]] = {}
        self.given: int = 0
        self._keep: Final = keep
        self._pay: Final = pay
        self._clock: Final = clock
        self._totals: Final[dict[str, int]] = {}
        self._calls = 0

    def total(self, user: str) -> int:
        """Return the points of a user. The case of an address makes no difference."""
        return self._totals.get(user.casefold(), 0)

    def totals(self) -> dict[str, int]:
        """Return the points of all users that ever got any, by address in small letters."""
        return dict(self._totals)

    def send(self, gifts: Sequence[Gift], at: float) -> list[BookedCredit]:
        """Credit all receivers of one call, and return their credits."""
        made = [
            BookedCredit(9_000_001 + len(self.credits) + place, *gift, self._calls + 1, at)
            for place, gift in enumerate(gifts)
        ]
        self._add(made)
        self._keep("credits", made)
        return made

    def cancel(self, unique_id: int) -> bool:
        """Cancel a credit; return whether it was there and not cancelled before."""
        if unique_id not in self.credits:
            return False
        at = self._clock()
        self._keep("cancel", (unique_id, at))
        return self._cancel(unique_id, at)

    def lose(self, made: Sequence[BookedCredit]) -> None:
        """Note that the answer which should have told of these credits was lost."""
        for credit in made:
            credit.answered = False
        self._keep("credits_lost", [credit.unique_id for credit in made])

    def replay(self, kind: str, body: bytes) -> None:
        """Apply an entry of the file; entries of other books do nothing."""
        if kind == "credits":
            self._add(msgspec.json.decode(body, type=list[BookedCredit]))
        elif kind == "cancel":
            self._cancel(*msgspec.json.decode(body, type=tuple[int, float]))
        elif kind == "credits_lost":
            for unique_id in msgspec.json.decode(body, type=list[int]):
                self.credits[unique_id].answered = False

    def _add(self, made: Sequence[BookedCredit]) -> None:
        self._calls += 1
        for credit in made:
            self.credits[credit.unique_id] = credit
            self._move(credit, credit.points, credit.sent_at)

    def _cancel(self, unique_id: int, at: float) -> bool:
        credit = self.credits[unique_id]
        credit.cancels += 1
        if credit.cancelled:
            return False
        credit.cancelled = True
        self._move(credit, -credit.points, at)
        return True

    def _move(self, credit: BookedCredit, points: int, at: float) -> None:
        user = credit.email.casefold()
        self._totals[user] = self._totals.get(user, 0) + points
        self.given += points
        self._pay(credit, points, at)
