"""Amounts of money: how one is read, and the check after decoding that none is larger than any account."""

import types
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from msgspec.structs import astuple

__all__ = ["Check", "ImplausibleError", "is_list", "money_check", "read_amount"]

_MAX_EXPONENT: Final = 30
_LARGEST: Final = 10 ** (_MAX_EXPONENT + 1)
_NOTHING: Final = Decimal(0)


class ImplausibleError(Exception):
    """A value is no amount of money, or one that no account has. Its message never repeats the value."""


Check = Callable[[Any], None]
"""Raises `ImplausibleError` for a value that holds such an amount. It takes None, which is no amount."""


def read_amount(value: object) -> Decimal | None:
    """Read an amount in any documented form, see `to_decimal`.

    Args:
        value: As decoded; fractions as Decimal, never as float.

    Returns:
        The exact amount, None for none.

    Raises:
        ImplausibleError: It is anything else, NaN and absurd magnitudes included.
    """
    if type(value) is int and -_LARGEST < value < _LARGEST:
        # Most amounts of a catalog are such numbers, and most of them 0: this is the short way to the same result.
        return Decimal(value) if value else _NOTHING
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ImplausibleError(f"expected an amount of money, got {type(value).__name__}")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except (InvalidOperation, ValueError):
        raise ImplausibleError("expected an amount of money, got a text that is none") from None
    # No amount is so large: writing out 1E+999999999 would fill the memory, and comparing with NaN raises.
    if not number.is_finite() or abs(number.adjusted()) > _MAX_EXPONENT:
        raise ImplausibleError("expected an amount of money, got one that is not finite or absurdly large or small")
    return number


def money_check(kind: Any) -> Check | None:
    """Return what raises `ImplausibleError` for money no account has; None for a type without money.

    msgspec itself reads "NaN" and 1E+999999999 as a Decimal, so this runs after every answer with money in it.

    Args:
        kind: The type.
    """
    return _check_of(kind, {}) if _holds_money(kind, ()) else None


def is_list(kind: Any) -> bool:
    """Return whether a tuple type has any number of one kind of item.

    Args:
        kind: The type.
    """
    return get_args(kind)[1:] == (Ellipsis,)


def _holds_money(kind: Any, around: tuple[Any, ...]) -> bool:
    """Return whether there is an amount in a type; `around` are the structs it is a part of: one may hold itself."""
    if kind is Decimal:
        return True
    if _is_struct(kind):
        inner = () if kind in around else tuple(field.type for field in msgspec.structs.fields(kind))
        return any(_holds_money(one, (*around, kind)) for one in inner)
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType, tuple) else ()
    return any(_holds_money(part, around) for part in parts)


def _check_of(kind: Any, known: dict[Any, Check]) -> Check:
    """Return the check of a type that holds money; `known` are the checks of the structs met so far."""
    if _is_struct(kind):
        return known.get(kind) or _struct_check(kind, known)
    if get_origin(kind) is tuple:
        return _tuple_check(kind, known)
    if get_origin(kind) in (Union, types.UnionType):
        return _union_check(kind, known)
    return _check_amount


def _check_amount(amount: Decimal | None) -> None:
    if amount is not None and not (-31 < amount.adjusted() < 31 and amount.is_finite()):
        raise ImplausibleError


def _struct_check(kind: type[msgspec.Struct], known: dict[Any, Check]) -> Check:
    holders = _holders(kind)
    if len(holders) == 1 and _struct_in(holders[0][1]) is not None:
        return _wrapper_check(kind, known)
    amounts = [index for index, one in holders if _is_amount(one)]
    others: list[tuple[int, Check]] = []

    def check(value: Any) -> None:
        if value is None:
            return
        # One call for all fields, and no call of `_check_amount` for a usual amount: 1 % of an order's instructions.
        values = astuple(value)
        for index in amounts:
            amount = values[index]
            # The exponent of NaN and of an infinity reads as 0, as that of 1 to 9 does.
            if amount is not None and not (
                -31 < (exponent := amount.adjusted()) < 31 and (exponent or amount.is_finite())
            ):
                raise ImplausibleError
        for index, check_other in others:
            check_other(values[index])

    known[kind] = check  # before the checks of its fields are made: one of them may be this
    others += [(index, _check_of(one, known)) for index, one in holders if index not in amounts]
    return check


def _wrapper_check(kind: type[msgspec.Struct], known: dict[Any, Check]) -> Check:
    """Return the check of structs around one struct, as an envelope is: one loop goes to the innermost of them."""
    path: list[int] = []
    holders, innermost = _holders(kind), kind
    while len(holders) == 1 and (inner := _struct_in(holders[0][1])) is not None:
        path.append(holders[0][0])
        innermost, holders = inner, _holders(inner)
    check_innermost = _check_of(innermost, known)

    def check(value: Any) -> None:
        for index in path:
            if value is None:
                return
            value = astuple(value)[index]
        check_innermost(value)

    return check


def _holders(kind: type[msgspec.Struct]) -> list[tuple[int, Any]]:
    """Return the fields of a struct that hold money: the place and the type of each."""
    fields = enumerate(msgspec.structs.fields(kind))
    return [(index, field.type) for index, field in fields if _holds_money(field.type, ())]


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a field holds, or may hold; None for a field of another type."""
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    kinds = [one for one in parts if one is not type(None)]
    return kinds[0] if len(kinds) == 1 and _is_struct(kinds[0]) else None


def _tuple_check(kind: Any, known: dict[Any, Check]) -> Check:
    if is_list(kind):
        check_item = _check_of(get_args(kind)[0], known)

        def check_list(items: Any) -> None:
            for item in items or ():
                check_item(item)

        return check_list
    checks = [(index, _check_of(one, known)) for index, one in enumerate(get_args(kind)) if _holds_money(one, ())]

    def check_fixed(items: Any) -> None:
        if items:
            for index, check_item in checks:
                check_item(items[index])

    return check_fixed


def _union_check(kind: Any, known: dict[Any, Check]) -> Check:
    kinds = [one for one in get_args(kind) if one is not type(None)]
    if len(kinds) == 1:  # an optional one: every check takes None
        return _check_of(kinds[0], known)
    checks = [(get_origin(one) or one, _check_of(one, known)) for one in kinds if _holds_money(one, ())]

    def check(value: Any) -> None:
        for one, check_one in checks:
            if isinstance(value, one):
                check_one(value)

    return check


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _is_amount(kind: Any) -> bool:
    return kind is Decimal or set(get_args(kind)) == {Decimal, type(None)}
