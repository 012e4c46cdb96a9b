"""The vendor's loose types made firm: secrets, open enums, money, dates, and the decoder that takes all their forms."""

import hmac
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, Generic, NoReturn, Self, TypeVar, Union, cast, get_args, get_origin

import msgspec

from xoxo_async.errors import DecodeError

__all__ = [
    "DeliveryStatus",
    "OpenEnum",
    "ReplyDecoder",
    "Secret",
    "VoucherType",
    "extra_fields",
    "parse_date",
    "parse_datetime",
    "to_decimal",
]

T = TypeVar("T")

_MAX_EXPONENT: Final = 30


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
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied to disk: reveal() it where it must go")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


class OpenEnum(StrEnum):
    """An enum of the vendor's words: case does not matter, and a word never seen before is kept, not refused."""

    @classmethod
    def _aliases(cls) -> Mapping[str, str]:
        return {}

    @classmethod
    def _missing_(cls, value: object) -> Self:
        text = value if isinstance(value, str) else str(value)
        folded = text.strip().lower()
        member = cls._value2member_map_.get(cls._aliases().get(folded, folded))
        if member is not None:
            return cast("Self", member)
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


class VoucherType(OpenEnum):
    """What `code` holds. A `url` voucher may carry a PIN all the same."""

    NONE = ""
    CODE = "code"
    CODE_PIN = "codepin"
    URL = "url"
    URL_PIN = "urlpin"


def to_decimal(value: object) -> Decimal | None:
    """Read money in any documented form: a number, a numeric string, `""` or null.

    Args:
        value: As decoded; fractions as Decimal, never as float.

    Returns:
        The exact amount, None for none.

    Raises:
        DecodeError: For anything else, NaN and absurd magnitudes included; the value itself is not repeated.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise DecodeError(f"expected an amount of money, got {type(value).__name__}")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except (InvalidOperation, ValueError):
        raise DecodeError("expected an amount of money, got a text that is none") from None
    return checked_decimal(number)


def checked_decimal(number: Decimal) -> Decimal:
    """Return an amount, or raise `DecodeError` for what no amount can be: arithmetic on 1E+999999999 never ends."""
    if not number.is_finite() or abs(number.adjusted()) > _MAX_EXPONENT:
        raise DecodeError("an amount of money is not finite or absurdly large")
    return number


def parse_date(text: object) -> date | None:
    """Read a date in any documented form: `YYYY-MM-DD` or `DD-MM-YYYY`, with or without a time; None for no date.

    Blank and zero dates (`0000-00-00`) are None. So is what is no date at all: the raw text stays in the reply.
    """
    moment = parse_datetime(text)
    return moment.date() if moment is not None else None


def parse_datetime(text: object) -> datetime | None:
    """Read a date and time as the vendor writes it: without a zone (most likely IST). None as for `parse_date`."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    if len(text) >= 10 and text[2:3] == "-" and text[5:6] == "-":
        text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_UNTYPED: Final = msgspec.json.Decoder(float_hook=Decimal)


def extra_fields(raw: bytes | None, path: tuple[str, ...], known: frozenset[str]) -> dict[str, object]:
    """Return the fields of a raw reply that its struct does not know.

    Args:
        raw: The answer's bytes.
        path: Where in it the reply lies.
        known: The wire names the struct has.
    """
    if raw is None:
        return {}
    value: object = _UNTYPED.decode(raw)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return {k: v for k, v in value.items() if k not in known} if isinstance(value, dict) else {}


def _hook(kind: type, value: object) -> object:
    """Build the types msgspec has no notion of, on both paths."""
    if kind is Secret:
        # A numeric code loses no digit: integers and fractions keep their text.
        if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
            return Secret(str(value))
        raise ValueError("expected a text")
    if kind is object:
        return value  # a caller's own struct says `object` where msgspec's word is `Any`
    raise NotImplementedError(kind)


class ReplyDecoder(Generic[T]):
    """Decode answers into one type: in one pass where the answer is as declared, with tolerance where it is not.

    Args:
        kind: The type.
    """

    __slots__ = ("_fast", "_kind")

    def __init__(self, kind: type[T]) -> None:
        self._kind: Final = kind
        self._fast: Final = msgspec.json.Decoder(kind, strict=False, dec_hook=_hook, float_hook=Decimal)

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
            return self._fast.decode(body)
        except msgspec.ValidationError:
            pass  # a form that is documented, or that is not: the slow road tells
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
            raise DecodeError("the answer is no valid JSON") from None
        try:
            return cast("T", _fit(_UNTYPED.decode(body), self._kind, "$"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
            raise DecodeError("the answer cannot be read") from None


def _fit(value: object, kind: Any, path: str) -> object:
    """Make a plain value fit a type, in every way the vendor's pages show; the slow road."""
    if kind is object or kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _fit_optional(value, get_args(kind), path)
    if origin is tuple:
        return _fit_items(value, get_args(kind)[0], path)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _fit_struct(value, kind, path)
    fit = _SCALARS.get(kind)
    if fit is not None:
        return fit(value, path)
    if isinstance(kind, type) and issubclass(kind, OpenEnum):
        return kind(_fit_str(value, path))
    if kind is Secret:
        return Secret(_fit_str(value, path))
    raise _unfit(path, getattr(kind, "__name__", str(kind)), value)


def _fit_optional(value: object, kinds: tuple[Any, ...], path: str) -> object:
    inner = [kind for kind in kinds if kind is not type(None)]
    if type(None) in kinds:
        blank = value in ("", [], {}) if isinstance(value, str | list | dict) else value is None
        if value is None or (blank and inner != [str] and not _takes_blank(value, inner)):
            return None
    for kind in inner[:-1]:
        try:
            return _fit(value, kind, path)
        except DecodeError:
            continue
    return _fit(value, inner[-1], path)


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
        value = [part.strip() for part in value.split(",") if part.strip()]  # the vendor's comma lists
    if not isinstance(value, list):
        raise _unfit(path, "list", value)
    return tuple(_fit(item, kind, f"{path}[{index}]") for index, item in enumerate(value))


def _fit_struct(value: object, kind: type[msgspec.Struct], path: str) -> msgspec.Struct:
    if value is None or value in ("", []):
        value = {}  # PHP back ends write an empty object as a list
    if not isinstance(value, dict):
        raise _unfit(path, "object", value)
    fitted: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in value:
            item = value[field.encode_name]
            place = f"{path}.{field.encode_name}"
            if item is None and not field.required and not _takes_none(field.type):
                continue  # null where the vendor has nothing: the default says the same
            fitted[field.name] = _fit(item, field.type, place)
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
    if number is None or number != number.to_integral_value():
        raise _unfit(path, "whole number", value)
    return int(number)


def _fit_decimal(value: object, path: str) -> Decimal | None:
    try:
        return to_decimal(value)
    except DecodeError as error:
        raise DecodeError(f"{path}: {error.message}") from None


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
