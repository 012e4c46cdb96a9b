"""The two streams of a command: results on standard output, messages for a person on standard error.

No function here raises an error, so that an unusual terminal or a broken pipe ends no command. A result that cannot be
written must not look like success, because nobody has seen it. `out` continues then, since a run still has messages for
standard error, and `lost_output` returns the reason at the end.
"""

import os
import sys
import textwrap
from contextlib import suppress
from typing import Final, Literal, TextIO

import click

__all__ = [
    "Colour",
    "has_colour",
    "is_terminal",
    "lost_output",
    "note_lost",
    "out",
    "out_command",
    "say",
    "say_command",
    "silence",
    "width_of",
    "wrapped",
]

Colour = Literal["red", "yellow", ""]
"""Red: something failed. Yellow: a person should look at it."""
_NARROWEST: Final = 20


def say(text: str, colour: Colour = "") -> None:
    """Write lines for a person to standard error, on a terminal wrapped at words. A failure to write is ignored.

    Args:
        text: The lines.
        colour: The colour of the first line, where the terminal has colours.
    """
    _write(sys.stderr, _shown(text, colour, sys.stderr))


def say_command(words: str, command: str) -> None:
    """Write words and a command to standard error. The command stays on one line, so that it can be pasted.

    Args:
        words: What the command is for: `continue with`.
        command: The command.
    """
    _write(sys.stderr, _with_command(words, command, sys.stderr))


def out(text: str, colour: Colour = "", *, wrap: bool = False) -> None:
    """Write a line of the result to standard output. It is no error if the reader closed the pipe.

    Args:
        text: The line.
        colour: Its colour, where standard output is a terminal that has colours.
        wrap: Whether a terminal wraps it at words, because it is a sentence.
    """
    _out(_shown(text, colour, sys.stdout) if wrap else _painted(text, colour, sys.stdout))


def out_command(words: str, command: str) -> None:
    """Write words and a command to standard output, as `say_command` does to standard error.

    Args:
        words: What the command is for.
        command: The command.
    """
    _out(_with_command(words, command, sys.stdout))


def _out(text: str) -> None:
    error = _write(sys.stdout, text)
    if error is not None:
        note_lost(error)


def wrapped(text: str, width: int) -> str:
    """Return lines wrapped at words. What stands between backticks is a command, and stays whole.

    Args:
        text: The lines; those that go on are indented by two blanks more.
        width: The columns that a line may have.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        parts = line.strip().split("`")
        whole = "`".join(part.replace(" ", "\xa0") if place % 2 else part for place, part in enumerate(parts))
        filled = textwrap.fill(
            whole,
            width,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines.append(filled.replace("\xa0", " "))
    return "\n".join(lines)


def has_colour(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that may show colours. `NO_COLOR` forbids them.

    Args:
        stream: The stream.
    """
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def _shown(text: str, colour: Colour, stream: TextIO | None) -> str:
    """Return lines as a stream shows them."""
    if not is_terminal(stream):
        return text
    width = width_of(stream)
    first, _, rest = text.partition("\n")
    first = _painted(wrapped(first, width), colour, stream)
    return f"{first}\n{wrapped(rest, width)}" if rest else first


def _painted(text: str, colour: Colour, stream: TextIO | None) -> str:
    return click.style(text, fg=colour) if colour and has_colour(stream) else text


def _with_command(words: str, command: str, stream: TextIO | None) -> str:
    line = f"{words}: {command}"
    if not is_terminal(stream) or len(line) <= (width := width_of(stream)):
        return line
    indent = " " * (len(words) - len(words.lstrip()) + 2)
    return f"{wrapped(f'{words}:', width)}\n{indent}{command}"


def width_of(stream: TextIO | None) -> int:
    """Return the columns of a terminal; 80 where it does not say.

    Args:
        stream: The terminal.
    """
    asked = os.environ.get("COLUMNS", "")
    columns = int(asked) if asked.isdecimal() and len(asked) < 5 else 0
    if columns < _NARROWEST and stream is not None:
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(stream.fileno()).columns
    return max(columns, _NARROWEST) if columns else 80


def _write(stream: TextIO | None, text: str) -> Exception | None:
    if stream is None:  # closed before the command began: the caller wants no output
        return None
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except (OSError, ValueError) as error:
        silence(stream)
        return error
    return None


def silence(stream: TextIO) -> None:
    """Redirect a stream to nothing. Otherwise Python writes the rest of its buffer at exit, and prints an error."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_lost: Final[list[str]] = []


def note_lost(error: Exception) -> None:
    """Note that a part of the result could not be written. A closed pipe does not count: its reader needs no more.

    Args:
        error: The error that the write raised.
    """
    if not isinstance(error, BrokenPipeError):
        _lost.append((error.strerror if isinstance(error, OSError) else None) or str(error))


def lost_output() -> str:
    """Return why a part of the result could not be written, and forget it; empty if all of it was written."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()  # other libraries write there too, for example a help text
        except (OSError, ValueError) as error:
            silence(sys.stdout)
            note_lost(error)
    why = _lost[0] if _lost else ""
    _lost.clear()
    return why


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that can move its cursor."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        return False
