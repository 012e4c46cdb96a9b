"""The two streams of a command: results on standard output, messages for a person on standard error.

No function here raises an error, so that an unusual terminal or a broken pipe ends no command. A result that cannot be
written must not look like success, because nobody has seen it. `out` continues then, since a run still has messages for
standard error, and `lost_output` returns the reason at the end.
"""

import os
import sys
from contextlib import suppress
from typing import Final, TextIO

__all__ = ["is_terminal", "lost_output", "note_lost", "out", "say", "silence"]


def say(text: str) -> None:
    """Write a line for a person to standard error. A failure to write is ignored.

    Args:
        text: The line.
    """
    _write(sys.stderr, text)


def out(text: str) -> None:
    """Write a line of the result to standard output. It is no error if the reader closed the pipe.

    Args:
        text: The line.
    """
    error = _write(sys.stdout, text)
    if error is not None:
        note_lost(error)


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
