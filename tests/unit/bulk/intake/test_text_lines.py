"""`text_lines`: an endless line is refused with the place, and an error shows no control characters."""

from pathlib import Path

import pytest

from tests.unit.bulk.intake.orders_files import HEAD, problem
from xoxo_async.bulk.intake.text_lines import printable

BAD_FILES = {
    "endless line": (HEAD.encode() + b"a,1,10,1," + b"1," * 2_000_000, "row 3: a line of it is longer than 2,097,152"),
    "endless json": (
        b'{"key": "a", "product_id": 1, "denomination": 1}\n{"key": "' + b"k" * 3_000_000,
        "row 2: a line of it is longer than 2,097,152 characters",
    ),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_unreadable_files_say_why(tmp_path: Path, content: bytes, words: str) -> None:
    """The error names the file and says why it holds no orders."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "orders.csv" in text
    assert text.replace("\n", "").isprintable()


def test_an_error_shows_no_control_characters() -> None:
    """Names from a file may hold anything; the message holds the start of it, on one line."""
    assert printable("a\nb\x07") == "a?b?"
    assert len(printable("x" * 500)) == 80
