"""Rows of any source as planned lines: each is checked once, and nobody is in them twice."""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.bulk.intake.keys import check_key, derive_po_number
from xoxo_async.bulk.intake.lost_zeros import LostZeros
from xoxo_async.bulk.intake.people import MAY_BE, People
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.intake.streaming import Rows, stream
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import OtherSpellings, RepeatedKeys
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.unkeyed.rows_files import row_kind
from xoxo_async.bulk.unkeyed.sending import Body, Sending, digest_of, encode_body
from xoxo_async.errors import ConfigError

__all__ = ["KnownRows", "NewRow", "rows_of"]

LineT = TypeVar("LineT", bound=msgspec.Struct)


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

    @property
    def number(self) -> int:
        """The row's number in the input."""
        return self.line.row


def rows_of(
    lines: RowsFile[LineT] | Iterable[LineT] | AsyncIterable[LineT],
    sending: Sending,
    job: str,
    sink: ProblemSink | None = None,
) -> Rows[NewRow]:
    """Return any source of lines as one stream of checked rows.

    A row that has the key of an earlier one is a problem, and so is one for the same person: nothing would prove later
    which of two credits for one address a lost answer was about. Of each row only its key and hashes are kept.

    Args:
        lines: A file, or a sync or async iterable of lines.
        sending: The kind of the job: it checks the fields of a row, and names its person.
        job: The job's name.
        sink: Takes every problem of the rows.
    """
    return stream(lines, _Intake(sending, job, sink))


class _Intake:
    """Checks one row after another, and compares each with the rows before it."""

    def __init__(self, sending: Sending, job: str, sink: ProblemSink | None) -> None:
        self.many: Final = row_kind(sending.row).many
        self.problems: Final = Problems(sink)
        self.warnings: Final = Problems()
        self._sending: Final = sending
        self._job: Final = job
        self._keys: Final = RepeatedKeys()
        self._people: Final = People()
        self._zeros: Final = LostZeros(self.warnings)

    def from_file(self, row: FileRow) -> NewRow | None:
        """Check a row of a file."""
        return self._checked(row.number, row.fields, row.given, row.key_column)

    def from_python(self, number: int, line: object) -> NewRow | None:
        """Check an item of an iterable; any object may stand there."""
        kind = self._sending.row
        if not isinstance(line, kind):
            self.problems.add(number, f"is a {type(line).__name__}, not a {kind.__name__}", given={"": line})
            return None
        fields = msgspec.structs.asdict(line)
        return self._checked(number, fields, fields, "key")

    def is_new(self, row: NewRow) -> bool:
        """Return whether a row has a key and a person of its own; note what it repeats."""
        if not self._keys.is_new(row, self.problems):
            return False
        for person in self._sending.persons(row.body):
            first = self._people.first(person, row.number)
            if first is not None:
                add_up = "add the two up, or " if self._sending.kind is JobKind.POINTS else ""
                what = f"is in row {first.row} already: one row a person, so {add_up}leave one out"
                if not first.is_sure:
                    what = f"may be that of row {first.row}: {_MAY_BE}"
                _note(self.problems, row, person.column, what)
                return False
        self._zeros.note(row.line.key, row.number)
        return True

    def _checked(
        self, number: int, fields: Mapping[str, object], given: Mapping[str, object], key_column: str
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
        body = self._sending.body({name: value for name, value in fields.items() if name not in _NAMING}, report)
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


_MAY_BE: Final = f"{MAY_BE}. If they are two people, write both with + and the country code, or leave the phone out"
_NAMING: Final = frozenset({"key", "kept"})
"""The fields of a row that no call has."""


class KnownRows:
    """The keys and recipients that a ledger holds: what has them in another form would be sent twice.

    A recipient whose row was refused, or whose points were cancelled, may come under another key: with another amount,
    for example. So one recipient may have two rows, and a person may find later that the first was sent as well. A row
    that the ledger holds is accepted, since it is not planned again.

    Args:
        ledger: The ledger.
        sending: The kind of its rows.
    """

    def __init__(self, ledger: Ledger, sending: Sending) -> None:
        self._ledger: Final = ledger
        self._sending: Final = sending
        self._spellings: Final = OtherSpellings(ledger, self._note)
        self._people: Final = People()
        self._keys: Final[list[str]] = []

    async def read(self) -> None:
        """Read every row of the ledger; see `OtherSpellings.read`."""
        await self._spellings.read()

    def _note(self, line: LedgerLine) -> None:
        if line.state is LineState.REJECTED or line.delivery is Delivery.CANCELLED:
            return
        self._keys.append(line.key)
        for person in self._sending.persons(self._sending.decode(line.body)):
            self._people.first(person, len(self._keys))

    async def refuses(self, row: NewRow, problems: Problems) -> bool:
        """Return whether the ledger has a row's key in another spelling, or its recipient under another key; note it.

        Args:
            row: The row.
            problems: Where it is noted.
        """
        if await self._spellings.refuses(row, problems):
            return True
        for person in self._sending.persons(row.body):
            first = self._people.first(person, 0)
            key = row.line.key if first is None else self._keys[first.row - 1]
            if first is not None and key != row.line.key:
                if await self._holds(row.line.key):
                    return False
                what = f"its recipient is in this ledger already, under the key {key!a}"
                if not first.is_sure:
                    what = f"{what.replace(' is ', ' may be ', 1)}: {_MAY_BE}"
                _note(problems, row, person.column, what)
                return True
        return False

    async def _holds(self, key: str) -> bool:
        """Return whether the ledger has a row with a key; one that was withdrawn is planned anew."""
        line = await self._ledger.find(key)
        return line is not None and line.state is not LineState.CANCELLED


def _note(problems: Problems, row: NewRow, column: str, what: str) -> None:
    """Note that a row repeats a person, under the file's own name of the column."""
    value = row.given.get(problems.titles.get(column, column))
    problems.add(row.number, what, column=column, value=value, given=row.given)
