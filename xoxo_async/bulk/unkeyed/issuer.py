"""`UnkeyedIssuer`: plan, send, settle and report a job of calls without a key. Running it again does what is left."""

from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from xoxo_async.bulk.deciding import Decision, Resolved
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.unkeyed.totals import UnkeyedTotals

__all__ = ["RowsFile", "UnkeyedApproval", "UnkeyedIssuer"]

Row = TypeVar("Row", bound=msgspec.Struct)

UnkeyedApproval = Callable[[UnkeyedTotals], Awaitable[None]]
"""Is awaited with what would be sent now, before the plan is durable; an error that it raises undoes the plan."""


class RowsFile(Protocol):
    """A file of rows, as `OrdersFile` is one of orders: its rows are read, and their fields are not checked yet."""

    @property
    def source(self) -> str:
        """The file's name, for messages."""
        ...

    @property
    def choices(self) -> ReadingChoices:
        """What a person decided about how it is read."""
        ...

    kept_choices: ReadingChoices
    """What an earlier file of the job had decided; the job sets it from its ledger."""

    key_column: str
    """The name of the column that names the rows."""

    def rows(self, problems: Problems) -> Iterator[FileRow]:
        """Yield every row that can be read; `FileRow.fields` has the names of the row's struct, `kept` among them."""
        ...

    def recognised(self) -> str:
        """Return in words what was recognised in the file."""
        ...


class UnkeyedIssuer(Generic[Row]):
    """A job of calls without a key. `BulkPoints`, `BulkLinks` and `BulkLinkMails` are its kinds."""

    @property
    def progress(self) -> Progress:
        """What the current or the last run has done so far."""
        raise NotImplementedError

    def stop(self, reason: str = "interrupted") -> None:
        """Take no more rows. Calls in flight end and are recorded, then the run returns its report."""
        raise NotImplementedError

    async def run(
        self,
        rows: RowsFile | Iterable[Row] | AsyncIterable[Row],
        *,
        approve: UnkeyedApproval | None = None,
        problems: ProblemSink | None = None,
    ) -> Report:
        """Plan all rows, then send what is not sent yet."""
        raise NotImplementedError

    async def plan(
        self,
        rows: RowsFile | Iterable[Row] | AsyncIterable[Row],
        *,
        approve: UnkeyedApproval | None = None,
        problems: ProblemSink | None = None,
    ) -> UnkeyedTotals:
        """Write all rows into the ledger as planned, or none. Moves no money."""
        raise NotImplementedError

    async def outlook(self) -> UnkeyedTotals:
        """Return what `resume` would send now, added up."""
        raise NotImplementedError

    async def resume(self) -> Report:
        """Send the planned rows of the ledger."""
        raise NotImplementedError

    async def withdraw(self, keys: Collection[str] | None, *, reason: str) -> int:
        """Cancel rows that were never sent, all or none. Moves no money, and makes no call."""
        raise NotImplementedError

    async def rebind(self, *, reason: str) -> None:
        """Bind the ledger to this client's account and address, on a person's word."""
        raise NotImplementedError

    async def resolve(self, key: str, decision: Decision) -> Resolved:
        """Record a person's decision about one row: placed (with or without an id), to be sent again, or rejected."""
        raise NotImplementedError
