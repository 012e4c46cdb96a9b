"""Rows of any source as planned lines: each is checked once, and nobody is in them twice."""

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, runtime_checkable

import msgspec

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.bulk.intake.keys import check_key, derive_po_number
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.stream import in_thread
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import FirstKeys, FirstRows
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.unkeyed.sending import Body, Sending, digest_of, encode_body
from xoxo_async.errors import ConfigError

__all__ = ["KnownRows", "NewRow", "RowsFile", "UnkeyedRows"]

_NOT_SENT: Final = frozenset({LineState.CANCELLED, LineState.REJECTED})


@runtime_checkable
class RowsFile(Protocol):
    """A file of rows, as `OrdersFile` is one of orders: its rows are read, and their fields are not checked yet."""

    kept_choices: ReadingChoices
    """What an earlier file of the job had decided; the job sets it from its ledger."""

    key_column: str
    """The name of the column that names the rows."""

    @property
    def source(self) -> str:
        """The file's name, for messages."""
        ...

    @property
    def choices(self) -> ReadingChoices:
        """What a person decided about how it is read."""
        ...

    def rows(self, problems: Problems) -> Iterator[FileRow]:
        """Yield every row that can be read; `FileRow.fields` has the names of the row's struct, `kept` among them."""
        ...

    def recognised(self) -> str:
        """Return in words what was recognised in the file."""
        ...


class NewRow(NamedTuple):
    """One row that passed its check.

    Attributes:
        line: As it is planned.
        body: What the ledger keeps of it.
        given: The row as it was given: values by column.
    """

    line: PlannedLine
    body: Body
    given: Mapping[str, object]


class KnownRows:
    """The keys and recipients that a ledger holds: what has them in another form would be sent twice.

    Args:
        ledger: The ledger.
        sending: The kind of its rows.
    """

    def __init__(self, ledger: Ledger, sending: Sending) -> None:
        self._ledger: Final = ledger
        self._sending: Final = sending
        self._keys: Final = FirstKeys()
        self._exact: Final[set[str]] = set()
        self._persons: Final[dict[str, str]] = {}

    async def read(self) -> None:
        """Read every row of the ledger."""
        async for line in self._ledger.lines():
            if line.state in _NOT_SENT:
                continue
            self._keys.add(line.key, line.row)
            self._exact.add(line.key)
            if person := self._sending.person(self._sending.decode(line.body)):
                self._persons.setdefault(person, line.key)

    def refuses(self, row: NewRow, problems: Problems) -> bool:
        """Return whether the ledger has a row's key in another spelling, or its recipient under another key; note it.

        Args:
            row: The row.
            problems: Where it is noted.
        """
        key, number = row.line.key, row.line.row
        stored = self._keys.find(key)
        if stored is not None and key not in self._exact:
            what = f"{key!a} is planned already, in the spelling {stored!a}; give another row another key"
            problems.add(number, what, column="key", value=key, given=row.given)
            return True
        person = self._sending.person(row.body)
        other = self._persons.get(person) if person else None
        if other is not None and other != key:
            what = f"its recipient is in this ledger already, under the key {other!a}"
            problems.add(number, what, column="email", value=row.body.email, given=row.given)
            return True
        return False


class UnkeyedRows:
    """Checks one row after another, and compares each with the rows before it.

    Args:
        sending: The kind of the rows.
        job: The job's name.
        sink: Takes every problem of the rows.

    Attributes:
        problems: The bad rows.
    """

    def __init__(self, sending: Sending, job: str, sink: ProblemSink | None = None) -> None:
        self.problems: Final = Problems(sink)
        self._sending: Final = sending
        self._job: Final = job
        self._keys: Final = FirstKeys()
        self._persons: Final = FirstRows()

    def read(self, rows: RowsFile | Iterable[msgspec.Struct] | AsyncIterable[msgspec.Struct]) -> AsyncIterator[NewRow]:
        """Return the good rows of any source that repeat no earlier row. A thread reads files and other iterables.

        Args:
            rows: A file, or a sync or async iterable of rows.
        """
        if isinstance(rows, RowsFile):
            return in_thread(self._new(map(self._from_file, rows.rows(self.problems))))
        if isinstance(rows, AsyncIterable):
            return self._streamed(rows)
        return in_thread(self._new(itertools.starmap(self._from_python, enumerate(rows, 1))))

    async def _streamed(self, rows: AsyncIterable[msgspec.Struct]) -> AsyncIterator[NewRow]:
        number = 0
        async for one in rows:
            number += 1
            for row in self._new((self._from_python(number, one),)):
                yield row

    def _from_file(self, row: FileRow) -> NewRow | None:
        return self._checked(row.number, row.fields, row.key_column, row.given or row.fields)

    def _from_python(self, number: int, row: object) -> NewRow | None:
        if not isinstance(row, self._sending.row):
            wanted = self._sending.row.__name__
            self.problems.add(number, f"is a {type(row).__name__}, not a {wanted}", given={"": row})
            return None
        fields = msgspec.structs.asdict(row)
        return self._checked(number, fields, "key", fields)

    def _checked(
        self, number: int, fields: Mapping[str, object], key_column: str, given: Mapping[str, object]
    ) -> NewRow | None:
        """Check every field of a row; note each problem by row and column."""
        bad: list[str] = []

        def report(column: str, error: ConfigError) -> None:
            bad.append(column)
            where = error.column if isinstance(error, KeptColumnError) else key_column if column == "key" else column
            what = error.message.removeprefix(f"{column} ")
            self.problems.add(number, what, column=where, value=fields.get(column), given=given)

        key, kept = fields.get("key"), fields.get("kept")
        try:
            check_key("" if key is None else key)
        except ConfigError as error:
            report("key", error)
        try:
            check_kept("kept", kept)
        except ConfigError as error:
            report("kept", error)
        own = {name: value for name, value in fields.items() if name not in {"key", "kept"}}
        body = self._sending.body(own, report)
        if bad or body is None or not isinstance(key, str):
            return None
        request = encode_body(body)
        line = PlannedLine(
            key=key,
            po_number=f"{self._sending.kind.value}:{derive_po_number(self._job, key)}",
            digest=digest_of(request),
            request=request,
            row=number,
            worth=self._sending.worth(body),
            pieces=body.quantity,
            kept=encode_kept(kept) if isinstance(kept, Mapping) and kept else "",
        )
        return NewRow(line, body, given)

    def _new(self, rows: Iterable[NewRow | None]) -> Iterator[NewRow]:
        """Yield the good rows whose key and recipient no earlier row has."""
        for row in rows:
            if row is not None and self._is_new(row):
                yield row

    def _is_new(self, row: NewRow) -> bool:
        key, number = row.line.key, row.line.row
        if (earlier := self._keys.add(key, number)) is not None:
            first, spelling = earlier
            what = f"{key} is in row {first} already"
            if spelling != key:
                what = f"{key!a} is in row {first} already, in the spelling {spelling!a}"
            self.problems.add(number, what, column="key", value=key, given=row.given)
            return False
        person = self._sending.person(row.body)
        first_row = self._persons.first(person, number) if person else number
        if first_row != number:
            what = f"its recipient is in row {first_row} already"
            self.problems.add(number, what, column="email", value=row.body.email, given=row.given)
            return False
        return True
