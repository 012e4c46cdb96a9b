"""The problems of rows: named by row and column, listed in order, and raised as one error."""

import bisect
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from xoxo_async.bulk.intake.text_lines import printable
from xoxo_async.errors import PlanError

__all__ = ["ProblemSink", "Problems", "RowProblem"]

_SHOWN: Final = 20


class RowProblem(NamedTuple):
    """One problem of one row.

    Attributes:
        row: The row's number.
        column: The column with the problem; empty where it is the whole row's.
        value: What stands in that column; None where nothing does.
        reason: What is wrong, in words.
        given: The row as it was given: values by column, not checked and not turned. It may hold personal data.
    """

    row: int
    column: str
    value: object
    reason: str
    given: Mapping[str, object]


ProblemSink = Callable[[RowProblem], object]
"""Takes every problem as it is found, in no order of rows. A thread may call it, but never two threads at once."""


class Problems:
    """Collects the problems of rows. It keeps the texts of the first twenty, by row number, and counts the rest.

    Args:
        sink: Takes every problem, for a caller who wants more than twenty.

    Attributes:
        total: How many problems there are; at most one for each column of a row.
        rows: How many rows have a problem. All problems of a row are noted before those of the next row.
        hint: What may have led to all of them, to follow an error message: another sheet was meant.
        titles: The names of columns in the file, by field, where they differ: a problem names the
            file's.
    """

    def __init__(self, sink: ProblemSink | None = None) -> None:
        self._sink: Final = sink
        self.total: int = 0
        self.rows: int = 0
        self.hint: str = ""
        self.titles: Final[dict[str, str]] = {}
        self._last_row = 0
        self._columns: Final[set[str]] = set()
        self._shown: Final[list[tuple[int, int, str]]] = []

    def add(
        self,
        row: int,
        what: str,
        *,
        column: str = "",
        key: str = "",
        value: object = None,
        given: Mapping[str, object] | None = None,
    ) -> None:
        """Note one problem.

        Args:
            row: The row's number.
            what: What is wrong there.
            column: The column with the problem; of each column only the first problem is kept. Empty: the whole row.
            key: The row's key, when the problem is the whole row's.
            value: What stands in the column, for the sink.
            given: The row as it was given, for the sink.
        """
        if row != self._last_row:
            self.rows, self._last_row = self.rows + 1, row
            self._columns.clear()
        if column and column in self._columns:
            return
        self._columns.add(column)
        self.total += 1
        title = self.titles.get(column, column)
        if self._sink is not None:
            self._sink(RowProblem(row, title, value, what, {} if given is None else given))
        if len(self._shown) < _SHOWN or row < self._shown[-1][0]:
            # Problems do not come in the order of rows: products are looked up after many rows have been read.
            where = f", column {printable(title)}" if column else f" (key {key})" if key else ""
            bisect.insort(self._shown, (row, self.total, f"row {row}{where}: {what}"))
            del self._shown[_SHOWN:]

    def add_unseen(self, rows: int) -> None:
        """Count rows with one problem each, of which no text is kept; no sink gets them.

        Args:
            rows: How many.
        """
        self.rows += rows
        self.total += rows

    def shown(self) -> tuple[str, ...]:
        """Return the first problems."""
        return tuple(text for _, _, text in self._shown)

    def listing(self) -> str:
        """Return the problems, one a line."""
        more = self.total - len(self._shown)
        lines = [f"  {problem}" for problem in self.shown()]
        return "\n".join([*lines, f"  … and {more} more"] if more else lines)

    def raise_if_any(self, source: str) -> None:
        """Raise `PlanError` when there is any problem.

        Args:
            source: What was read.
        """
        if self.total:
            raise PlanError(
                f"{source}: {self.total} problem{'s' if self.total > 1 else ''}, nothing was sent{self.hint}\n"
                f"{self.listing()}",
                problems=self.shown(),
                total=self.total,
            )
