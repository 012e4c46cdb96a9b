"""The two streams of a command: results on standard output, words for a person on standard error.

Nothing here raises: an odd terminal or a broken pipe ends no command. A result that cannot be written is another thing:
a code that was asked for and shown to nobody must not look like success. `out` goes on, since a run has more to say on
standard error, and `lost_output` tells at the end.
"""

import os
import sys
from contextlib import suppress
from typing import Final, TextIO

__all__ = ["is_terminal", "lost_output", "note_lost", "out", "say", "silence"]


def say(text: str) -> None:
    """Write a line for a person to standard error; a run never ends because nobody listens.

    Args:
        text: The line.
    """
    _write(sys.stderr, text)


def out(text: str) -> None:
    """Write a line of the result to standard output; a reader that went away is no error.

    Args:
        text: The line.
    """
    error = _write(sys.stdout, text)
    if error is not None:
        note_lost(error)


def _write(stream: TextIO | None, text: str) -> Exception | None:
    if stream is None:  # closed before we began: whoever did that wants no output
        return None
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except (OSError, ValueError) as error:
        silence(stream)
        return error
    return None


def silence(stream: TextIO) -> None:
    """Let nothing more fail at a stream: Python would write the rest of its buffer at exit, and complain there."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_lost: Final[list[str]] = []


def note_lost(error: Exception) -> None:
    """Note that a part of the result could not be written; a reader that went away wants no more of it.

    Args:
        error: What writing it raised.
    """
    if not isinstance(error, BrokenPipeError):
        _lost.append((error.strerror if isinstance(error, OSError) else None) or str(error))


def lost_output() -> str:
    """Return why a part of the result could not be written, once; empty when all of it was written."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()  # what other libraries wrote there, a help text
        except (OSError, ValueError) as error:
            silence(sys.stdout)
            note_lost(error)
    why = _lost[0] if _lost else ""
    _lost.clear()
    return why


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person sees a stream on a terminal that can move its cursor."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        return False
