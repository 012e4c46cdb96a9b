"""The base classes of what the SDK returns: how a reply is handed on, with its codes and personal data masked."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Final, TypeVar, cast

import msgspec

from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.wire.raw import Facts, RawReply
from xoxo_async.wire.secrets import Masked, Secret, mask

__all__ = ["Part", "Reply", "Reveal", "keep_answer", "shown_names", "with_answer_of"]

Reveal = bool | Collection[str]
"""What is shown: False nothing secret, True all of it, or the names of the fields that are shown."""

_LEFT_OUT: Final = frozenset({"raw", "extra", "count", "exit_code"})
"""Properties that are no part of what a reply says, or read the whole answer again."""

ReplyT = TypeVar("ReplyT", bound="Reply")

_HIDDEN: Final = "****"


class _Serializer:
    """Gives pydantic the serializer of a reply that stands where any object may stand. Only pydantic asks for it."""

    def __get__(self, _reply: object, kind: type[msgspec.Struct]) -> Any:
        try:
            from xoxo_async.wire.pydantic_schema import serializer_of  # noqa: PLC0415 - only pydantic calls this
        except ImportError as error:
            raise AttributeError("__pydantic_serializer__") from error
        return serializer_of(kind)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What every reply and its parts have: `to_dict`, and a schema for pydantic.

    Attributes:
        personal: The names of fields with data of a person; `to_dict` masks them.
    """

    personal: ClassVar[frozenset[str]] = frozenset()
    __pydantic_serializer__: ClassVar[Any] = _Serializer()

    def to_dict(self, reveal: Reveal = False) -> dict[str, Any]:
        """Return it as plain values for JSON: by the names of its attributes, with amounts and dates as texts.

        Amounts are strings, such as `"250.00"`; dates are ISO 8601. Voucher codes, PINs, links and tokens are masked,
        and so are e-mail addresses, phones and addresses of people. A value that cannot be read becomes None.

        Args:
            reveal: True shows everything. The names of fields, for example `{"code", "pin"}`, show these alone. From
                here on the caller has to protect them.

        Raises:
            ConfigError: `reveal` is neither a boolean nor names.

        Example:
            ```python
            order = await xoxo.orders.place(product_id=1001, denomination=500, po_number="INV-1")
            print(order.to_dict()["vouchers"][0]["code"])  # a mask
            print(order.to_dict(reveal={"code"})["vouchers"][0]["code"])
            ```
        """
        names: frozenset[str] | None = frozenset()
        if reveal is True:
            names = None
        elif isinstance(reveal, str) or not isinstance(reveal, bool | Collection):
            raise ConfigError('reveal must be True, False or names of fields, for example {"code", "pin"}')
        elif not isinstance(reveal, bool):
            names = frozenset(reveal)
        return _shown_struct(self, names)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the schema by which pydantic, and so FastAPI, checks, writes and documents it. pydantic calls this."""
        from xoxo_async.wire.pydantic_schema import schema_of  # noqa: PLC0415 - only pydantic calls this

        return schema_of(cls, source, handler, base=Part, names_of=shown_names)


class _Kept:
    """A place beside the fields of a struct: what is in it is never compared, encoded or pickled."""

    # A base class with a slot, because a field would be encoded, and a `__dict__` is one more object for each order
    # (measured: 2 % of an order's instructions).
    __slots__ = ("_answer",)


keep_answer: Final[Callable[[Any, Facts | RawReply | bytes | None], None]] = vars(_Kept)["_answer"].__set__
"""Keep in a reply what is known of its answer; the reply is frozen for everyone else."""

_answer_of: Final[Callable[[Any], Facts | RawReply | bytes | None]] = vars(_Kept)["_answer"].__get__


class Reply(Part, _Kept, frozen=True, kw_only=True):
    """A whole reply: it knows the answer that it was read from."""

    @property
    def raw(self) -> RawReply | None:
        """The answer: status, headers, times, attempts, and its body for whoever reveals it.

        None where it came from elsewhere, as a row of a page does. A call for one product or campaign, and one for
        filters, reads a list: then it is the answer with that list.
        """
        try:
            known = _answer_of(self)
        except AttributeError:
            return None
        if isinstance(known, Facts | bytes):
            known = RawReply(known) if isinstance(known, bytes) else RawReply.of(known)
            keep_answer(self, known)
        return known


def with_answer_of(reply: ReplyT, rows: object) -> ReplyT:
    """Return a reply that came as a row of a list, with the answer of the list as its own.

    Args:
        reply: The row.
        rows: The list, as an operation returns it.
    """
    raw = getattr(rows, "raw", None)
    if isinstance(raw, RawReply):
        keep_answer(reply, raw)
    return reply


@cache
def shown_names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names by which `to_dict` shows a struct: its public fields and properties.

    Args:
        kind: The struct.
    """
    fields = [name for name in kind.__struct_fields__ if not name.startswith("#")]
    found = [name for name in fields if not name.endswith("_")]
    for base in reversed(kind.__mro__):
        found += [
            name
            for name, value in vars(base).items()
            if isinstance(value, property) and not name.startswith("_") and name not in _LEFT_OUT and name not in found
        ]
    return tuple(found)


def _shown_struct(value: msgspec.Struct, names: frozenset[str] | None) -> dict[str, Any]:
    """Return a struct's values; `names` are the fields that are revealed, None for all."""
    kind = type(value)
    personal: frozenset[str] = getattr(kind, "personal", frozenset())
    shown: dict[str, Any] = {}
    for name in shown_names(kind):
        try:
            found = getattr(value, name)
        except DecodeError:
            found = None  # one odd fee does not fail a page of products
        reveal = names is None or name in names
        if name in personal and not reveal:
            shown[name] = _HIDDEN if found else None
        else:
            shown[name] = _shown(found, names, reveal)
    return shown


def _shown(value: Any, names: frozenset[str] | None, reveal: bool) -> Any:
    if isinstance(value, Secret):
        return mask(value.reveal(), reveal=reveal)
    if isinstance(value, Masked):
        return _shown(value.reveal(), names, reveal) if reveal else value.masked
    if isinstance(value, msgspec.Struct):
        return _shown_struct(value, names)
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): _shown(item, names, reveal or _named(key, names)) for key, item in items}
    if isinstance(value, tuple | list):
        return [_shown(item, names, reveal) for item in cast("Iterable[object]", value)]
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    return value.isoformat() if isinstance(value, date) else str(value)  # a datetime is a date


def _named(key: object, names: frozenset[str] | None) -> bool:
    return names is None or key in names
