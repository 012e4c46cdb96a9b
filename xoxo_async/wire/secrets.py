"""Values that are cash or open the account. Only `reveal()` shows them.

msgspec, and JSON encoders that know dataclasses, write such a value as `{"masked": "****"}`. It is no text on purpose:
`json.dumps`, a database driver and a type checker still refuse it, so a mask is never stored as a code.
"""

import dataclasses
import hmac
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, Final, NoReturn, Self
from urllib.parse import quote, quote_plus

import msgspec

__all__ = ["Masked", "Private", "Secret", "build", "hide", "mask"]

_MASK: Final = "***"
_CODE_MASK: Final = "****"
_LONG: Final = 12
"""Of a shorter code, its last four characters would be too much of it."""
_SHORTEST: Final = 4
"""A shorter text is no secret, and masking it would mask parts of ordinary words."""


class Secret:
    """A value that is cash or opens the account. Only `reveal()` shows it.

    Its repr, str and format are a mask; it cannot be pickled, and `json.dumps` refuses it. msgspec writes a mask.

    Args:
        value: The value to guard.
    """

    __slots__ = ("_value",)

    def __new__(cls, value: str) -> Self:  # noqa: ARG004 - `__init__` takes it
        """Return a secret that encoders may meet."""
        return object.__new__(_SHOWN.get(cls, cls))

    def __init__(self, value: str) -> None:
        self._value = value

    @property
    def masked(self) -> str:
        """What may be shown: four asterisks, and the last four characters of a long code."""
        return mask(self._value)

    def reveal(self) -> str:
        """Return the value itself. From here on the caller has to protect it."""
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


def hide(text: str, secrets: Iterable[Secret]) -> str:
    """Return a server's words with the secrets masked: a server may repeat its whole request.

    Args:
        text: The words.
        secrets: What is masked, also where it is escaped for a URL, a JSON text or a page.
    """
    values = {secret.reveal() for secret in secrets}
    forms = {form for value in values if len(value) >= _SHORTEST for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):  # the longest first: a shorter form may be a part of it
        text = text.replace(form, _MASK)
    return text


def _forms(value: str) -> set[str]:
    import html  # noqa: PLC0415 - a slow import, for the words of a refusal alone

    try:
        quoted = {quote(value), quote(value, safe=""), quote_plus(value)}
    except UnicodeEncodeError:  # half a surrogate pair
        quoted = set()
    texts = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    # PHP escapes slashes in JSON, and a base64 token may have some.
    return {value, html.escape(value), *quoted, *texts, *(text.replace("/", "\\/") for text in texts)}


def mask(code: str, *, reveal: bool = False) -> str:
    """Return a voucher code, PIN or link as it may be shown.

    The last four characters of a long code stay, so that two people can tell which one they talk about.

    Args:
        code: The secret.
        reveal: Whether to show it.
    """
    if reveal or not code:
        return code
    return _CODE_MASK + code[-4:] if len(code) >= _LONG and "/" not in code else _CODE_MASK


class Private(msgspec.Struct, frozen=True):
    """The base class of requests with data of a person: an error report prints the variables of a call.

    Attributes:
        personal: The names of the fields that its repr masks. Fields without a value are left out.
    """

    personal: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        given = ((name, getattr(self, name)) for name in self.__struct_fields__)
        shown = (
            f"{name}={_CODE_MASK if name in self.personal else repr(value)}"
            for name, value in given
            if value is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Masked:
    """A value of any form that holds something secret. Only `reveal()` shows it.

    Args:
        value: As decoded.
    """

    __slots__ = ("_value",)

    def __new__(cls, value: object) -> Self:  # noqa: ARG004 - `__init__` takes it
        """Return a value that encoders may meet."""
        return object.__new__(_SHOWN.get(cls, cls))

    def __init__(self, value: object) -> None:
        self._value = value

    @property
    def masked(self) -> str:
        """What may be shown: four asterisks."""
        return _CODE_MASK if self._value else ""

    def reveal(self) -> object:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Masked(<{type(self._value).__name__}>)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and bool(self._value == other.reveal())

    def __hash__(self) -> int:
        return hash(Masked)  # the value may have no hash

    def __reduce__(self) -> tuple[type["Masked"], tuple[str]]:
        if isinstance(self._value, str):
            return Masked, (self._value,)
        raise TypeError("a masked value may be bearer cash, it cannot be pickled: reveal() it where it must go")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


@dataclasses.dataclass
class _Mask:
    """What an encoder writes of a secret."""

    masked: str


_FIELDS: Final = _Mask.__dataclass_fields__


# msgspec takes the fields that it encodes from this attribute, and would decode into a class that has it. So the
# classes that replies name have none, and their objects are of a subclass that has.
class _ShownSecret(Secret):
    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]] = _FIELDS


class _ShownMasked(Masked):
    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]] = _FIELDS


_SHOWN: Final[dict[type, type]] = {Secret: _ShownSecret, Masked: _ShownMasked}

_new: Final = object.__new__


def build(kind: type, value: object) -> object:
    """Build the types that msgspec does not know; used by the fast and the tolerant reading.

    Args:
        kind: The type.
        value: As decoded.
    """
    if kind is Secret:
        if type(value) is str:
            secret: Secret = _new(_ShownSecret)
            secret._value = value  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the shortest way to make one
            return secret
        # A numeric code loses no digit: integers and fractions keep their text.
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Secret(str(value))
        if value is None:
            return Secret("")
        raise ValueError("expected a text")
    if kind is Masked:
        masked: Masked = _new(_ShownMasked)
        masked._value = value  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        return masked
    if kind is object:
        return value  # in a caller's own struct; msgspec knows only `Any`
    built = getattr(kind, "built", None)
    if built is not None:
        return built()
    raise NotImplementedError(kind)
