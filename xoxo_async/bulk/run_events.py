"""Sends the events of one run to the client's hooks."""

from collections.abc import Sequence
from typing import Final

from xoxo_async.bulk.events import Pause, PenaltyMet, RunFailed, RunFinished, RunPaused, RunStarted
from xoxo_async.bulk.ledger.lines import Counts
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.report import Report
from xoxo_async.hooks import Hook, notify

__all__ = ["RunEvents"]


class RunEvents:
    """The events of one run. There is a handful of them; those of single lines come from the recorder.

    Args:
        hooks: Receive the events.
        ledger: The ledger that the run works on.
    """

    def __init__(self, hooks: Sequence[Hook], ledger: Ledger) -> None:
        self._hooks: Final = hooks
        self._ledger: Final = ledger

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
        )
        notify(self._hooks, event)

    def penalty(self, what: str, wait_s: float) -> None:
        """Report that the vendor holds the run back.

        Args:
            what: What is held back.
            wait_s: For how many seconds.
        """
        notify(self._hooks, PenaltyMet(what=what, wait_s=wait_s))

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
