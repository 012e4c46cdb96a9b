"""`input_file`: what is opened, what it is, and whether it changes while it is read."""

import os
from pathlib import Path

import pytest

from tests.unit.bulk.intake.orders_files import HEAD, problem
from xoxo_async import errors
from xoxo_async.bulk import read_orders

KINDS = {
    "pdf": (b"%PDF-1.7\n", "this is a PDF document, not a table"),
    "gzip": (b"\x1f\x8b\x08\x00", "this is a compressed file"),
    "picture": (b"\x89PNG\r\n\x1a\n", "this is a picture"),
    "ledger": (b"SQLite format 3\0" + bytes(90), "this is a database (SQLite), maybe a ledger"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "this is a compressed file (7z)"),
}


@pytest.mark.parametrize(("content", "words"), KINDS.values(), ids=list(KINDS))
def test_other_kinds_of_files_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    """The error says what it is, whatever the file's name is."""
    assert words in problem(tmp_path / "orders.csv", content)


@pytest.mark.parametrize("touch", ["grown", "replaced in place"])
def test_a_file_that_changes_is_refused(tmp_path: Path, touch: str) -> None:
    """Its rows may be of two files; the error comes before anything is planned."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD + "a,1,10,1\nb,1,10,1\n")
    os.utime(path, (1, 1))
    lines = iter(read_orders(path))
    next(lines)
    path.write_text(HEAD + ("a,1,10,1\nb,1,10,1\nc,1,10,1\n" if touch == "grown" else "a,1,99,1\nb,1,99,1\n"))
    with pytest.raises(errors.PlanError, match="it changed while it was read; nothing was sent"):
        list(lines)


def test_a_pipe_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of a column needs no second reading of standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as piped, os.fdopen(writing, "w") as out:
        out.write(HEAD + 'a,1,500,1\nb,1,"1,000",1\nc,1,"1,000.50",1\n')
        out.close()
        monkeypatch.setattr("sys.stdin", piped)
        assert [str(line.denomination) for line in read_orders("-")] == ["500", "1000", "1000.50"]


def test_a_file_read_whole_has_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the same bytes, also without reading rows; none half way, and none for what is read once."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD + "a,1,10,1\nb,1,10,1\n")
    orders = read_orders(path)
    lines = iter(orders)
    next(lines)
    assert orders.contents == ""
    list(lines)
    assert len(orders.contents) == 64
    assert orders.hash_contents() == orders.contents
    path.write_text(HEAD + "a,1,10,1\nb,1,10,2\n")
    assert orders.hash_contents() != orders.contents
    reading, writing = os.pipe()
    with os.fdopen(reading) as piped, os.fdopen(writing, "w") as out:
        out.write(HEAD + "a,1,500,1\n")
        out.close()
        monkeypatch.setattr("sys.stdin", piped)
        piped_orders = read_orders("-")
        assert [line.key for line in piped_orders] == ["a"]
        assert piped_orders.contents == piped_orders.hash_contents() == ""
