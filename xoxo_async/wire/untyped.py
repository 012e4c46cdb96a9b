"""Read an answer without a type: its plain values, its rows, and the fields that no struct has."""

import json
import re
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar, cast

import msgspec

from xoxo_async.errors import DecodeError

__all__ = ["UNTYPED", "Rows", "extra_fields", "read_untyped"]

T = TypeVar("T")

UNTYPED: Final = msgspec.json.Decoder(float_hook=Decimal)
"""A decoder of any JSON that reads fractions as Decimal."""


def read_untyped(body: bytes | str) -> object:
    """Decode JSON into plain values, and read fractions as Decimal.

    It also accepts the errors of common JSON writers: half a surrogate pair and bytes that are no UTF-8 (both become
    U+FFFD), control characters in texts, a byte order mark, NaN and Infinity. The last two become Decimals that are not
    finite, which the SDK reads nowhere as a number.

    Args:
        body: The JSON.

    Raises:
        DecodeError: The text is no JSON, or holds a number that Python cannot represent (a huge exponent, thousands of
            digits). The message does not repeat the content.
    """
    try:
        return UNTYPED.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, ArithmeticError):
        pass
    try:
        return _read_leniently(body)
    except (UnicodeError, RecursionError, ValueError, ArithmeticError):
        pass
    # Raised outside the handlers, because the errors of both readers hold the answer with its codes.
    raise DecodeError("the answer is no valid JSON")


def _read_leniently(body: bytes | str) -> object:
    text = body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else body
    return _mended_value(_LENIENT.decode(text))


def _whole(object_: list[tuple[str, Any]]) -> dict[str, object]:
    """Make an object of its fields, with U+FFFD for each half of a surrogate pair, which no encoder accepts."""
    return {_mended(name): _mended_value(value) for name, value in object_}


def _mended_value(value: object) -> object:
    if isinstance(value, str):
        return _mended(value)
    return [_mended_value(item) for item in value] if isinstance(value, list) else value


def _mended(text: str) -> str:
    return _HALVES.sub("\N{REPLACEMENT CHARACTER}", text)


_HALVES: Final = re.compile("[\ud800-\udfff]")
_LENIENT: Final = json.JSONDecoder(object_pairs_hook=_whole, parse_float=Decimal, parse_constant=Decimal, strict=False)


class Revealing(Protocol):
    """A raw answer."""

    def reveal(self) -> bytes:
        """Return its bytes."""
        ...


class Rows(tuple[T, ...]):  # noqa: SLOT001 - a tuple with a slot cannot be
    """The rows of a list reply, with the answer that held them.

    Attributes:
        raw: The answer's bytes; None where the rows come from elsewhere.
    """

    raw: Revealing | None = None

    def __reduce__(self) -> tuple[type[tuple[T, ...]], tuple[tuple[T, ...]]]:
        return tuple, (tuple(self),)  # a pickle does not hold the raw answer, whose codes would be plain text


def extra_fields(raw: Revealing | bytes | None, path: tuple[str, ...], known: frozenset[str]) -> dict[str, object]:
    """Return the fields of a raw reply that its struct does not have.

    Args:
        raw: The answer's bytes.
        path: The keys that lead to the reply within the answer.
        known: The wire names of the struct's fields.

    Raises:
        DecodeError: A part of the answer that no known field needs cannot be read.
    """
    if raw is None:
        return {}
    value = read_untyped(raw if isinstance(raw, bytes) else raw.reveal())
    for key in path:
        value = cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return {name: item for name, item in fields.items() if name not in known}
