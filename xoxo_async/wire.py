"""The vendor's loose types made firm: secrets, open enums, money, dates, and the decoder that takes all their forms."""

import hmac
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Any, Final, Generic, NoReturn, Self, TypeVar, Union, cast, get_args, get_origin

import msgspec

from xoxo_async.errors import ConfigError, DecodeError

__all__ = [
    "DeliveryStatus",
    "Masked",
    "OpenEnum",
    "OrderStatus",
    "RawReply",
    "ReplyDecoder",
    "Rows",
    "Secret",
    "ValueType",
    "VoucherType",
    "extra_fields",
    "fit",
    "parse_date",
    "parse_datetime",
    "read_untyped",
    "to_decimal",
]

T = TypeVar("T")

_MAX_EXPONENT: Final = 30
_LARGEST: Final = 10 ** (_MAX_EXPONENT + 1)


class Secret:
    """A value that is cash or opens the account: shown only by `reveal()`.

    Its repr, str and format are a mask; it cannot be pickled, and JSON encoders refuse it.

    Args:
        value: The value to guard.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. What happens to it from here on is the caller's to guard."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_octets(self), _octets(other))

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied to disk: reveal() it where it must go")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


def _octets(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")


class OpenEnum(StrEnum):
    """An enum of the vendor's words: case does not matter, and a word never seen before is kept, not refused."""

    @classmethod
    def _aliases(cls) -> Mapping[str, str]:
        return {}

    @classmethod
    def _missing_(cls, value: object) -> Self:
        text = value if isinstance(value, str) else str(value)
        folded = text.strip().lower()
        wanted = cls._aliases().get(folded, folded)
        for member in cls:
            if member.lower() == wanted:
                return member
        unknown = str.__new__(cls, folded)  # not kept: the vendor's vocabulary must not grow our memory
        unknown._name_ = unknown._value_ = folded
        return unknown


class DeliveryStatus(OpenEnum):
    """Whether the codes have come. `orderStatus` says only that the order was accepted: never read that as delivery."""

    NONE = ""
    DELIVERED = "delivered"
    PENDING = "pending"
    CANCELLED = "cancelled"

    @classmethod
    def _aliases(cls) -> Mapping[str, str]:
        return {"canceled": "cancelled"}  # the vendor's pages write both


class OrderStatus(OpenEnum):
    """Whether the order was accepted. `complete` is the only word ever seen, and says nothing of delivery."""

    NONE = ""
    COMPLETE = "complete"


class ValueType(OpenEnum):
    """Whether a product has a list of values, or any value within bounds."""

    NONE = ""
    FIXED_DENOMINATION = "fixed_denomination"
    OPEN_VALUE = "open_value"


class VoucherType(OpenEnum):
    """What `code` holds. A `url` voucher may carry a PIN all the same."""

    NONE = ""
    CODE = "code"
    CODE_PIN = "codePin"  # spelled as on the wire: that way the decoder finds it without calling Python
    URL = "url"
    URL_PIN = "urlPin"


def to_decimal(value: object) -> Decimal | None:
    """Read money in any documented form: a number, a numeric string, `""` or null.

    Args:
        value: As decoded; fractions as Decimal, never as float.

    Returns:
        The exact amount, None for none.

    Raises:
        DecodeError: For anything else, NaN and absurd magnitudes included; the value itself is not repeated.
    """
    if type(value) is int and -_LARGEST < value < _LARGEST:
        return Decimal(value)  # most amounts of a catalogue; what follows says the same of it, slowly
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise DecodeError(f"expected an amount of money, got {type(value).__name__}")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except (InvalidOperation, ValueError):
        raise DecodeError("expected an amount of money, got a text that is none") from None
    # What no amount can be: writing out 1E+999999999 would fill the memory, and comparing with NaN raises.
    if not number.is_finite() or abs(number.adjusted()) > _MAX_EXPONENT:
        raise DecodeError("expected an amount of money, got one that is not finite or absurdly large or small")
    return number


def parse_date(text: object) -> date | None:
    """Read a date in any documented form: `YYYY-MM-DD` or `DD-MM-YYYY`, with or without a time; None for no date.

    Blank and zero dates (`0000-00-00`) are None. So is what is no date at all: the raw text stays in the reply.
    """
    moment = parse_datetime(text)
    return moment.date() if moment is not None else None


def parse_datetime(text: object) -> datetime | None:
    """Read a date and time as the vendor writes it: without a zone (most likely IST). None as for `parse_date`.

    The result never has a zone, so that any two can be compared. Where the text has one, or is an epoch timestamp (in
    seconds or milliseconds), the result is in UTC.
    """
    if not isinstance(text, str):
        return None
    text = text.strip()
    try:
        if text.isascii() and text.isdigit() and len(text) in (10, 13):
            return _EPOCH + timedelta(seconds=int(text[:10]))
        if text[2:3] == "-" and text[5:6] == "-":
            text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive like all the vendor's times
_UNTYPED: Final = msgspec.json.Decoder(float_hook=Decimal)


def read_untyped(body: bytes | str) -> object:
    """Decode JSON into plain values, fractions as Decimal.

    Args:
        body: The JSON.

    Raises:
        DecodeError: When it is no valid JSON, or holds what Python has no value for (an exponent beyond all bounds, a
            number of thousands of digits, bytes that are no UTF-8); the content is not repeated.
    """
    try:
        return _UNTYPED.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, ArithmeticError):
        raise DecodeError("the answer is no valid JSON") from None


class RawReply:
    """The bytes of an answer, codes included: shown only by `reveal()`, as a `Secret`.

    Args:
        body: The bytes.
    """

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._body

    def __repr__(self) -> str:
        return f"RawReply(<{len(self._body)} bytes>)"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a raw reply may hold voucher codes, it cannot be pickled: reveal() it where it must go")


class Masked:
    """A value of any form with something in it that must not be seen: shown only by `reveal()`.

    Args:
        value: As decoded.
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value: Final = value

    def reveal(self) -> object:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Masked(<{type(self._value).__name__}>)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and bool(self._value == other.reveal())

    def __hash__(self) -> int:
        return hash(Masked)  # the value may have none

    def __reduce__(self) -> tuple[type["Masked"], tuple[str]]:
        if isinstance(self._value, str):
            return Masked, (self._value,)
        raise TypeError("a masked value may be bearer cash, it cannot be pickled: reveal() it where it must go")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


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


def _hook(kind: type, value: object) -> object:
    """Build the types msgspec has no notion of, on both paths."""
    if kind is Secret:
        if type(value) is str:
            return Secret(value)
        # A numeric code loses no digit: integers and fractions keep their text.
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Secret(str(value))
        if value is None:
            return Secret("")
        raise ValueError("expected a text")
    if kind is object:
        return value  # a caller's own struct says `object` where msgspec's word is `Any`
    if kind is Masked:
        return Masked(value)
    if kind is RawReply:
        return RawReply(b"")  # a field of the answer with our own name for the answer itself, which comes afterwards
    raise NotImplementedError(kind)


class ReplyDecoder(Generic[T]):
    """Decode answers into one type: in one pass where the answer is as declared, with tolerance where it is not.

    Args:
        kind: The type.

    Raises:
        ConfigError: When the type is none that JSON can be read into.
    """

    __slots__ = ("_check", "_fast", "_kind")

    def __init__(self, kind: type[T]) -> None:
        self._kind: Final = kind
        try:
            self._fast: Final = msgspec.json.Decoder(kind, strict=False, dec_hook=_hook, float_hook=Decimal)
            self._check: Final = _money_check(kind, {})
        except (TypeError, NameError, RecursionError, NotImplementedError) as error:
            raise ConfigError(f"answers cannot be read as {kind!r}: {error}") from error

    def decode(self, body: bytes) -> T:
        """Decode one answer.

        Args:
            body: Its bytes.

        Returns:
            The value.

        Raises:
            DecodeError: When it is no JSON or cannot be read as the type; names the place, never the value.
        """
        try:
            value = self._fast.decode(body)
            if self._check is not None:
                self._check(value)
        except msgspec.ValidationError:
            pass  # a form that is documented, or that is not
        except _Implausible:
            pass  # the slow road names the place
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
            raise DecodeError("the answer is no valid JSON") from None
        else:
            return value
        # Outside the handler: msgspec's messages may quote a value, and would be this error's context.
        return self._decode_tolerantly(body)

    def _decode_tolerantly(self, body: bytes) -> T:
        try:
            return cast("T", fit(_UNTYPED.decode(body), self._kind, "$"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
            raise DecodeError("the answer cannot be read") from None


class _Implausible(Exception):  # noqa: N818 - never leaves this module
    """An amount of money that no account has."""


_Check = Callable[[Any], None]


def _money_check(kind: Any, known: dict[Any, "_Check | None"]) -> _Check | None:
    """Return what raises `_Implausible` for money no account has; None for a type without money.

    msgspec itself takes "NaN" and 1E+999999999 for a Decimal. This runs after every answer with money in it.

    Args:
        kind: The type.
        known: The checks of the structs around it: one that holds itself is met again.
    """
    if get_origin(kind) in (Union, types.UnionType):
        found = [check for inner in get_args(kind) if (check := _money_check(inner, known)) is not None]
        return found[0] if found else None  # an optional one: every check takes None
    if get_origin(kind) is tuple:
        each = [_money_check(inner, known) for inner in get_args(kind) if inner is not Ellipsis]
        if _is_list(kind):
            return None if each[0] is None else partial(_check_items, each[0])
        return partial(_check_fixed, each) if any(each) else None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in known:
            known[kind] = lambda struct: _check_again(known[kind], struct)
            known[kind] = _struct_check(kind, known)
        return known[kind]
    return _check_amount if kind is Decimal else None


def _check_again(check: _Check | None, struct: Any) -> None:
    if check is not None:
        check(struct)


def _is_list(kind: Any) -> bool:
    """Whether a tuple type has any number of one kind of item."""
    return get_args(kind)[1:] == (Ellipsis,)


def _check_amount(amount: Decimal | None) -> None:
    if amount is not None and not (-31 < amount.adjusted() < 31 and amount.is_finite()):
        raise _Implausible


def _check_items(each: Callable[[Any], None], items: tuple[Any, ...] | None) -> None:
    for item in items or ():
        each(item)


def _check_fixed(each: list[_Check | None], items: tuple[Any, ...] | None) -> None:
    for check, item in zip(each, items or (), strict=False):
        _check_again(check, item)


def _struct_check(kind: type[msgspec.Struct], known: dict[Any, _Check | None]) -> _Check | None:
    fields = msgspec.structs.fields(kind)
    checks = [(field.name, check) for field in fields if (check := _money_check(field.type, known)) is not None]
    money = [name for name, check in checks if check is _check_amount]
    nested = [(attrgetter(name), check) for name, check in checks if check is not _check_amount]
    if not checks:
        return None
    # One of them twice: of a single name there would be no tuple.
    amounts: Callable[[Any], tuple[Decimal | None, ...]] = attrgetter(*money, money[0]) if money else lambda _: ()

    def check_struct(struct: Any) -> None:
        if struct is None:
            return
        for amount in amounts(struct):  # not a call each: most of the cost would be the calls
            if amount is not None and not (-31 < amount.adjusted() < 31 and amount.is_finite()):
                raise _Implausible
        for get, check in nested:
            check(get(struct))

    return check_struct


def fit(value: object, kind: Any, path: str) -> object:
    """Make a plain value fit a type, in every way the vendor's pages show; the slow road.

    Args:
        value: As `read_untyped` gives it.
        kind: The type.
        path: Where in the answer it stood, for the error.

    Raises:
        DecodeError: When it does not fit; names the place, never the value.
    """
    if kind is object or kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _fit_optional(value, get_args(kind), path)
    if origin is tuple:
        return _fit_items(value, get_args(kind)[0], path) if _is_list(kind) else _fit_fixed(value, kind, path)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _fit_struct(value, kind, path)
    fit = _SCALARS.get(kind)
    if fit is not None:
        return fit(value, path)
    if isinstance(kind, type) and issubclass(kind, OpenEnum):
        return kind(_fit_str(value, path))
    if kind is Secret:
        return Secret(_fit_str(value, path))
    return _fit_other(value, kind, path)


def _fit_other(value: object, kind: Any, path: str) -> object:
    """Kinds only a caller's own operation has: read as msgspec reads them."""
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_hook)
    except (msgspec.ValidationError, ValueError, TypeError):
        raise _unfit(path, getattr(kind, "__name__", str(kind)), value) from None


_BLANKS: Final[tuple[object, ...]] = ("", [], {})


def _fit_optional(value: object, kinds: tuple[Any, ...], path: str) -> object:
    inner = [kind for kind in kinds if kind is not type(None)]
    plain = value.strip() if isinstance(value, str) else value
    blank = value is None or (plain in _BLANKS and inner != [str] and not _takes_blank(value, inner))
    if blank and type(None) in kinds:
        return None
    for kind in inner[:-1]:
        try:
            return fit(value, kind, path)
        except DecodeError:
            continue
    return fit(value, inner[-1], path)


def _takes_blank(value: object, kinds: list[Any]) -> bool:
    """An empty list for a list, an empty object for a struct: those mean what they say."""
    return any(
        (get_origin(kind) is tuple and isinstance(value, list))
        or (isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict))
        for kind in kinds
    )


def _fit_items(value: object, kind: Any, path: str) -> tuple[object, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str) and kind in (str, int, Decimal):
        items: list[object] = [part.strip() for part in value.split(",") if part.strip()]  # the vendor's comma lists
    elif isinstance(value, list):
        items = cast("list[object]", value)
    else:
        raise _unfit(path, "list", value)
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return tuple(fit(item, kind, f"{path}[{index}]") for index, item in enumerate(items))
    check = _money_check(kind, {})
    return tuple(_fit_item(item, kind, f"{path}[{index}]", check) for index, item in enumerate(items))


def _fit_item(value: object, kind: type[msgspec.Struct], path: str, check: _Check | None) -> object:
    """Take an item as declared where it can be: one odd product must not send a page of a thousand the slow road."""
    with suppress(msgspec.ValidationError, _Implausible, ValueError, TypeError, ArithmeticError):
        item = msgspec.convert(value, kind, strict=False, dec_hook=_hook)
        if check is not None:
            check(item)
        return item
    return fit(value, kind, path)  # outside the handler: msgspec's messages may quote a value


def _fit_fixed(value: object, kind: Any, path: str) -> tuple[object, ...]:
    kinds = get_args(kind)
    if not isinstance(value, list) or len(cast("list[object]", value)) != len(kinds):
        raise _unfit(path, f"list of {len(kinds)}", value)
    items = cast("list[object]", value)
    return tuple(fit(item, kinds[index], f"{path}[{index}]") for index, item in enumerate(items))


def _fit_struct(value: object, kind: type[msgspec.Struct], path: str) -> msgspec.Struct:
    if value is None or value in ("", []):
        value = {}  # PHP back ends write an empty object as a list
    if not isinstance(value, dict):
        raise _unfit(path, "object", value)
    given = cast("dict[str, object]", value)
    fitted: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in given:
            item = given[field.encode_name]
            place = f"{path}.{field.encode_name}"
            if item is None and not field.required and not _takes_none(field.type):
                continue  # null where the vendor has nothing: the default says the same
            fitted[field.name] = fit(item, field.type, place)
        elif field.required:
            raise DecodeError(f"the answer lacks {path}.{field.encode_name}")
    return kind(**fitted)


def _takes_none(kind: Any) -> bool:
    return kind is object or type(None) in get_args(kind)


def _fit_str(value: object, path: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | Decimal):
        return str(value)
    raise _unfit(path, "text", value)


def _fit_int(value: object, path: str) -> int:
    number = _fit_decimal(value, path)
    if number != number.to_integral_value():
        raise _unfit(path, "whole number", value)
    return int(number)


def _fit_decimal(value: object, path: str) -> Decimal:
    try:
        number = to_decimal(value)
    except DecodeError as error:
        raise DecodeError(f"{path}: {error.message}") from None
    if number is None:
        raise DecodeError(f"{path}: expected an amount of money, got none")
    return number


def _fit_bool(value: object, path: str) -> bool:
    text = _fit_str(value, path).strip().lower()
    if text in ("1", "true", "yes"):
        return True
    if text in ("0", "false", "no", ""):
        return False
    raise _unfit(path, "yes or no", value)


def _fit_none(value: object, path: str) -> None:
    if value is not None:
        raise _unfit(path, "null", value)


_SCALARS: Final[dict[Any, Callable[[object, str], object]]] = {
    str: _fit_str,
    int: _fit_int,
    Decimal: _fit_decimal,
    bool: _fit_bool,
    type(None): _fit_none,
}


def _unfit(path: str, wanted: str, value: object) -> DecodeError:
    return DecodeError(f"{path}: expected {wanted}, got {type(value).__name__}")
