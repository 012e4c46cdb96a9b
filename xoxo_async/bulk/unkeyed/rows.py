"""Rows of any source as planned lines: each is checked once, and nobody is in them twice."""

from collections.abc import AsyncIterable, Iterable, Mapping
from shlex import quote
from typing import Final, NamedTuple, TypeVar

import msgspec

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.bulk.intake.keys import check_key, derive_po_number
from xoxo_async.bulk.intake.people import MAY_BE, People
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.intake.streaming import Rows, stream
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import OtherSpellings, RepeatedKeys
from xoxo_async.bulk.ledger.facts import PERSONS
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.unkeyed.rows_files import row_kind
from xoxo_async.bulk.unkeyed.sending import Body, Sending, digest_of, encode_body
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["PERSONS_RULE", "KnownRows", "NewRow", "require_no_twins", "rows_of"]

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
PERSONS_RULE: Final = "2"
"""The rule by which persons are compared. By the first one two spellings of a domain were two people."""
_NAMED: Final = 20
_NAMING: Final = frozenset({"key", "kept"})
"""The fields of a row that no call has."""


class KnownRows:
    """The keys and recipients that a ledger holds: what has them in another form would be sent twice.

    A recipient whose row was refused, or whose points were cancelled, may come under another key: with another amount,
    for example.

    Args:
        ledger: The ledger.
        sending: The kind of its rows.

    Attributes:
        twins: The keys of planned rows for somebody who has another row, each with the key of that row. Only an older
            version can have planned both: to it, two spellings were two people.
    """

    def __init__(self, ledger: Ledger, sending: Sending) -> None:
        self.twins: Final[dict[str, str]] = {}
        self._sending: Final = sending
        self._spellings: Final = OtherSpellings(ledger, self._note)
        self._people: Final = People()
        self._keys: Final[list[str]] = []
        self._unsent: Final = bytearray()
        self._held: frozenset[str] = frozenset()

    async def read(self) -> None:
        """Read every row of the ledger; see `OtherSpellings.read`."""
        await self._spellings.read()
        self._held = frozenset(self._keys)

    def _note(self, line: LedgerLine) -> None:
        if line.state is LineState.REJECTED or line.delivery is Delivery.CANCELLED:
            return
        self._keys.append(line.key)
        self._unsent.append(line.state is LineState.PLANNED)
        for person in self._sending.persons(self._sending.decode(line.body)):
            first = self._people.first(person, len(self._keys))
            if first is not None and first.is_sure:
                other = self._keys[first.row - 1]
                if line.state is LineState.PLANNED:
                    self.twins[line.key] = other
                elif self._unsent[first.row - 1]:
                    self.twins[other] = line.key

    async def refuses(self, row: NewRow, problems: Problems) -> bool:
        """Return whether the ledger has a row's key in another spelling, or its recipient under another key; note it.

        Args:
            row: The row.
            problems: Where it is noted.
        """
        if await self._spellings.refuses(row, problems):
            return True
        if row.line.key in self._held:
            return False  # no new row: an older version may have planned it beside another spelling of its person
        for person in self._sending.persons(row.body):
            first = self._people.first(person, 0)
            if first is not None:
                what = f"its recipient is in this ledger already, under the key {self._keys[first.row - 1]!a}"
                if not first.is_sure:
                    what = f"{what.replace(' is ', ' may be ', 1)}: {_MAY_BE}"
                _note(problems, row, person.column, what)
                return True
        return False


async def require_no_twins(ledger: Ledger, sending: Sending) -> None:
    """Refuse to send two planned rows to one person; a ledger is read once for it, and has a note of it then.

    Args:
        ledger: The ledger.
        sending: The kind of its rows.

    Raises:
        PlanError: Rows that an older version planned are for one person in two spellings.
    """
    if await ledger.get_fact(PERSONS) == PERSONS_RULE:
        return
    known = KnownRows(ledger, sending)
    await known.read()
    if known.twins:
        (key, other), *_ = known.twins.items()
        keys = " ".join(quote(one) for one in list(known.twins)[:_NAMED])
        more = f" and {len(known.twins) - _NAMED:,} more" if len(known.twins) > _NAMED else ""
        rows = "1 planned row" if len(known.twins) == 1 else f"{len(known.twins):,} planned rows"
        raise PlanError(
            f"{rows} would serve somebody a second time: the row {key!a} is for the person of the row {other!a}, in"
            f" another spelling; nothing was sent. Withdraw them: `xoxo bulk withdraw --ledger {quote(ledger.name)}"
            f" --reason 'one person' {keys}`{more}"
        )
    await ledger.set_fact(PERSONS, PERSONS_RULE)


def _note(problems: Problems, row: NewRow, column: str, what: str) -> None:
    """Note that a row repeats a person, under the file's own name of the column."""
    value = row.given.get(problems.titles.get(column, column))
    problems.add(row.number, what, column=column, value=value, given=row.given)
