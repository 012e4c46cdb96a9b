"""`operation`: what a caller's own operation may look like, and what its flags prove."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async import EffectClass, Operation, errors


class Ask(msgspec.Struct):
    pass


class Node(msgspec.Struct):
    value: Decimal | None = None
    inner: tuple[Node, ...] = ()
    next: Node | None = None


class Pair(msgspec.Struct):
    pair: tuple[int, str] = (0, "")
    money: tuple[Decimal, str] | None = None
    count: int = 0


class Unknown(msgspec.Struct):
    value: NoSuchType  # type: ignore[name-defined]  # noqa: F821


def own(reply: Any, **options: Any) -> Operation[Ask, Any]:
    return Operation("own", query="q.own", request=Ask, reply=reply, effect=EffectClass.READ, **options)


def body(inner: bytes) -> bytes:
    return b'{"data":{"own":{"status":1,"data":%s}}}' % inner


def test_a_reply_may_hold_itself() -> None:
    """A recursive reply struct decodes on both roads, money inside checked at every depth."""
    read = own(Node).read
    assert read(body(b'{"value":1,"inner":[{"value":2.5}],"next":{"value":3}}')) == Node(
        Decimal(1), (Node(Decimal("2.5")),), Node(Decimal(3))
    )
    assert read(body(b'{"value":"","inner":[{"value":"2.5"}]}')).inner[0].value == Decimal("2.5")
    with pytest.raises(errors.DecodeError):
        read(body(b'{"inner":[{"inner":[{"value":"NaN"}]}]}'))


@pytest.mark.parametrize("count", [b"1", b'""', b"null"])
def test_a_fixed_tuple_is_read_place_by_place(count: bytes) -> None:
    """`tuple[int, str]` has two kinds, on the tolerant road as well; another length is a DecodeError."""
    read = own(Pair).read
    count = b"0" if count == b'""' else count
    assert read(body(b'{"pair":["1","a"],"money":["2.50",""],"count":%s}' % count)).pair == (1, "a")
    assert read(body(b'{"pair":[1,"a"],"count":null}')).pair == (1, "a")
    with pytest.raises(errors.DecodeError):
        read(body(b'{"pair":[1],"count":null}'))


def test_a_reply_that_cannot_be_read_at_all_is_a_config_error() -> None:
    """A type with a name that nobody knows is a mistake on this side, named with the type."""
    with pytest.raises(errors.ConfigError, match="NoSuchType"):
        own(Unknown).read(body(b"{}"))
