"""The check after decoding: no amount of money that no account has."""

import types
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, Union, get_args, get_origin

import msgspec

__all__ = ["Check", "ImplausibleError", "is_list", "money_check"]


class ImplausibleError(Exception):
    """An amount of money that no account has."""


Check = Callable[[Any], None]


def money_check(kind: Any, known: dict[Any, "Check | None"]) -> Check | None:
    """Return what raises `ImplausibleError` for money no account has; None for a type without money.

    msgspec itself takes "NaN" and 1E+999999999 for a Decimal. This runs after every answer with money in it.

    Args:
        kind: The type.
        known: The checks of the structs around it: one that holds itself is met again.
    """
    if get_origin(kind) in (Union, types.UnionType):
        found = [check for inner in get_args(kind) if (check := money_check(inner, known)) is not None]
        return found[0] if found else None  # an optional one: every check takes None
    if get_origin(kind) is tuple:
        each = [money_check(inner, known) for inner in get_args(kind) if inner is not Ellipsis]
        if is_list(kind):
            return None if each[0] is None else partial(_check_items, each[0])
        return partial(_check_fixed, each) if any(each) else None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in known:
            known[kind] = lambda struct: _check_again(known[kind], struct)
            known[kind] = _struct_check(kind, known)
        return known[kind]
    return _check_amount if kind is Decimal else None


def _check_again(check: Check | None, struct: Any) -> None:
    if check is not None:
        check(struct)


def is_list(kind: Any) -> bool:
    """Return whether a tuple type has any number of one kind of item.

    Args:
        kind: The type.
    """
    return get_args(kind)[1:] == (Ellipsis,)


def _check_amount(amount: Decimal | None) -> None:
    if amount is not None and not (-31 < amount.adjusted() < 31 and amount.is_finite()):
        raise ImplausibleError


def _check_items(each: Callable[[Any], None], items: tuple[Any, ...] | None) -> None:
    for item in items or ():
        each(item)


def _check_fixed(each: list[Check | None], items: tuple[Any, ...] | None) -> None:
    for check, item in zip(each, items or (), strict=False):
        _check_again(check, item)


def _struct_check(kind: type[msgspec.Struct], known: dict[Any, Check | None]) -> Check | None:
    fields = msgspec.structs.fields(kind)
    checks = [(field.name, check) for field in fields if (check := money_check(field.type, known)) is not None]
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
                raise ImplausibleError
        for get, check in nested:
            check(get(struct))

    return check_struct
