"""Turn replies into the plain values that `--json` prints; mask secrets."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.secrets import Secret, mask

__all__ = ["to_json"]


def to_json(value: Any, *, reveal: bool = False) -> Any:
    """Return a reply as plain values under the library's names, with secrets masked.

    Args:
        value: A struct, or a value from a field of a struct.
        reveal: Whether to show codes, PINs and links.
    """
    match value:
        case Secret():
            return mask(value.reveal(), reveal=reveal)
        case msgspec.Struct():
            return {name: to_json(_read(value, name), reveal=reveal) for name in _names(type(value))}
        case msgspec.Raw():
            return msgspec.json.decode(value)
        case Enum():
            return value.value
        case date():  # datetime is a subclass
            return value.isoformat()
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(key): to_json(item, reveal=reveal) for key, item in items}
        case list() | tuple():
            return [to_json(item, reveal=reveal) for item in cast("Sequence[object]", value)]
        case _:
            return None if isinstance(value, bytes) else value


def _read(value: msgspec.Struct, name: str) -> Any:
    """Return an attribute; None if it cannot be decoded, so that one bad product does not fail the whole list."""
    try:
        return getattr(value, name)
    except DecodeError:
        return None


def _names(kind: type[msgspec.Struct]) -> list[str]:
    """Return the public names of a struct: its fields and its properties."""
    fields = [name for name in kind.__struct_fields__ if not name.endswith("_") and name != "raw"]
    read = [
        name
        for base in reversed(kind.__mro__)
        for name, member in vars(base).items()
        if isinstance(member, property) and not name.startswith("_") and name not in {"extra", "raw"}
    ]
    return list(dict.fromkeys(fields + read))
