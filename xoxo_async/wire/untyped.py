"""An answer without a type: its plain values, its rows, and the fields no struct knows."""

from decimal import Decimal
from typing import Final, TypeVar, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.secrets import RawReply

__all__ = ["UNTYPED", "Rows", "extra_fields", "read_untyped"]

T = TypeVar("T")

UNTYPED: Final = msgspec.json.Decoder(float_hook=Decimal)
"""Decodes any JSON, fractions as Decimal."""


def read_untyped(body: bytes | str) -> object:
    """Decode JSON into plain values, fractions as Decimal.

    Args:
        body: The JSON.

    Raises:
        DecodeError: When it is no valid JSON, or holds what Python has no value for (an exponent beyond all bounds, a
            number of thousands of digits, bytes that are no UTF-8); the content is not repeated.
    """
    try:
        return UNTYPED.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, ArithmeticError):
        raise DecodeError("the answer is no valid JSON") from None


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
