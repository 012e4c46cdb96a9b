"""`links_book`: the links of each call, the addresses they went to, and what the answer told."""

from decimal import Decimal
from pathlib import Path

from xoxo_async.sandbox.state import State


def state(path: Path | None = None) -> State:
    return State(seed=7, balance=Decimal(100), path=path)


def test_no_link_is_made_twice() -> None:
    """Each call makes links of its own, mailed or not."""
    books = state()
    books.book_links(7001, 3, ())
    books.book_links(7001, 2, ("a@b.example", "c@d.example"))
    assert len(set(books.links.all())) == 5
    told = books.books()
    assert [(batch.call, len(batch.links), batch.answered) for batch in told.links] == [(1, 3, 3), (2, 2, 2)]
    assert told.link_mails == {"a@b.example": 1, "c@d.example": 1}


def test_a_lost_answer_is_of_its_call_alone() -> None:
    """Half an answer tells of half the links, rounded down; an earlier call keeps its answer."""
    books = state()
    books.book_links(7001, 3, ())
    books.begin_call()
    books.book_links(7001, 3, ())
    books.lose_answer(0.5)
    assert [batch.answered for batch in books.books().links] == [3, 1]


def test_links_in_a_file_survive_a_restart(tmp_path: Path) -> None:
    """Links, mails and lost answers are the same after a restart, and no link is made again."""
    path = tmp_path / "books.db"
    first = state(path)
    first.book_links(7001, 3, ())
    first.begin_call()
    first.book_links(7002, 1, ("a@b.example",))
    first.lose_answer()
    told = first.books()
    first.close()
    again = state(path)
    assert again.books() == told
    again.book_links(7001, 1, ())
    assert len(set(again.links.all())) == 5
    again.close()
