"""`tables`: tab-separated without a terminal, aligned and without markup on one."""

import io

import pytest

from xoxo_async.cli.tables import console, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_cells_are_separated_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    """A control character in a cell starts no column and no line, and None is empty."""
    table(("id", "name"), [(1, "a\tb\nc"), (None, "\x1b[2J")])
    assert capsys.readouterr().out == "id\tname\n1\ta b c\n\t [2J\n"


def test_a_terminal_gets_the_words_without_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets in the vendor's words set no style."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", stream)
    table(("id",), [("[bold]1[/bold]",)])
    assert "[bold]1[/bold]" in stream.getvalue()


@pytest.mark.parametrize(("columns", "width"), [("100", 100), ("0", 80), ("x", 80), ("5", 80)])
def test_a_too_small_size_is_ignored(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    """The library would draw nothing."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", "40")
    assert console(io.StringIO()).width == width


PLAN = ("product", "name", "rows", "vouchers", "face value", "fee", "discount", "costs about")
ROW = ("1001", "Corner Shop", "5,000", "5,000", "INR 5,000,000", "", "", "INR 5,000,000")


@pytest.mark.parametrize("columns", [30, 45, 60, 80, 120])
def test_no_number_is_broken(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """A part of a number looks like another one; texts and headings are broken before, or each cell gets a line."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout", stream)
    table(PLAN, [ROW])
    drawn = stream.getvalue()
    assert (drawn.count("5,000,000"), drawn.count("1001"), drawn.count("Corner")) == (2, 1, 1)
    assert all(len(line) <= columns for line in drawn.splitlines())
