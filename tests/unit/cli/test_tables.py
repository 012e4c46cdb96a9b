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
