"""Tells what happens to one run: sends events to the client's hooks, and leaves a note in the ledger."""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from xoxo_async.bulk.events import PenaltyMet, RunFailed, RunFinished, RunPaused, RunStarted
from xoxo_async.bulk.ledger.lines import Counts
from xoxo_async.bulk.ledger.overview import Penalty, RunNote
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.errors import LedgerError
from xoxo_async.hooks import Hook
from xoxo_async.notifying import notify

__all__ = ["RunEvents"]


class RunEvents:
    """The events of one run. There is a handful of them; those of single lines come from the recorder.

    Args:
        hooks: Receive the events.
        ledger: The ledger that the run works on.
        date: The clock of the note, in epoch seconds.
    """

    def __init__(self, hooks: Sequence[Hook], ledger: Ledger, date: Callable[[], float] = time.time) -> None:
        self._hooks: Final = hooks
        self._ledger: Final = ledger
        self._date: Final = date
        self._note: RunNote | None = None

    def started(self, counts: Counts, *, sends: bool) -> None:
        """Report that the run begins to work.

        Args:
            counts: The ledger's numbers at this moment.
            sends: Whether the run may place orders.
        """
        event = RunStarted(
            job=self._ledger.job or "",
            ledger=self._ledger.name,
            sends=sends,
            rows=counts.rows,
            not_sent=counts.not_sent,
            unknown=counts.unknown,
            issued=counts.issued,
            pending=counts.pending,
            rejected=counts.rejected,
        )
        notify(self._hooks, event)

    async def begin_note(self, interval_s: float) -> None:
        """Note in the ledger that a run began to send. A run that sends nothing leaves no note.

        Args:
            interval_s: Seconds between two of its orders; 0 without a limit.
        """
        rate = 60 / interval_s if interval_s > 0 else None
        self._note = RunNote(id=secrets.token_hex(4), began_at=round(self._date(), 3), rate=rate)
        await self._ledger.note_run(self._note)

    async def end_note(self, *, placed: int, end: str) -> None:
        """Note in the ledger how the run ended. A ledger that cannot be written keeps the note that the run began.

        Args:
            placed: Order lines that it placed, or found placed.
            end: Why it stopped early; empty if it did not.
        """
        if self._note is not None:
            with suppress(LedgerError):
                ended_at = round(self._date(), 3)
                await self._ledger.note_run(
                    msgspec.structs.replace(self._note, ended_at=ended_at, placed=placed, end=end)
                )

    def penalty(self, what: str, wait_s: float) -> None:
        """Report that the vendor holds the run back.

        Args:
            what: What is held back.
            wait_s: For how many seconds.
        """
        notify(self._hooks, PenaltyMet(what=what, wait_s=wait_s))
        if self._note is not None:
            met = Penalty(round(self._date(), 3), round(wait_s, 3), what)
            self._note = msgspec.structs.replace(self._note, penalties=(*self._note.penalties, met))

    def paused(self, pause: Pause) -> None:
        """Report that the run takes no more lines.

        Args:
            pause: Why.
        """
        notify(self._hooks, RunPaused(pause=pause))

    def finished(self, report: Report) -> None:
        """Report the end of the run.

        Args:
            report: What the run returns.
        """
        event = RunFinished(
            job=report.job,
            ledger=report.ledger,
            rows=report.rows,
            issued=report.issued,
            pending=report.pending,
            rejected=report.rejected,
            unknown=report.unknown,
            not_sent=report.not_sent,
            placed_now=report.placed_now,
            alarms=report.alarms_total,
            elapsed_s=report.elapsed_s,
            pause=report.pause,
        )
        notify(self._hooks, event)

    def failed(self, error: BaseException, *, placed_now: int, elapsed_s: float) -> None:
        """Report that the run ended with an error, or was cancelled.

        Args:
            error: What ended it.
            placed_now: Order lines that it placed before that.
            elapsed_s: Seconds that it took.
        """
        event = RunFailed(
            job=self._ledger.job or "",
            ledger=self._ledger.name,
            error=type(error).__name__,
            placed_now=placed_now,
            elapsed_s=elapsed_s,
        )
        notify(self._hooks, event)
