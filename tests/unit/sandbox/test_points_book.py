"""`points_book`: each credit, its call and its cancellation, also after a new start."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from xoxo_async.sandbox.points_book import Gift
from xoxo_async.sandbox.state import State

ADA = Gift("Ada@b.example", "Ada", 5, "well done")
BOB = Gift("bob@b.example", "Bob", 7, "")


def state(path: Path | None = None, **given: Any) -> State:
    return State(**{"seed": 7, "balance": Decimal(100), "path": path, "clock": lambda: 1_700_000_000.0, **given})


def test_a_credit_says_who_got_what_and_when() -> None:
    """The books have address, points, reason, moment and the number of the call."""
    books = state()
    books.book_points([ADA, BOB])
    books.begin_call()
    books.book_points([ADA])
    made = books.books().credits
    assert [(one.email, one.points, one.citation, one.call) for one in made] == [
        ("Ada@b.example", 5, "well done", 1),
        ("bob@b.example", 7, "", 1),
        ("Ada@b.example", 5, "well done", 2),
    ]
    assert {one.sent_at for one in made} == {1_700_000_000.0}
    assert books.books().points == {"ada@b.example": 10, "bob@b.example": 7}


def test_the_sums_agree_after_a_cancellation() -> None:
    """A credit is cancelled once; what was given and what is left add up to what there was."""
    books = state()
    first, second = books.book_points([ADA, BOB])
    assert books.points.cancel(first.unique_id)
    assert not books.points.cancel(first.unique_id)
    assert not books.points.cancel(1)
    told = books.books()
    assert (told.points, told.points_given, told.points_left) == ({"ada@b.example": 0, "bob@b.example": 7}, 7, 993)
    assert [(one.cancelled, one.cancels) for one in told.credits] == [(True, 2), (False, 0)]
    assert second.points == 7


def test_a_lost_answer_is_of_its_call_alone() -> None:
    """Half an answer tells of the first half; an earlier call keeps its answer."""
    books = state()
    books.book_points([ADA])
    books.begin_call()
    books.book_points([ADA, BOB])
    books.lose_answer(0.5)
    assert [one.answered for one in books.books().credits] == [True, True, False]
    books.begin_call()
    books.lose_answer()  # of a call that gave nothing
    assert [one.answered for one in books.books().credits] == [True, True, False]


def test_credits_in_a_file_survive_a_restart(tmp_path: Path) -> None:
    """Credits, cancellations and lost answers are the same after a restart, and calls are counted on."""
    path = tmp_path / "books.db"
    first = state(path)
    one, _ = first.book_points([ADA, BOB])
    first.lose_answer()
    first.points.cancel(one.unique_id)
    first.points.cancel(one.unique_id)
    told = first.books()
    first.close()
    again = state(path)
    assert again.books() == told
    (third,) = again.book_points([ADA])
    assert (third.call, third.unique_id) == (2, 9_000_003)
    again.close()


def test_books_are_a_copy() -> None:
    """What a test has read does not change with later calls."""
    books = state()
    (one,) = books.book_points([ADA])
    told = books.books()
    books.points.cancel(one.unique_id)
    books.lose_answer()
    assert (told.credits[0].cancelled, told.credits[0].answered) == (False, True)
