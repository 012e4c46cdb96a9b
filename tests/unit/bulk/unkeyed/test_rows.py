"""`rows`: lines from any source become one stream of checked rows that repeat nobody."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from xoxo_async.bulk import LinkLine, MailLine
from xoxo_async.bulk.intake.problems import RowProblem
from xoxo_async.bulk.unkeyed.link_sending import LinkSending, MailSending
from xoxo_async.bulk.unkeyed.rows import rows_of
from xoxo_async.bulk.unkeyed.rows_files import read_rows
from xoxo_async.bulk.unkeyed.sending import Sending

pytestmark = pytest.mark.anyio

DAY = date(2099, 12, 31)


def mail(key: str, email: str = "", **fields: Any) -> MailLine:
    """Return a row for one address."""
    return MailLine(key=key, email=email or f"{key}@example.com", **fields)


def mails() -> Sending:
    """Return what checks the rows of a job of mails."""
    return MailSending(7001, DAY)


async def read(lines: Any, sending: Sending | None = None) -> tuple[list[int], tuple[str, ...]]:
    rows = rows_of(lines, sending or mails())
    return [row.number async for row in rows], rows.problems.shown()


async def test_a_good_row_has_its_body() -> None:
    """What is sent, and what rides along."""
    (row,) = [row async for row in rows_of([mail("A", kept={"Team": "x"})], mails())]
    assert (row.number, row.line.key, row.line.kept) == (1, "A", {"Team": "x"})
    assert (row.body.email, row.body.product_id) == ("A@example.com", 7001)


@pytest.mark.parametrize(("lines", "problem"), [
    ([mail("", "a@example.com"), mail("B")], "row 1, column key: is empty"),
    ([mail("A", kept={"Team": "x" * 1001})], "row 1, column Team: has 1,001 characters"),
    ([mail("A", "nobody")], "row 1, column email: must be one e-mail address"),
    ([mail("A"), mail("A")], "row 2, column key: A is in row 1 already"),
    ([mail("A1"), mail("a1")], "row 2, column key: 'a1' is in row 1 already, in the spelling 'A1'"),
    ([mail("A", "ann@example.com"), mail("B", "Ann@Example.com")], "row 2, column email: is in row 1 already"),
])  # fmt: skip
async def test_a_bad_or_repeated_row_is_named(lines: list[MailLine], problem: str) -> None:
    """A person under two keys would be served twice, however the address is written; no problem shows an address."""
    numbers, problems = await read(lines)
    assert len(numbers) == len(lines) - 1
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert "example.com" not in problems[0].lower()


async def test_links_have_no_person() -> None:
    """Only their keys have to differ."""
    lines = [LinkLine(key="A"), LinkLine(key="B", quantity=0), LinkLine(key="C", quantity=3)]
    numbers, problems = await read(lines, LinkSending(7001, DAY))
    assert numbers == [1, 3]
    assert problems == ("row 2, column quantity: must be a whole number from 1 to 100000, not 0",)


async def test_an_item_of_another_type_is_named() -> None:
    """It is a problem of its row, also in an async iterable."""

    async def lines() -> AsyncIterator[Any]:
        yield mail("A")
        yield LinkLine(key="B")

    assert await read(lines()) == ([1], ("row 2: is a LinkLine, not a MailLine",))


async def test_every_problem_reaches_the_sink(tmp_path: Path) -> None:
    """More than twenty, each with its row as the file has it and under the file's own name of the column."""
    path = tmp_path / "people.csv"
    path.write_text(
        "Staff No.,E-mail\n" + "".join(f"{n},x\n" for n in range(30)) + "A,a@example.com\nB,A@example.com\n"
    )
    found: list[RowProblem] = []
    rows = rows_of(read_rows(path, MailLine), mails(), found.append)
    assert [row.number async for row in rows] == [32]
    assert (len(found), rows.problems.rows, len(rows.problems.shown())) == (31, 31, 20)
    assert (found[0].column, found[0].given["Staff No."], found[0].row) == ("E-mail", "0", 2)
    assert (found[-1].column, found[-1].value, found[-1].row) == ("E-mail", "A@example.com", 33)
