"""An answer without a type: its plain values, its rows, and the fields no struct knows."""

import json
import re
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.secrets import RawReply

__all__ = ["UNTYPED", "Rows", "extra_fields", "read_untyped"]

T = TypeVar("T")

UNTYPED: Final = msgspec.json.Decoder(float_hook=Decimal)
"""Decodes any JSON, fractions as Decimal."""


def read_untyped(body: bytes | str) -> object:
    """Decode JSON into plain values, fractions as Decimal.

    What other writers of JSON let pass is read as well: half a surrogate pair and bytes that are no UTF-8 (as U+FFFD),
    control characters in texts, a byte order mark, NaN and Infinity. The last two come as Decimals that are not finite,
    which no number is read from.

    Args:
        body: The JSON.

    Raises:
        DecodeError: When it is no JSON all the same, or holds what Python has no value for (an exponent beyond all
            bounds, a number of thousands of digits); the content is not repeated.
    """
    try:
        return UNTYPED.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, ArithmeticError):
        pass
    try:
        return _read_leniently(body)
    except (UnicodeError, RecursionError, ValueError, ArithmeticError):
        pass
    # Outside the handlers: the errors of both readers hold the answer, codes included.
    raise DecodeError("the answer is no valid JSON")


def _read_leniently(body: bytes | str) -> object:
    text = body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else body
    return _mended_value(_LENIENT.decode(text))


def _whole(object_: list[tuple[str, Any]]) -> dict[str, object]:
    """Make an object of its fields, with U+FFFD for each half of a surrogate pair: no encoder takes those."""
    return {_mended(name): _mended_value(value) for name, value in object_}


def _mended_value(value: object) -> object:
    if isinstance(value, str):
        return _mended(value)
    return [_mended_value(item) for item in value] if isinstance(value, list) else value


def _mended(text: str) -> str:
    return _HALVES.sub("\N{REPLACEMENT CHARACTER}", text)


_HALVES: Final = re.compile("[\ud800-\udfff]")
_LENIENT: Final = json.JSONDecoder(object_pairs_hook=_whole, parse_float=Decimal, parse_constant=Decimal, strict=False)


class Rows(tuple[T, ...]):  # noqa: SLOT001 - a tuple with a slot cannot be
    """The rows of a list reply, with the answer they came in.

    Attributes:
        raw: The answer's bytes; None where the rows came from elsewhere.
    """

    raw: RawReply | None = None

    def __reduce__(self) -> tuple[type[tuple[T, ...]], tuple[tuple[T, ...]]]:
        return tuple, (tuple(self),)  # pickled without the answer


def extra_fields(raw: RawReply | bytes | None, path: tuple[str, ...], known: frozenset[str]) -> dict[str, object]:
    """Return the fields of a raw reply that its struct does not know.

    Args:
        raw: The answer's bytes.
        path: Where in it the reply lies.
        known: The wire names the struct has.

    Raises:
        DecodeError: When something in the answer that no field asked for cannot be read.
    """
    if raw is None:
        return {}
    value = read_untyped(raw.reveal() if isinstance(raw, RawReply) else raw)
    for key in path:
        value = cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return {name: item for name, item in fields.items() if name not in known}
