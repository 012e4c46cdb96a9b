"""`output`: an unusual stream ends no command, and a lost result is reported."""

import io
import os

import pytest

from xoxo_async.cli.output import has_colour, is_terminal, lost_output, note_lost, out, say, say_command, wrapped


class Broken(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, _text: str) -> int:
        raise self.error


def test_results_and_words_go_to_their_streams(capsys: pytest.CaptureFixture[str]) -> None:
    """Each text becomes a line."""
    out("result")
    say("word")
    assert tuple(capsys.readouterr()) == ("result\n", "word\n")


def test_a_closed_stream_takes_nothing_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that closes the stream wants no output."""
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    out("result")
    say("word")
    assert lost_output() == ""


def test_a_lost_result_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of the system is returned at the end. Lost messages for a person do not count."""
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("sys.stderr", Broken(full))
    say("word")
    assert lost_output() == ""
    monkeypatch.setattr("sys.stdout", Broken(full))
    out("result")
    assert lost_output() == "No space left on device"
    assert lost_output() == ""


def test_a_reader_that_went_away_loses_nothing() -> None:
    """The reader needs no more of the result."""
    note_lost(BrokenPipeError())
    assert lost_output() == ""


def test_a_terminal_can_move_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a dumb terminal and a closed stream are not terminals."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setenv("TERM", "xterm")
        assert is_terminal(terminal)
        monkeypatch.setenv("TERM", "dumb")
        assert not is_terminal(terminal)
    assert not is_terminal(terminal)
    assert not is_terminal(io.StringIO())
    assert not is_terminal(None)
    os.close(ours)


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a terminal of 40 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_sentence_is_wrapped_at_words() -> None:
    """Lines that go on are indented, and a command between backticks stays whole."""
    text = "  row 2: is wrong, run `xoxo bulk plan orders.csv` to see the others again"
    assert wrapped(text, 40).split("\n") == [
        "  row 2: is wrong, run",
        "    `xoxo bulk plan orders.csv` to see",
        "    the others again",
    ]
    assert wrapped("short\n  lines", 40) == "short\n  lines"


def test_a_command_can_be_pasted(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a line of its own if it does not fit beside its words, and is never wrapped."""
    monkeypatch.setattr("sys.stderr", terminal)
    say_command("continue with", "xoxo bulk resume")
    say_command("continue with", command := "xoxo bulk resume --ledger 'a folder/march.db'")
    assert terminal.getvalue() == f"continue with: xoxo bulk resume\ncontinue with:\n  {command}\n"


def test_colours_need_a_terminal_and_consent(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_COLOR` forbids them."""
    monkeypatch.setattr("sys.stderr", terminal)
    say("error: no", "red")
    assert terminal.getvalue() == "\x1b[31merror: no\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    say("error: no", "red")
    assert terminal.getvalue().endswith("m\nerror: no\n")
    assert not has_colour(terminal)
    assert not has_colour(io.StringIO())
