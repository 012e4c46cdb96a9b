"""`rows`: lines from any source become one stream of checked rows that repeat nobody."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from xoxo_async.bulk import LinkLine, PointsLine
from xoxo_async.bulk.intake.problems import RowProblem
from xoxo_async.bulk.unkeyed.points_sending import PointsSending
from xoxo_async.bulk.unkeyed.rows import rows_of
from xoxo_async.bulk.unkeyed.rows_files import read_rows

pytestmark = pytest.mark.anyio

MAY_BE = (
    "may be that of row 1: one phone ends with the other, which may lack its country code. If they are two people,"
    " write both with + and the country code, or leave the phone out"
)
SENDING = PointsSending("admin@example.com")


def person(key: str, email: str = "", **fields: Any) -> PointsLine:
    """Return a row for one person."""
    return PointsLine(key=key, email=email or f"{key}@example.com", **{"name": "Ann", "amount": Decimal(5), **fields})


async def read(lines: Any) -> tuple[list[int], tuple[str, ...]]:
    rows = rows_of(lines, SENDING, "march")
    return [row.number async for row in rows], rows.problems.shown()


async def test_a_good_row_is_planned() -> None:
    """The ledger keeps the request, the points, and what rides along."""
    (row,) = [row async for row in rows_of([person("A", amount="50.00", kept={"Team": "x"})], SENDING, "march")]
    kept = msgspec.json.decode(row.line.request)
    assert (kept["email"], str(row.body.denomination), row.line.worth) == ("A@example.com", "50", Decimal(50))
    assert row.line.po_number.startswith("points:march-A-")
    assert "Team" in row.line.kept
    assert row.given["amount"] == "50.00"


@pytest.mark.parametrize(("lines", "problem"), [
    ([person("", "a@example.com"), person("B")], "row 1, column key: is empty"),
    ([person("A", kept={"Team": "x" * 1001})], "row 1, column Team: has 1,001 characters"),
    ([person("A", "nobody")], "row 1, column email: must be one e-mail address"),
    ([person("A", name=None)], "row 1, column name: is missing"),
    ([person("A", amount=0)], "row 1, column amount: must be a number above 0"),
    ([person("A"), person("A")], "row 2, column key: A is in row 1 already"),
    ([person("A1"), person("a1")], "row 2, column key: 'a1' is in row 1 already, in the spelling 'A1'"),
    ([person("A", "ann@example.com"), person("B", "Ann@Example.com")], "row 2, column email: is in row 1 already"),
    ([person("A", phone="+91-98765-43210"), person("B", phone="0091 9876543210")], "row 2, column phone: is in row 1"),
    ([person("A", "k@b\u00fccher.de"), person("B", "k@xn--bcher-kva.de")], "row 2, column email: is in row 1 already"),
    ([person("A", phone="+91-98765-43210"), person("B", phone="09876543210")], f"row 2, column phone: {MAY_BE}"),
    ([person("A"), person("B", "h@x.com.")], "row 2, column email: must be one e-mail address"),
])  # fmt: skip
async def test_a_bad_or_repeated_row_is_named(lines: list[PointsLine], problem: str) -> None:
    """A person under two keys would be paid twice, however address and phone are written; no address is shown."""
    numbers, problems = await read(lines)
    assert len(numbers) == len(lines) - 1
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert "example.com" not in problems[0].lower()


async def test_a_shared_short_phone_is_fine() -> None:
    """An extension names nobody."""
    assert await read([person("A", phone="4711"), person("B", phone="4711")]) == ([1, 2], ())


async def test_an_item_of_another_type_is_named() -> None:
    """It is a problem of its row, also in an async iterable."""

    async def lines() -> AsyncIterator[Any]:
        yield person("A")
        yield LinkLine(key="B")

    assert await read(lines()) == ([1], ("row 2: is a LinkLine, not a PointsLine",))


async def test_every_problem_reaches_the_sink(tmp_path: Path) -> None:
    """More than twenty, each with its row as the file has it and under the file's own name of the column."""
    path = tmp_path / "people.csv"
    good = "A,a@example.com,A,5\nB,A@example.com,B,5\n"
    path.write_text("Staff No.,E-mail,name,Points\n" + "".join(f"{n},x,N,5\n" for n in range(30)) + good)
    found: list[RowProblem] = []
    rows = rows_of(read_rows(path, PointsLine), SENDING, "march", found.append)
    assert [row.number async for row in rows] == [32]
    assert (len(found), rows.problems.rows, len(rows.problems.shown())) == (31, 31, 20)
    assert (found[0].column, found[0].given["Staff No."], found[0].row) == ("E-mail", "0", 2)
    assert (found[-1].column, found[-1].value, found[-1].row) == ("E-mail", "A@example.com", 33)
