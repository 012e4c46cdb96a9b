"""Lines of a job without a key from any source, as one stream of checked rows that repeat nobody."""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from xoxo_async.bulk.intake.persons import same_address, same_phone
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.intake.streaming import Rows, stream
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import FirstRows, RepeatedKeys
from xoxo_async.bulk.unkeyed.line_checks import check_line
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
from xoxo_async.bulk.unkeyed.rows_files import row_kind

__all__ = ["UnkeyedRow", "rows_of"]

LineT = TypeVar("LineT", PointsLine, LinkLine, MailLine)
AnyLineT = TypeVar("AnyLineT", bound=msgspec.Struct)


class UnkeyedRow(NamedTuple, Generic[AnyLineT]):
    """One row that passed its check.

    Attributes:
        number: The row's number in the input, from 1.
        line: The line. Its amount is an exact `Decimal`.
        given: The row as it was given: values by column.
    """

    number: int
    line: AnyLineT
    given: Mapping[str, object]


def rows_of(
    lines: RowsFile[LineT] | Iterable[LineT] | AsyncIterable[LineT],
    line: type[LineT],
    sink: ProblemSink | None = None,
) -> Rows[UnkeyedRow[LineT]]:
    """Return any source of lines as one stream of checked rows.

    A row that has the key of an earlier one is a problem, and so is one for the same person: nothing proves later which
    of two credits for one address a lost answer was about. Of each row only hashes and its key are kept.

    Args:
        lines: A file, or a sync or async iterable of lines.
        line: The kind of line.
        sink: Takes every problem of the rows.
    """
    return stream(lines, _Intake(line, sink))


class _Intake(Generic[LineT]):
    """Checks one row after another, and compares each with the rows before it."""

    def __init__(self, line: type[LineT], sink: ProblemSink | None) -> None:
        self.many: Final = row_kind(line).many
        self.problems: Final = Problems(sink)
        self.warnings: Final = Problems()
        self._line: Final[type[LineT]] = line
        self._keys: Final = RepeatedKeys()
        self._people: Final = FirstRows()

    def from_file(self, row: FileRow) -> UnkeyedRow[LineT] | None:
        """Check a row of a file."""
        fields = check_line(
            self._line, row.number, row.fields, self.problems, key_column=row.key_column, given=row.given
        )
        return None if fields is None else UnkeyedRow(row.number, self._line(**fields), row.given)

    def from_python(self, number: int, line: object) -> UnkeyedRow[LineT] | None:
        """Check an item of an iterable; any object may stand there."""
        if not isinstance(line, self._line):
            what = f"is a {type(line).__name__}, not a {self._line.__name__}"
            self.problems.add(number, what, given={"": line})
            return None
        given = msgspec.structs.asdict(line)
        fields = check_line(self._line, number, given, self.problems)
        return None if fields is None else UnkeyedRow(number, self._line(**fields), given)

    def is_new(self, row: UnkeyedRow[LineT]) -> bool:
        """Return whether a row has a key and a person of its own; note what it repeats."""
        if not self._keys.is_new(row, self.problems):
            return False
        for column, person in _people_of(row.line):
            first = self._people.first((column, person), row.number)
            if first != row.number:
                what = f"is in row {first} already: one row a person; add the two up, or leave one out"
                value = getattr(row.line, column)
                self.problems.add(row.number, what, column=column, value=value, given=row.given)
                return False
        return True


def _people_of(line: PointsLine | LinkLine | MailLine) -> list[tuple[str, str]]:
    """Return each column of a line that names its person, with the form in which it is compared."""
    people: list[tuple[str, str]] = []
    if isinstance(line, PointsLine | MailLine) and line.email:
        people.append(("email", same_address(line.email)))
    if isinstance(line, PointsLine) and line.phone and (phone := same_phone(line.phone)):
        people.append(("phone", phone))
    return people
