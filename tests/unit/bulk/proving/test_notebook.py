"""`notebook`: what was read is kept in a private file, and never in another one's."""

import sqlite3
from pathlib import Path

import pytest

from tests.unit.bulk.proving.books import line, order
from xoxo_async.bulk.proving.facts import Asked
from xoxo_async.bulk.proving.notebook import Notebook, Range
from xoxo_async.errors import ConfigError

DAYS = Range("2026-03-09", "2026-03-12", 0)


def begun(notes: Notebook, terms: str = "terms", newest: str = "1", scope: str = "scope") -> bool:
    """Begin a proof, and return whether the notes are of this one, which then goes on."""
    return notes.begin(terms, newest=newest, scope=scope, ranges={"history": [(DAYS.first, DAYS.last)]}) != scope


def noted(path: Path) -> None:
    """Leave the notes of an interrupted proof: one line, one order, and half a history."""
    with Notebook(path) as notes:
        assert not begun(notes)
        notes.add_lines([line(1)])
        assert notes.add_page(DAYS, [order(1)], 1, done=False) == 1
        notes.count_call("getOrderHistory")


def test_notes_go_on_where_they_stopped(tmp_path: Path) -> None:
    """What the vendor said stays; the ledger is read again."""
    noted(tmp_path / "p")
    with Notebook(tmp_path / "p") as notes:
        assert begun(notes, scope="later")
        assert notes.next_range("history") == DAYS._replace(page=1)
        assert notes.add_page(DAYS, [order(1), order(2)], 2, done=True) == 1
        assert notes.next_range("history") is None
        assert [(case.po_number, case.line) for case in notes.cases()] == [("po-0001", None), ("po-0002", None)]
        notes.count_call("getOrderHistory")
        assert notes.calls() == {"getOrderHistory": 2}
        notes.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("terms", "newest"), [("other", "1"), ("terms", "2")])
def test_notes_of_another_proof_are_forgotten(tmp_path: Path, terms: str, newest: str) -> None:
    """Other days, another job, or a ledger that has sent more since then."""
    noted(tmp_path / "p")
    with Notebook(tmp_path / "p") as notes:
        assert not begun(notes, terms, newest, scope="later")
        assert (list(notes.cases()), notes.next_range("history"), notes.calls()) == ([], DAYS, {})


def test_the_file_is_private(tmp_path: Path) -> None:
    """From its first byte. One that others may read is refused."""
    with Notebook(tmp_path / "p") as notes:
        begun(notes)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert set(modes.values()) == {0o600}
        assert notes.fact("scope") == "scope"
    (tmp_path / "p").chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        Notebook(tmp_path / "p")


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A ledger, a text or a link at that name is refused and stays as it was."""
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("not a database, and long enough to be read as one" * 50)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE line (a)")
    db.close()
    (tmp_path / "link").symlink_to(other)
    for path in (text, other):
        path.chmod(0o600)
        before = path.read_bytes()
        with pytest.raises(ConfigError, match="is not the progress of a proof"):
            Notebook(path)
        assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="is not this user's own file"):
        Notebook(tmp_path / "link")
    with pytest.raises(ConfigError, match="cannot be kept in"):
        Notebook(tmp_path / "none" / "p")


def test_two_proofs_do_not_share_a_file(tmp_path: Path) -> None:
    """The second one says so."""
    with Notebook(tmp_path / "p"), pytest.raises(ConfigError, match="another proof uses"):
        Notebook(tmp_path / "p")


def test_notes_of_another_version_are_dropped(tmp_path: Path) -> None:
    """They only save calls."""
    noted(tmp_path / "p")
    with sqlite3.connect(tmp_path / "p") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with Notebook(tmp_path / "p") as notes:
        assert not begun(notes, scope="later")


def test_an_own_order_wins_over_a_packed_row(tmp_path: Path) -> None:
    """A row of a refused pack gets an order of its own, under the same poNumber."""
    with Notebook(tmp_path / "p") as notes:
        packed = line(1, lines=0)
        for facts in ([packed], [line(1)], [packed]):
            notes.add_lines(facts)
        assert [case.line for case in notes.cases()] == [line(1)]


def test_look_ups_are_asked_once(tmp_path: Path) -> None:
    """What was found is kept, and its order is no order of the history."""
    with Notebook(tmp_path / "p") as notes:
        notes.add_lines([line(1), line(2)])
        assert notes.add_todo(["po-0001", "po-0002"]) == 2
        notes.add_asked([("po-0001", Asked(by_po=order(1)))], calls=1)
        assert [one.po_number for one in notes.todo(10)] == ["po-0002"]
        first, second = notes.cases()
        assert (first.orders, first.asked) == ((), Asked(by_po=order(1)))
        assert (second.orders, second.asked) == ((), None)
