"""The bound on refused rows: a job whose rows are refused too often pauses, before a mistake goes through all of it."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from typing import Final, Protocol

from xoxo_async.bulk.ledger.lines import Counts, Evidence, LedgerLine, LineState
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.stopping import StopSignal

__all__ = ["RefusalBound", "RefusalWatch"]

_FEWEST_SETTLED: Final = 20
_FEWEST_REFUSED: Final = 2
"""A share says nothing before some rows are settled: the first refused row of a job may be all that is settled."""


class RefusalBound:
    """How many rows of a job may be refused: a number, or a share of the rows that are settled so far.

    Args:
        most: A number, a share such as `5%`, or None for no bound.
    """

    def __init__(self, most: int | str | None) -> None:
        self._text: Final = "" if most is None else str(most)
        self._most: Final = most if isinstance(most, int) else None
        self._percent: Final = Decimal(most.rstrip("%")) if isinstance(most, str) else None

    def __bool__(self) -> bool:
        return bool(self._text)

    def passed(self, refused: int, settled: int) -> bool:
        """Return whether more rows were refused than may be.

        Args:
            refused: Rows that were refused for certain.
            settled: Those, and the rows whose order is placed.
        """
        if self._percent is not None:
            enough = refused >= _FEWEST_REFUSED and settled >= _FEWEST_SETTLED
            return enough and 100 * refused > self._percent * settled
        return self._most is not None and refused > self._most

    def reason(self, refused: int, settled: int, *, ended: tuple[int, int] | None = None) -> str:
        """Return why the job pauses, and what a person does about it.

        Args:
            refused: Rows that were refused for certain.
            settled: Those, and the rows whose order is placed.
            ended: The same two numbers at the end of the run, where they are within the bound again.
        """
        were = "row was" if refused == 1 else "rows were"
        begin = f"{refused:,} {were} refused{self._share(refused, settled)}, and max_errors allows {self._text}"
        if ended is not None:
            return f"{begin}; at the end of the run {ended[0]:,}{self._share(*ended)}: see why, then go on"
        return f"{begin}: see why, then go on with a greater max_errors, or with none"

    def _share(self, refused: int, settled: int) -> str:
        if self._percent is None or not settled:
            return ""
        # Rounded up, so that no share over the bound reads like one within it.
        share = (Decimal(100) * refused / settled).quantize(Decimal("0.1"), ROUND_CEILING)
        return f", {share}% of the {settled:,} settled ones"


class Counting(Protocol):
    """The method of a ledger that counts."""

    async def counts(self) -> Counts:
        """Return the ledger in numbers."""
        ...


class RefusalWatch:
    """Stops a run once the refused rows of its job pass the bound. It counts those of other workers and runs, too.

    Requests in flight end, so a few more rows than the bound may be refused.

    Args:
        ledger: The ledger; it is read when the bound may be passed.
        stop: Set when it is.
        bound: The bound.
        shared: Whether other workers settle rows of the job: then it reads the ledger after each refusal. Whoever is
            the last to record one sees all of them.
    """

    def __init__(self, ledger: Counting, stop: StopSignal, bound: RefusalBound, *, shared: bool) -> None:
        self._ledger: Final = ledger
        self._stop: Final = stop
        self._bound: Final = bound
        self._shared: Final = shared
        self._refused = self._settled = 0
        self._passed_at: tuple[int, int] | None = None

    def begin(self, counts: Counts) -> None:
        """Take the numbers of the job, and stop the run if the bound is passed.

        Args:
            counts: The ledger's.
        """
        self._refused, self._settled = _numbers(counts)
        if self._bound.passed(self._refused, self._settled):
            self._passed_at = (self._refused, self._settled)
            self._stop.stop(Pause.REFUSALS, self._bound.reason(self._refused, self._settled))

    def reason(self, counts: Counts) -> str:
        """Return why the run paused, with the numbers of its end: requests in flight have ended since.

        They may have been placed, and then the share of the refused ones is within the bound again.

        Args:
            counts: The ledger's.
        """
        refused, settled = _numbers(counts)
        if self._passed_at is None or self._bound.passed(refused, settled):
            return self._bound.reason(refused, settled)
        return self._bound.reason(*self._passed_at, ended=(refused, settled))

    async def settled(self, lines: Iterable[LedgerLine]) -> None:
        """Count lines that were just recorded; read the ledger if the bound may be passed now.

        Args:
            lines: The lines as they stand. One may be there twice, so the ledger has the last word.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        if not self._bound or self._stop.pause:
            return
        refused, placed = 0, LineState.PLACED
        for line in lines:
            if line.state is placed:  # one whose codes came now was settled before
                self._settled += line.lines if line.evidence != Evidence.DELIVERY_SEEN else 0
            elif line.state is LineState.REJECTED and line.lines == 1:  # the lines of a refused pack are sent alone
                refused += 1
        self._refused += refused
        self._settled += refused
        # A share begins to count with the row that makes the settled ones enough, which need not be a refused one.
        if (refused and self._shared) or self._bound.passed(self._refused, self._settled):
            self.begin(await self._ledger.counts())


def _numbers(counts: Counts) -> tuple[int, int]:
    """Return how many rows were refused, and how many are settled."""
    return counts.rejected, counts.rejected + counts.issued + counts.pending
