"""One decided change of a line, with its journal row, as a store writes it."""

from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import Change, LedgerLine

__all__ = ["ALARM", "Move"]

ALARM: Final = "!"
"""The journal's transition of an alarm."""


class Move(msgspec.Struct, frozen=True, gc=False):
    """A line before and after a decision, with the facts for its journal row.

    A store writes `after` only where the stored line is unchanged since `before` was read; otherwise it writes nothing
    of the transaction. Where several may write at once, state and epoch do not tell that: a look-up, and a row that
    becomes unwanted, change neither, and one written over the other would have the row sent again. Such a store keeps a
    revision with each line, raises it with each write, and compares that.

    Attributes:
        before: The line as it was.
        after: The line as it is; the same one where a fact moved nothing.
        transition: The row of the table (`T3`), `-` for a fact that moved nothing, or `ALARM`.
        evidence: The fact.
        order_id: The order that the fact names.
        error_id: The refusal's error id.
        reason: A person's reason, or the refusal in words.
    """

    before: LedgerLine
    after: LedgerLine
    transition: str
    evidence: str
    order_id: int | None
    error_id: str
    reason: str

    @classmethod
    def of(cls, before: LedgerLine, after: LedgerLine, transition: str, change: Change, reason: str = "") -> "Move":
        """Return the move that a fact made.

        Args:
            before: The line as it was.
            after: The line as it is.
            transition: The row of the table.
            change: The fact.
            reason: For the journal; by default the fact's own reason or error.
        """
        why = reason or change.reason or change.error
        return cls(before, after, transition, change.evidence._value_, change.order_id, change.error_id, why)

    @property
    def loses_order(self) -> bool:
        """Whether the line loses its order: then the codes of that order are not its own."""
        return self.before.order_id is not None and self.after.order_id != self.before.order_id
