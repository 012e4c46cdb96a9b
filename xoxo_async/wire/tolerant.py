"""Fit plain values to a type with tolerance, in every form that the vendor's pages show."""

import types
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, Union, cast, get_args, get_origin

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.amounts import Check, ImplausibleError, is_list, money_check, read_amount
from xoxo_async.wire.enums import OpenEnum
from xoxo_async.wire.secrets import Secret, build

__all__ = ["fit"]


def fit(value: object, kind: Any, path: str) -> object:
    """Fit a plain value to a type, in every form that the vendor's pages show. This is slow.

    Args:
        value: A value from `read_untyped`.
        kind: The type.
        path: The place of the value in the answer, for the error.

    Raises:
        DecodeError: The value does not fit. The message names the place, never the value.
    """
    if kind is object or kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _fit_optional(value, get_args(kind), path)
    if origin is tuple:
        return _fit_items(value, get_args(kind)[0], path) if is_list(kind) else _fit_fixed(value, kind, path)
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
    """Fit a type that only a caller's own operation has. msgspec reads it."""
    if isinstance(value, Decimal) and not value.is_finite():
        raise _unfit(path, getattr(kind, "__name__", str(kind)), value)  # msgspec would accept NaN for a float
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=build)
    except (msgspec.ValidationError, ValueError, TypeError):
        raise _unfit(path, getattr(kind, "__name__", str(kind)), value) from None


_EMPTIES: Final[tuple[object, ...]] = ([], {})
_BLANKS: Final[tuple[object, ...]] = ("", *_EMPTIES)


def _fit_optional(value: object, kinds: tuple[Any, ...], path: str) -> object:
    inner = [kind for kind in kinds if kind is not type(None)]
    plain = value.strip() if isinstance(value, str) else value
    # For a text, "" is a value, and only the empty list or object of a PHP back end means no value.
    blanks = _EMPTIES if inner == [str] else _BLANKS
    blank = value is None or (plain in blanks and not _takes_blank(value, inner))
    if blank and type(None) in kinds:
        return None
    for kind in inner[:-1]:
        try:
            return fit(value, kind, path)
        except DecodeError:
            continue
    return fit(value, inner[-1], path)


def _takes_blank(value: object, kinds: list[Any]) -> bool:
    """Return whether one of the types is a list for an empty list, or a struct for an empty object."""
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
    check = money_check(kind)
    return tuple(_fit_item(item, kind, f"{path}[{index}]", check) for index, item in enumerate(items))


def _fit_item(value: object, kind: type[msgspec.Struct], path: str, check: Check | None) -> object:
    """Read an item as declared where that works, so that one odd product does not slow down a page of a thousand."""
    with suppress(msgspec.ValidationError, ImplausibleError, ValueError, TypeError, ArithmeticError):
        item = msgspec.convert(value, kind, strict=False, dec_hook=build)
        if check is not None:
            check(item)
        return item
    return fit(value, kind, path)  # outside the `with`, because msgspec's error may quote a value and become a context


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
    values = cast("dict[str, object]", value)
    fitted: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in values:
            item = values[field.encode_name]
            place = f"{path}.{field.encode_name}"
            if item is None and not field.required and not _takes_none(field.type):
                continue  # null means no value, so the default stands
            if item in _EMPTIES and not field.required and _is_text(field.type):
                continue  # a PHP back end writes an empty list or object for no value
            fitted[field.name] = fit(item, field.type, place)
        elif field.required:
            raise DecodeError(f"the answer lacks {path}.{field.encode_name}")
    return kind(**fitted)


def _is_text(kind: Any) -> bool:
    # A Secret is no text here, because a code that cannot be read must not look like a missing one.
    return kind is str or (isinstance(kind, type) and issubclass(kind, OpenEnum))


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
    if type(value) is int:
        return value
    text = value.strip() if isinstance(value, str) else ""
    try:
        if text.removeprefix("-").isdecimal():
            return int(text)  # an id may have any size, and an amount of money may not
        number = read_amount(value)
    except (ImplausibleError, ValueError):
        number = None
    if number is None or number != number.to_integral_value():
        raise _unfit(path, "whole number", value)
    return int(number)


def _fit_decimal(value: object, path: str) -> Decimal:
    try:
        number = read_amount(value)
    except ImplausibleError as error:
        raise DecodeError(f"{path}: {error}") from None
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
