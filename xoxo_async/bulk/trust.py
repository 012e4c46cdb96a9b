"""Whether a ledger can be trusted to know which of its planned rows were sent.

A ledger that replaces a lost one, and a copy or an older state of a ledger, may have forgotten that rows were sent.
Then every planned row is looked up before it is sent (T15 of the ledger's table).
"""

from typing import Final

from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["Trust"]

_RESTORED: Final = "a person said that this ledger replaces another one"
_COPIED: Final = "its file is a copy, or an older state of it"


class Trust:
    """Put the planned rows of a ledger in doubt where that is needed, once for an issuer.

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
        """Why the ledger may have forgotten that it sent its planned rows; empty where it has not."""
        if self._restore:
            return _RESTORED
        return _COPIED if self._ledger.copied else ""

    @property
    def foreign_orders(self) -> bool:
        """Whether an order that the vendor has of such a row may be the order of another ledger."""
        return not self._restore and not self._ledger.older

    def planned(self, reason: str) -> None:
        """Note that a plan has put the rows in doubt already, in its own transaction.

        Args:
            reason: The reason that was given with the plan; empty where it put nothing in doubt.
        """
        self._done = self._done or bool(reason)

    async def doubt_planned_rows(self) -> None:
        """Put planned rows in doubt where the ledger is not trusted, unless that is done already.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        reason = self.reason
        if reason and not self._done:
            await self._ledger.restored(reason=reason, copied=self.foreign_orders)
            self._done = True
