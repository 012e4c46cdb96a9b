"""An answer with a field of every kind, and how the tests read it."""

import json
from decimal import Decimal
from typing import Any

import msgspec

from xoxo_async.wire import DeliveryStatus, ReplyDecoder, Secret


class Part(msgspec.Struct, frozen=True):
    name: str = ""
    cost: Decimal | None = None


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    amount: Decimal | None = None
    price: Decimal = Decimal(1)
    number: int | None = None
    count: int = 0
    text: str = ""
    note: str | None = None
    flag: bool = False
    status: DeliveryStatus = DeliveryStatus.NONE
    code: Secret = Secret("")
    parts: tuple[Part, ...] = ()
    part: Part | None = None
    words: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    anything: Any = None
    table: dict[str, int] | None = None


DECODER = ReplyDecoder(Thing)


def decode(**fields: object) -> Thing:
    return DECODER.decode(json.dumps(fields).encode())


def decode_text(text: str) -> Thing:
    return DECODER.decode(text.encode())
