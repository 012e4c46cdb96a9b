"""`streaming`: lines from any source are one stream of checked rows, whatever the lines are."""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest

from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.streaming import stream
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.unkeyed.lines import MailLine

pytestmark = pytest.mark.anyio


class Numbered(NamedTuple):
    number: int
    key: str


class Intake:
    """Takes lines with a key of one letter, each key once."""

    many = "letters"

    def __init__(self) -> None:
        self.problems, self.warnings = Problems(), Problems()
        self.seen: set[str] = set()

    def from_file(self, row: FileRow) -> Numbered | None:
        raise NotImplementedError

    def from_python(self, number: int, line: object) -> Numbered | None:
        assert isinstance(line, MailLine)
        if len(line.key) == 1:
            return Numbered(number, line.key)
        self.problems.add(number, "is no letter")
        return None

    def is_new(self, row: Numbered) -> bool:
        is_new = row.key not in self.seen
        self.seen.add(row.key)
        return is_new


def letters() -> Iterator[MailLine]:
    return (MailLine(key=key, email="a@example.com") for key in ("a", "bb", "a", "c"))


async def letters_async() -> AsyncIterator[MailLine]:
    for line in letters():
        yield line


@pytest.mark.parametrize("streamed", [False, True])
async def test_good_rows_come_once_and_numbered(streamed: bool) -> None:
    """A bad row is noted and ends nothing; a repeated one is left to the intake."""
    intake = Intake()
    rows = stream(letters_async() if streamed else letters(), intake)
    assert [row async for row in rows] == [(1, "a"), (4, "c")]
    assert (rows.source, rows.problems.shown()) == ("letters", ("row 2: is no letter",))
    assert rows.warnings is intake.warnings
