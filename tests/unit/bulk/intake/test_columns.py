"""`columns`: the rows of any table, by the names of any fields."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xoxo_async.bulk.intake.columns import Choices, Field, FieldSet, read_table
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import BadCell, Cell, FileRow, Form, ShownNumber, Table, TableRow

GIFTS = FieldSet(
    (Field("who", synonyms=("name",)), Field("amount", "amount"), Field("pieces", "whole"), Field("currency")),
    currency="currency",
)


def read(header: Sequence[str], *rows: Sequence[Cell], **choices: Any) -> tuple[list[FileRow], tuple[str, ...], Form]:
    """Return the rows of a table, its problems, and its form."""
    problems, form = Problems(), Form()
    table = Table(header, iter([TableRow(number, cells) for number, cells in enumerate(rows, 2)]), form)
    return list(read_table(table, GIFTS, Choices(**choices), "g.csv", problems)), problems.shown(), form


def test_cells_become_values() -> None:
    """Texts lose the blanks around them, numbers are exact, and empty cells and rows are left out."""
    rows, problems, form = read(
        ["Name", "amount", "pieces", "Team"],
        [" a ", "10.50", "2", "x"],
        ["", None, " ", ""],
        ["b", Decimal(5)],
        keep="all",
    )
    assert [(row.number, row.fields, row.kept) for row in rows] == [
        (2, {"who": "a", "amount": Decimal("10.50"), "pieces": Decimal(2)}, {"Team": "x"}),
        (4, {"who": "b", "amount": Decimal(5)}, {}),
    ]
    assert (problems, form.rows, form.decimal) == ((), 2, "")
    assert rows[0].given == {"Name": " a ", "amount": "10.50", "pieces": "2", "Team": "x"}


@pytest.mark.parametrize(
    ("cell", "who"),
    [
        (Decimal(919876543210), "919876543210"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
    ],
)
def test_a_typed_cell_becomes_its_text(cell: Cell, who: str) -> None:
    """A workbook holds ids as numbers, and a text column wants their digits."""
    ((row,), _, _) = read(["who", "Team"], [cell, cell], keep="all")
    assert (row.fields["who"], row.kept["Team"]) == (who, who)


@pytest.mark.parametrize("cell", [date(2026, 3, 1), datetime(2026, 3, 1)])  # noqa: DTZ001
def test_a_date_is_no_id(cell: Cell) -> None:
    """A program has made it of something like 3-1; in a column that rides along it stays a date."""
    _, problems, _ = read(["who"], [cell])
    assert problems[0].startswith("row 2, column who: is a date (2026-03-01), not a text")
    ((row,), _, _) = read(["who", "Team"], ["a", cell], keep="all")
    assert row.kept == {"Team": "2026-03-01"}


def test_what_cannot_be_trusted_is_named() -> None:
    """The problem has the name of the column in the file; the value cannot pass for any other."""
    rows, problems, _ = read(
        ["Name", "amount", "Team"],
        [BadCell("is 9E+11: digits are lost"), "5"],
        ["b", date(2026, 3, 1)],
        ["c", "5", BadCell("has an error (#REF!)")],
        keep="all",
    )
    assert problems == (
        "row 2, column Name: is 9E+11: digits are lost",
        "row 3, column amount: is a date (2026-03-01), not a number",
        "row 4, column Team: has an error (#REF!)",
    )
    assert [type(row.fields.get(name)) for row, name in zip(rows, ["who", "amount"], strict=True)] == [BadCell, BadCell]


@pytest.mark.parametrize(
    ("header", "row", "currency", "problem"),
    [
        (["who", "amount (INR)"], ["a", "500"], "INR", ""),
        (["who", "amount"], ["a", "₹1,00,000"], "INR", ""),
        (["who", "amount"], ["a", "$5.00"], "USD", ""),
        (["who", "amount", "currency"], ["a", "$5.00", "SGD"], "SGD", ""),
        (["who", "amount", "currency"], ["a", "€5,00", "USD"], "USD", "is '€5,00' in EUR, and column currency has USD"),
        (["who", "amount (INR)"], ["a", "€5,00"], "EUR", "is '€5,00' in EUR, and the header has INR"),
    ],
)
def test_a_currency_is_not_dropped(header: list[str], row: list[Cell], currency: str, problem: str) -> None:
    """It is compared with the product's later, and with what else the row says now."""
    ((found,), problems, _) = read(header, row)
    assert found.fields["currency"] == currency
    assert [text.partition(": ")[2] for text in problems] == ([problem] if problem else [])


def test_the_form_says_the_decimal_sign() -> None:
    """It is the one that the columns prove; two columns may differ."""
    assert read(["who", "amount"], ["a", "1.000,50"])[2].decimal == ","
    form = read(["who", "amount", "pieces"], ["a", "1.000,50", "1,000,000"])[2]
    assert (form.decimal, form.notes) == ("", ["decimal comma in amount", "decimal point in pieces"])


def test_a_shown_number_fits_its_column() -> None:
    """A text is what people see; a number is the number, unless they see another one."""
    zeros, hidden = ShownNumber(Decimal(7), "007"), ShownNumber(Decimal(7), "7", "is odd", "is hidden")
    rows, problems, _ = read(["who", "amount", "Team"], [zeros, zeros, zeros], [hidden, 1], ["c", hidden], keep="all")
    assert (rows[0].fields, rows[0].kept) == ({"who": "007", "amount": Decimal(7)}, {"Team": "007"})
    assert [line[:32] for line in problems] == ["row 3, column who: is odd", "row 4, column amount: is hidden"]


@pytest.mark.parametrize(("header", "currency", "problem"), [
    (["who", "amount"], "EUR", ""),
    (["who", "amount", "currency"], "", "is '€500' in EUR, and column currency has INR"),
    (["who", "Amount (INR)"], "", "the header has INR"),
])  # fmt: skip
def test_a_shown_currency_counts(header: list[str], currency: str, problem: str) -> None:
    """It is the row's, or the row is refused, as with `€500` in a text."""
    shown = ShownNumber(Decimal(500), "500", sign="€")
    rows, problems, _ = read(header, ["a", shown, *["INR"] * (len(header) - 2)])
    if problem:
        assert problem in problems[0]
    else:
        assert (rows[0].fields["currency"], problems) == (currency, ())


def test_a_count_has_no_currency() -> None:
    """A product or a number of pieces is no money."""
    _, problems, _ = read(["who", "pieces"], ["a", ShownNumber(Decimal(5), "5", sign="€")])
    assert "is '€5': a currency stands beside it" in problems[0]


TYPED = st.sampled_from([
    None, "", " ", "a", "1", "1.5", "1,000", "₹500", Decimal(1), Decimal("1.5"), True, False, date(2026, 3, 1),
    datetime(2026, 3, 1),  # noqa: DTZ001
    BadCell("is bad"), ShownNumber(Decimal(1), "001"), ShownNumber(Decimal(500), "500", sign="₹"),
    ShownNumber(Decimal(1), "1", bad_number="is half of it"),
])  # fmt: skip


@settings(max_examples=300)
@given(
    rows=st.lists(st.lists(TYPED, min_size=1, max_size=6), min_size=2, max_size=9),
    again=st.lists(st.integers(0, 8), max_size=9),
)
def test_rows_of_a_workbook_are_compared_by_type(rows: list[list[Cell]], again: list[int]) -> None:
    """`1`, `True` and the text are three values. Rows are the same whether or not they are compared with others."""
    header = ["who", "amount", "pieces", "currency", "Team"]
    rows = [*rows, *(["z", *rows[at % len(rows)][1:]] for at in again)]
    found: list[object] = []
    for own in (frozenset({"who"}), frozenset()):
        problems, form = Problems(), Form()
        table = Table(header, iter([TableRow(number, list(cells)) for number, cells in enumerate(rows, 2)]), form)
        read = list(read_table(table, GIFTS._replace(own=own), Choices(keep="all"), "g.xlsx", problems))
        values = [
            (row.number, {name: (type(value), value) for name, value in row.fields.items()}, row.kept)
            for row in read
        ]  # fmt: skip
        given = [{name: value for name, value in row.given.items() if value is not None} for row in read]
        found.append((values, given, problems.shown(), form.rows))
    assert found[0] == found[1]
