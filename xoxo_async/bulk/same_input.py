"""Recognise a file that was planned before, so that a run with nothing left does not read a million rows again."""

import hashlib
from typing import Final

import anyio.to_thread
import msgspec

from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.ledger.facts import INPUT
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.settings import Settings
from xoxo_async.version import __version__

__all__ = ["SameInput"]

_ENDED: Final = frozenset({LineState.PLACED, LineState.REJECTED, LineState.CANCELLED, LineState.MANUAL})
"""The states of lines that no plan changes."""


class SameInput:
    """The file of one plan, compared with the file of the ledger's last plan.

    A plan keeps a hash of its file's bytes, of how they were read, and of this version of the SDK, in the transaction
    that adds the rows. So the same hash means that the ledger has every row of the file. It is kept only of a plan in
    which no row was left out and none was warned about: the next plan would have to say so again.

    Args:
        orders: What is planned; anything but a file is never the same.
        settings: How rows are checked.
        notify: Whether the vendor mails the codes of every row.
    """

    def __init__(self, orders: object, settings: Settings, *, notify: bool) -> None:
        self._file: Final = orders if isinstance(orders, RowsFile) else None
        self._settings: Final = settings
        self._notify: Final = notify

    async def has_ended(self, ledger: Ledger, counts: Counts) -> str | None:
        """Return what was recognised in the file if the ledger has planned it and every line has ended, otherwise None.

        Then a plan would change nothing.

        Args:
            ledger: The ledger.
            counts: Its counts.
        """
        if self._file is None or not counts.rows or any(counts.states.get(state) for state in set(LineState) - _ENDED):
            return None
        mark, _, recognised = (await ledger.get_fact(INPUT) or "").partition(" ")
        if not mark:
            return None
        contents = await anyio.to_thread.run_sync(self._file.hash_contents)
        return recognised if mark == self._mark(contents) else None

    def facts(self, totals: PlanTotals) -> dict[str, str]:
        """Return the fact that a plan keeps about its file, once its last row is read.

        Args:
            totals: What the rows add up to.
        """
        if self._file is None or not self._file.contents or totals.skipped or totals.warned:
            return {INPUT: ""}
        return {INPUT: f"{self._mark(self._file.contents)} {self._file.recognised()}"}

    def _mark(self, contents: str) -> str:
        if self._file is None or not contents:
            return ""
        settings = self._settings
        how = (settings.check, settings.skip_invalid, settings.pack, self._notify)
        named = (__version__, contents, self._file.format, self._file.choices.to_json(), how)
        return hashlib.sha256(msgspec.json.encode(named)).hexdigest()
