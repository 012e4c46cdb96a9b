"""`problems`: the problems of rows are counted, and the first of them are shown in order."""

import pytest

from xoxo_async import errors
from xoxo_async.bulk.intake.problems import Problems, RowProblem


def test_without_problems_nothing_is_raised() -> None:
    """An empty collection is no error."""
    Problems().raise_if_any("orders")


def test_problems_are_shown_by_row_number() -> None:
    """Problems found late stand in the order of their rows, and each column of a row counts once."""
    problems = Problems()
    for row in range(100, 130):
        problems.add(row, "x", column="quantity")
        problems.add(row, "y", column="quantity")
    for row in (7, 5, 6):
        problems.add(row, "z", column="product_id")
    assert problems.total == 33
    assert [text.split(",")[0] for text in problems.shown()[:4]] == ["row 5", "row 6", "row 7", "row 100"]
    assert len(problems.shown()) == 20


def test_rows_are_counted_beside_their_problems() -> None:
    """A row with two bad columns is one row; the error has the first problems and the total."""
    problems = Problems()
    for row in range(1, 31):
        problems.add(row, "x", column="quantity")
        problems.add(row, "y", column="email")
    assert (problems.rows, problems.total) == (30, 60)
    with pytest.raises(errors.PlanError, match="orders: 60 problems, nothing was sent") as caught:
        problems.raise_if_any("orders")
    assert (len(caught.value.problems), caught.value.total) == (20, 60)
    assert problems.listing().endswith("… and 40 more")


def test_a_problem_of_a_row_names_its_key() -> None:
    """A problem without a column shows the row's key instead."""
    problems = Problems()
    problems.add(7, "is in row 3 already", key="k7")
    assert problems.shown() == ("row 7 (key k7): is in row 3 already",)


def test_a_sink_gets_every_problem() -> None:
    """Also those after the twentieth, with the row as it was given; the same column counts once."""
    taken: list[RowProblem] = []
    problems = Problems(taken.append)
    for row in range(1, 31):
        problems.add(row, "is bad", column="email", value="x", given={"Mail": "x"})
        problems.add(row, "is worse", column="email", value="x", given={"Mail": "x"})
    assert len(taken) == problems.total == 30
    assert taken[-1] == RowProblem(30, "email", "x", "is bad", {"Mail": "x"})
