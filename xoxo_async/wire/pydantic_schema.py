"""The schema of a reply for pydantic. Imported by pydantic's own call alone; nothing else needs pydantic."""

import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from pydantic import TypeAdapter, WithJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from xoxo_async.wire.secrets import Masked, Secret

__all__ = ["schema_of", "serializer_of"]

_AMOUNT: Final = Annotated[str, WithJsonSchema({"type": "string", "format": "decimal", "examples": ["250.00"]})]
_DATE: Final = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
_MOMENT: Final = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
_SECRET: Final = Annotated[
    str, WithJsonSchema({"type": "string", "description": "masked, unless the app reveals it", "examples": ["****"]})
]
_PERSONAL: Final = Annotated[
    Any, WithJsonSchema({"description": "masked, unless the app reveals it", "examples": ["****"]})
]

_FORMS: Final[tuple[tuple[type, Any], ...]] = (
    (Secret, _SECRET),
    (Masked, _SECRET),
    (Decimal, _AMOUNT),
    (datetime, _MOMENT),  # before date, which it is
    (date, _DATE),
    (Enum, str),
    (bool, bool),
    (int, int),
    (float, float),
    (str, str),
    (type(None), None),
)


def schema_of(
    kind: type[msgspec.Struct],
    source: Any,
    handler: Any,
    *,
    base: type[Any],
    names_of: Callable[[Any], tuple[str, ...]],
) -> Any:
    """Return the core schema: what `to_dict` returns, of an object or of such a dict.

    An app that returns `order.to_dict(reveal={"code"})` under `response_model=Order` shows the codes; one that returns
    the order itself shows masks.

    Args:
        kind: The class.
        source: The annotation; for a page it has the type of its items.
        handler: pydantic's.
        base: The class of all that has such a schema.
        names_of: Returns the names by which `to_dict` shows a class.
    """
    shown = handler.generate_schema(_Shapes(base, names_of).of(kind, source))

    def written(value: Any, info: core_schema.SerializationInfo) -> Any:
        plain = value.to_dict() if isinstance(value, base) else value
        return _chosen(plain, info.include, info.exclude, drops_none=info.exclude_none)

    return core_schema.json_or_python_schema(
        json_schema=shown,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(get_origin(source) or kind), shown]),
        serialization=core_schema.plain_serializer_function_ser_schema(written, info_arg=True, return_schema=shown),
    )


@cache
def serializer_of(kind: type[msgspec.Struct]) -> Any:
    """Return pydantic's serializer of a class, by its schema.

    Args:
        kind: The class.
    """
    return TypeAdapter(kind).serializer


def _chosen(value: Any, include: Any, exclude: Any, *, drops_none: bool) -> Any:
    """Return plain values without the fields that an app leaves out: pydantic leaves that to a serializer's function.

    Args:
        value: The plain values.
        include: The fields that are wanted, as pydantic has them: names, or by name what of it; None is all.
        exclude: The same for those that are not.
        drops_none: Whether values of None are left out.
    """
    if include is None and exclude is None and not drops_none:
        return value
    if not isinstance(value, dict | list):
        return value
    fields: Any = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, list):
        include, exclude = _from_the_front(include, len(value)), _from_the_front(exclude, len(value))
    found: dict[Any, Any] = {}
    for name, one in fields:
        wanted, unwanted = _part(include, name), _part(exclude, name)
        if (include is None or wanted is not None) and unwanted is not True and not (drops_none and one is None):
            more = None if wanted is True else wanted
            found[name] = _chosen(one, more, unwanted, drops_none=drops_none)
    return found if isinstance(value, dict) else list(found.values())


def _from_the_front(items: Any, number: int) -> Any:
    """Return a choice of items with each counted from the front: -1 is the last of them."""
    if items is None:
        return None
    places = {at: at + number if isinstance(at, int) and at < 0 else at for at in items}
    if isinstance(items, Mapping):
        return {places[at]: part for at, part in items.items()}
    return set(places.values())


def _part(fields: Any, name: Any) -> Any:
    """Return what a choice of fields says of one of them: True for all of it, None for nothing."""
    if fields is None:
        return None
    if not isinstance(fields, Mapping):
        return True if name in fields or "__all__" in fields else None
    part: Any = fields.get(name, fields.get("__all__"))
    return True if part is ... else part


class _Shapes:
    """The types that pydantic knows of what `to_dict` returns."""

    def __init__(self, base: type[Any], names_of: Callable[[Any], tuple[str, ...]]) -> None:
        self._base: Final = base
        self._names_of: Final = names_of

    def of(self, kind: type, source: Any) -> Any:
        """Return a TypedDict of what `to_dict` returns for a class."""
        items = get_args(source)
        given = dict(zip(getattr(kind, "__parameters__", ()), items, strict=False))
        hints = get_type_hints(kind)
        personal: frozenset[str] = getattr(kind, "personal", frozenset())
        fields = {
            name: _PERSONAL if name in personal else self._form(hints.get(name) or _returned(kind, name), given)
            for name in self._names_of(kind)
        }
        name = kind.__name__ + "".join(getattr(item, "__name__", "") for item in items)
        found = cast("Callable[..., Any]", TypedDict)(name, fields)
        found.__doc__ = (kind.__doc__ or "").split("\n", 1)[0]
        found.__module__ = kind.__module__
        return found

    def _form(self, hint: Any, given: dict[Any, Any]) -> Any:
        if isinstance(hint, TypeVar):
            return self._form(given.get(hint, Any), given)
        origin, parts = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return Union[tuple(self._form(part, given) for part in parts)]  # noqa: UP007 - of a tuple
        if origin in (tuple, list):
            return list[self._form(parts[0], given)]  # type: ignore[misc]
        if origin is dict:
            return dict[str, self._form(parts[1], given)]  # type: ignore[misc]
        if not isinstance(hint, type):
            return hint
        if issubclass(hint, self._base):
            return hint
        if issubclass(hint, msgspec.Struct):
            return self.of(hint, hint)
        return next((form for one, form in _FORMS if issubclass(hint, one)), Any)


def _returned(kind: type, name: str) -> Any:
    getter = getattr(getattr(kind, name), "fget", None)
    # The class's own namespace: a property named `date` would hide the type `date` in it.
    return get_type_hints(getter).get("return", Any) if getter is not None else Any
