"""Lines of a job without a key from any source, as one stream of checked rows that repeat nobody."""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.bulk.intake.keys import check_key
from xoxo_async.bulk.intake.persons import same_phone
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.intake.streaming import Rows, stream
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import FirstRows, RepeatedKeys
from xoxo_async.bulk.unkeyed.rows_files import row_kind
from xoxo_async.bulk.unkeyed.sending import Body, Sending
from xoxo_async.errors import ConfigError

__all__ = ["NamedRow", "UnkeyedRow", "rows_of"]

LineT = TypeVar("LineT", bound=msgspec.Struct)


class NamedRow(NamedTuple):
    """What names a row and rides along with it.

    Attributes:
        key: The caller's key.
        kept: The columns that ride along.
    """

    key: str
    kept: Mapping[str, str]


class UnkeyedRow(NamedTuple):
    """One row that passed its check.

    Attributes:
        number: The row's number in the input, from 1.
        line: What names the row and rides along with it.
        body: What the ledger keeps of it, and what its call is made of.
        phone: The phone of its person, in the form in which phones are compared; empty for none.
        given: The row as it was given: values by column.
    """

    number: int
    line: NamedRow
    body: Body
    phone: str
    given: Mapping[str, object]


def rows_of(
    lines: RowsFile[LineT] | Iterable[LineT] | AsyncIterable[LineT], sending: Sending, sink: ProblemSink | None = None
) -> Rows[UnkeyedRow]:
    """Return any source of lines as one stream of checked rows.

    A row that has the key of an earlier one is a problem, and so is one for the same person: nothing would prove later
    which of two credits for one address a lost answer was about. Of each row only its key and hashes are kept.

    Args:
        lines: A file, or a sync or async iterable of lines.
        sending: The kind of the job: it checks the fields of a row, and names its person.
        sink: Takes every problem of the rows.
    """
    return stream(lines, _Intake(sending, sink))


class _Intake:
    """Checks one row after another, and compares each with the rows before it."""

    def __init__(self, sending: Sending, sink: ProblemSink | None) -> None:
        self.many: Final = row_kind(sending.row).many
        self.problems: Final = Problems(sink)
        self.warnings: Final = Problems()
        self._sending: Final = sending
        self._keys: Final = RepeatedKeys()
        self._people: Final = FirstRows()

    def from_file(self, row: FileRow) -> UnkeyedRow | None:
        """Check a row of a file."""
        return self._checked(row.number, row.fields, row.given, row.key_column)

    def from_python(self, number: int, line: object) -> UnkeyedRow | None:
        """Check an item of an iterable; any object may stand there."""
        kind = self._sending.row
        if not isinstance(line, kind):
            self.problems.add(number, f"is a {type(line).__name__}, not a {kind.__name__}", given={"": line})
            return None
        fields = msgspec.structs.asdict(line)
        return self._checked(number, fields, fields, "key")

    def is_new(self, row: UnkeyedRow) -> bool:
        """Return whether a row has a key and a person of its own; note what it repeats."""
        if not self._keys.is_new(row, self.problems):
            return False
        for column, person in (("email", self._sending.person(row.body)), ("phone", row.phone)):
            first = self._people.first((column, person), row.number) if person else row.number
            if first != row.number:
                what = f"is in row {first} already: one row a person, so add the two up, or leave one out"
                value = row.given.get(self.problems.titles.get(column, column))
                self.problems.add(row.number, what, column=column, value=value, given=row.given)
                return False
        return True

    def _checked(
        self, number: int, fields: Mapping[str, object], given: Mapping[str, object], key_column: str
    ) -> UnkeyedRow | None:
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
        body = self._sending.body(fields, report)
        if bad or body is None:
            return None
        phone = fields.get("phone")
        same = same_phone(phone) if isinstance(phone, str) else ""
        return UnkeyedRow(number, NamedRow(str(key), _texts(kept)), body, same, given)


def _texts(kept: object) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in kept.items()} if isinstance(kept, Mapping) else {}
