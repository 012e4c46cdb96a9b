"""What is shown: tables, JSON, money, masks. An odd terminal or a broken pipe ends no command.

A result that cannot be written is another thing: a code that was asked for and shown to nobody must not look like
success. `out` and `table` go on, since a run has more to say on standard error, and `lost_output` tells at the end.
"""

import html
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire import Secret

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "MASK",
    "amounts",
    "console",
    "count",
    "duration",
    "is_terminal",
    "json_text",
    "lost_output",
    "mask",
    "money",
    "note_lost",
    "out",
    "public",
    "say",
    "table",
    "words",
]

MASK: Final = "****"

_SIZE: Final = re.compile("[0-9]{1,4}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


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
        _silence(stream)
        return error
    return None


def _silence(stream: TextIO) -> None:
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
            _silence(sys.stdout)
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


def json_text(value: object) -> str:
    """Return a value as one line of JSON; amounts as plain numbers, exactly.

    Args:
        value: What `public` returns, or anything of the same kinds.
    """
    return _encode(value).decode()


def mask(code: str, *, reveal: bool = False) -> str:
    """Return a voucher code, PIN or link as it may be shown.

    The last four characters of a long code stay, so that two people can tell which one they talk about.

    Args:
        code: The secret.
        reveal: Whether to show it.
    """
    if reveal or not code:
        return code
    return MASK + code[-4:] if len(code) >= 12 and "/" not in code else MASK


def money(value: Decimal | None, currency: str | None = "") -> str:
    """Return an amount for people: `INR 1,250.50`.

    Args:
        value: The amount; None is a dash.
        currency: Its currency.
    """
    if value is None:
        return "-"
    whole = value == value.to_integral_value()
    text = f"{value.quantize(Decimal(1)):,f}" if whole and abs(value) < 10**24 else f"{value:,f}"
    return f"{currency} {text}" if currency else text


def amounts(by_currency: Mapping[str, Decimal]) -> str:
    """Return sums by currency: `INR 1,250, USD 40`."""
    return ", ".join(money(value, currency) for currency, value in sorted(by_currency.items())) or "nothing"


def words(text: str | None) -> str:
    """Return the vendor's words as they read: its catalogue writes `&amp;` for `&`."""
    return html.unescape(text or "")


def count(number: int, word: str) -> str:
    """Return a number with its noun: `1 row`, `1,000 rows`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def duration(seconds: float) -> str:
    """Return a time for people: `0:07`, `17:05`, `16:50:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def public(value: Any, *, reveal: bool = False) -> Any:
    """Return a reply as plain values under the names the library gives them, secrets masked.

    Args:
        value: A struct, or what structs hold.
        reveal: Whether codes, PINs and links are shown.
    """
    match value:
        case Secret():
            return mask(value.reveal(), reveal=reveal)
        case msgspec.Struct():
            return {name: public(_read(value, name), reveal=reveal) for name in _names(type(value))}
        case msgspec.Raw():
            return msgspec.json.decode(value)
        case Enum():
            return value.value
        case date():  # and datetime, which is one
            return value.isoformat()
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(key): public(item, reveal=reveal) for key, item in items}
        case list() | tuple():
            return [public(item, reveal=reveal) for item in cast("Sequence[object]", value)]
        case _:
            return None if isinstance(value, bytes) else value


def _read(value: msgspec.Struct, name: str) -> Any:
    """Return an attribute; None where it cannot be read: one odd product must not cost the whole list."""
    try:
        return getattr(value, name)
    except DecodeError:
        return None


def _names(kind: type[msgspec.Struct]) -> list[str]:
    """Return the public names of a struct: its fields, and what it reads out of raw ones."""
    fields = [name for name in kind.__struct_fields__ if not name.endswith("_") and name != "raw"]
    read = [
        name
        for base in reversed(kind.__mro__)
        for name, member in vars(base).items()
        if isinstance(member, property) and not name.startswith("_") and name not in {"extra", "raw"}
    ]
    return list(dict.fromkeys(fields + read))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to standard output: drawn on a terminal, tab-separated elsewhere.

    Args:
        header: The columns' names.
        rows: The rows.
    """
    cells = ([_CONTROL.sub(" ", "" if cell is None else str(cell)) for cell in row] for row in rows)
    if not is_terminal(sys.stdout):
        for row in (list(header), *cells):
            out("\t".join(row))
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for name in header:
        drawn.add_column(name, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))  # no markup: the words are the vendor's
    try:
        console(sys.stdout).print(drawn)
    except (OSError, ValueError) as error:
        _silence(sys.stdout)
        note_lost(error)


def console(stream: TextIO) -> "Console":
    """Return what draws on a terminal, as wide as that is.

    The library believes any COLUMNS and LINES, and draws nothing at all for 0. What makes no sense is passed over here.

    Args:
        stream: The terminal.
    """
    from rich.console import Console

    return Console(
        file=stream,
        width=_size("COLUMNS", stream, least=20, usual=80),
        height=_size("LINES", stream, least=2, usual=24),
    )


def _size(name: str, stream: TextIO, *, least: int, usual: int) -> int | None:
    """Return a size of the terminal where the environment tells one; None lets the library look, and follow changes."""
    given = os.environ.get(name)
    if given is None:
        return None
    if _SIZE.fullmatch(given) and int(given) >= least:
        return int(given)
    with suppress(OSError, ValueError):
        size = os.get_terminal_size(stream.fileno())
        return max(size.columns if name == "COLUMNS" else size.lines, least) if size.columns and size.lines else usual
    return usual
