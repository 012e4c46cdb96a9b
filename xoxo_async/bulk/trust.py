"""Decide whether planned rows of a ledger may have been sent after all.

A ledger that replaces a lost one, and a copy or an older state of a ledger, may lack the record of some sends. Then
every planned row is looked up before it is sent (T15 of the ledger's table).
"""

from typing import Final

from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["Trust"]

_RESTORED: Final = "a person said that this ledger replaces another one"
_COPIED: Final = "its file is a copy, or an older state of it"


class Trust:
    """Put the planned rows of a ledger in doubt if they may have been sent; once for an issuer.

    Args:
        ledger: The ledger.
        restore: Whether a person says that the ledger replaces a lost one, or is an older copy of one.
    """

    def __init__(self, ledger: Ledger, *, restore: bool) -> None:
        self._ledger: Final = ledger
        self._restore: Final = restore
        self._done = False

    @property
    def reason(self) -> str:
        """Why the ledger may lack sends of its planned rows; empty if it lacks none."""
        if self._restore:
            return _RESTORED
        return _COPIED if self._ledger.copied else ""

    @property
    def foreign_orders(self) -> bool:
        """Whether the vendor's order for such a row may belong to another ledger."""
        return not self._restore and not self._ledger.older

    def planned(self, reason: str) -> None:
        """Note that a plan has put the rows in doubt already, in its own transaction.

        Args:
            reason: The reason in the plan; empty if the plan put nothing in doubt.
        """
        self._done = self._done or bool(reason)

    async def doubt_planned_rows(self) -> None:
        """Put planned rows in doubt if they may have been sent, unless that is done already.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        reason = self.reason
        # A shared ledger may become `copied` again: a person says so of its database.
        if reason and (self._ledger.copied or not self._done):
            await self._ledger.restored(reason=reason, copied=self.foreign_orders)
            self._done = True
