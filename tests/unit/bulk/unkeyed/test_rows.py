"""`rows`: lines from any source become one stream of checked rows that repeat nobody."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from xoxo_async.bulk import LinkLine, MailLine, PointsLine
from xoxo_async.bulk.intake.problems import RowProblem
from xoxo_async.bulk.unkeyed.rows import rows_of
from xoxo_async.bulk.unkeyed.rows_files import read_rows

pytestmark = pytest.mark.anyio


def person(key: str, email: str = "", **fields: Any) -> PointsLine:
    """Return a recipient of 5 points."""
    return PointsLine(key=key, email=email or f"{key}@example.com", **{"name": "Ann", "amount": Decimal(5), **fields})


async def read(lines: Any, line: Any) -> tuple[list[int], tuple[str, ...]]:
    rows = rows_of(lines, line)
    return [row.number async for row in rows], rows.problems.shown()


async def test_a_row_is_checked_and_exact() -> None:
    """An amount may come in any exact form; the line that is sent has a plain one."""
    rows = [row async for row in rows_of([person("A", amount="0.50")], PointsLine)]
    assert [(row.number, row.line.amount) for row in rows] == [(1, Decimal("0.50"))]
    assert rows[0].given["amount"] == "0.50"


@pytest.mark.parametrize(("lines", "problem"), [
    ([person("A"), person("A")], "row 2, column key: A is in row 1 already"),
    ([person("A1"), person("a1")], "row 2, column key: 'a1' is in row 1 already, in the spelling 'A1'"),
    ([person("A", "ann@example.com"), person("B", "Ann@Example.com")], "row 2, column email: is in row 1 already"),
    ([person("A", phone="+91-98765-43210"), person("B", phone="0091 9876543210")], "row 2, column phone: is in row 1"),
])  # fmt: skip
async def test_nobody_is_there_twice(lines: list[PointsLine], problem: str) -> None:
    """A person under two keys would get points twice, however the address and the phone are written."""
    numbers, problems = await read(lines, PointsLine)
    assert numbers == [1]
    assert problems[0].startswith(problem)
    assert "example.com" not in problems[0]


async def test_a_shared_short_phone_is_fine() -> None:
    """An extension names nobody."""
    assert await read([person("A", phone="4711"), person("B", phone="4711")], PointsLine) == ([1, 2], ())


async def test_links_have_no_person() -> None:
    """Only their keys have to differ."""
    assert await read([LinkLine(key="A"), LinkLine(key="B")], LinkLine) == ([1, 2], ())


async def test_an_address_is_mailed_once() -> None:
    """As for points."""
    lines = [MailLine(key="A", email="ann@example.com"), MailLine(key="B", email="ANN@example.com")]
    numbers, problems = await read(lines, MailLine)
    assert (numbers, len(problems)) == ([1], 1)


async def test_an_item_of_another_type_is_named() -> None:
    """It is a problem of its row, also in an async iterable."""

    async def lines() -> AsyncIterator[Any]:
        yield person("A")
        yield LinkLine(key="B")

    assert await read(lines(), PointsLine) == ([1], ("row 2: is a LinkLine, not a PointsLine",))


async def test_every_problem_reaches_the_sink(tmp_path: Path) -> None:
    """More than twenty, with the row as the file has it."""
    path = tmp_path / "people.csv"
    path.write_text("Staff No.,email,name,Points\n" + "".join(f"{n},x,Ann,0\n" for n in range(30)))
    found: list[RowProblem] = []
    rows = rows_of(read_rows(path, PointsLine), PointsLine, found.append)
    assert [row async for row in rows] == []
    assert (len(found), rows.problems.rows, len(rows.problems.shown())) == (60, 30, 20)
    assert (found[1].column, found[1].given["Points"], found[1].row) == ("Points", "0", 2)
