"""The check after decoding: no amount of money that no account has."""

import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from keyword import iskeyword
from typing import Any, Final, Union, get_args, get_origin

import msgspec

__all__ = ["Check", "ImplausibleError", "is_list", "money_check"]

_DEEPEST: Final = 6
"""Structs within structs that one function checks; beyond, and where one holds itself, there is another function."""


class ImplausibleError(Exception):
    """An amount of money that no account has."""


Check = Callable[[Any], None]


def money_check(kind: Any) -> Check | None:
    """Return what raises `ImplausibleError` for money no account has; None for a type without money.

    msgspec itself takes "NaN" and 1E+999999999 for a Decimal. This runs after every answer with money in it: compiled
    for the type, as dataclasses are, since with a call for each struct and field it took longer than the decoding.

    Args:
        kind: The type.
    """
    writer = _Writer()
    lines = list(writer.lines(kind, "value", 1))
    return writer.compile(lines) if lines else None


def is_list(kind: Any) -> bool:
    """Return whether a tuple type has any number of one kind of item.

    Args:
        kind: The type.
    """
    return get_args(kind)[1:] == (Ellipsis,)


class _Writer:
    """Write the lines that check a value of a type."""

    def __init__(self) -> None:
        self._around: Final[list[type[msgspec.Struct]]] = []
        self._apart: Final[list[type[msgspec.Struct]]] = []
        self._names: Final[dict[str, Any]] = {"ImplausibleError": ImplausibleError}

    def compile(self, lines: list[str]) -> Check:
        source = ["def check(value):", *lines]
        for number, kind in enumerate(self._apart):  # which may find more of them
            source += [f"def check_{number}(value):", "  pass", *self._struct(kind, "value", 1)]
        exec("\n".join(source), self._names)  # noqa: S102 - nothing in it but names of fields
        check: Check = self._names["check"]
        return check

    def lines(self, kind: Any, value: str, depth: int) -> Iterator[str]:
        if get_origin(kind) in (Union, types.UnionType):
            yield from self._union(kind, value, depth)
        elif get_origin(kind) is tuple:
            yield from self._tuple(kind, value, depth)
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind not in self._around and len(self._around) < _DEEPEST:
                yield from self._struct(kind, value, depth)
                return
            if kind not in self._apart:
                self._apart.append(kind)
            yield f"{'  ' * depth}check_{self._apart.index(kind)}({value})"
        elif kind is Decimal:
            yield (
                f"{'  ' * depth}if {value} is not None"
                f" and not (-31 < {value}.adjusted() < 31 and {value}.is_finite()): raise ImplausibleError"
            )

    def _struct(self, kind: type[msgspec.Struct], value: str, depth: int) -> Iterator[str]:
        self._around.append(kind)
        found: list[str] = []
        for field in msgspec.structs.fields(kind):
            item = f"value_{depth}"
            if lines := list(self.lines(field.type, item, depth + 1)):
                got = f"getattr({value}, {field.name!r})" if iskeyword(field.name) else f"{value}.{field.name}"
                found += [f"{'  ' * depth}  {item} = {got}", *lines]
        self._around.pop()
        if found:
            yield from (f"{'  ' * depth}if {value} is not None:", *found)

    def _tuple(self, kind: Any, value: str, depth: int) -> Iterator[str]:
        item = f"value_{depth}"
        if is_list(kind):
            if lines := list(self.lines(get_args(kind)[0], item, depth + 1)):
                yield from (f"{'  ' * depth}for {item} in {value} or ():", *lines)
            return
        for index, inner in enumerate(get_args(kind)):
            if lines := list(self.lines(inner, item, depth + 1)):
                yield f"{'  ' * depth}if {value}:"
                yield from (f"{'  ' * depth}  {item} = {value}[{index}]", *lines)

    def _union(self, kind: Any, value: str, depth: int) -> Iterator[str]:
        kinds = [inner for inner in get_args(kind) if inner is not type(None)]
        if len(kinds) == 1:  # an optional one: every check takes None
            yield from self.lines(kinds[0], value, depth)
            return
        for inner in kinds:
            if lines := list(self.lines(inner, value, depth + 1)):
                name = f"kind_{len(self._names)}"
                self._names[name] = get_origin(inner) or inner
                yield from (f"{'  ' * depth}if isinstance({value}, {name}):", *lines)
