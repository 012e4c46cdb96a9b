"""The vendor's loose types made firm: secrets, open enums, money, dates, and the decoder that takes all their forms."""

from typing import TYPE_CHECKING, Final

from xoxo_async.public_names import import_name

if TYPE_CHECKING:
    from xoxo_async.wire.decoder import ReplyDecoder
    from xoxo_async.wire.enums import DeliveryStatus, OpenEnum, OrderStatus, ValueType, VoucherType
    from xoxo_async.wire.raw import RawReply
    from xoxo_async.wire.scalars import parse_date, parse_datetime, to_decimal
    from xoxo_async.wire.secrets import Masked, Secret, hide
    from xoxo_async.wire.tolerant import fit
    from xoxo_async.wire.untyped import Rows, extra_fields, read_untyped

__all__ = [
    "DeliveryStatus",
    "Masked",
    "OpenEnum",
    "OrderStatus",
    "RawReply",
    "ReplyDecoder",
    "Rows",
    "Secret",
    "ValueType",
    "VoucherType",
    "extra_fields",
    "fit",
    "hide",
    "parse_date",
    "parse_datetime",
    "read_untyped",
    "to_decimal",
]

_HOMES: Final = {
    "ReplyDecoder": "xoxo_async.wire.decoder",
    "DeliveryStatus": "xoxo_async.wire.enums",
    "OpenEnum": "xoxo_async.wire.enums",
    "OrderStatus": "xoxo_async.wire.enums",
    "ValueType": "xoxo_async.wire.enums",
    "VoucherType": "xoxo_async.wire.enums",
    "RawReply": "xoxo_async.wire.raw",
    "parse_date": "xoxo_async.wire.scalars",
    "parse_datetime": "xoxo_async.wire.scalars",
    "to_decimal": "xoxo_async.wire.scalars",
    "Masked": "xoxo_async.wire.secrets",
    "Secret": "xoxo_async.wire.secrets",
    "hide": "xoxo_async.wire.secrets",
    "fit": "xoxo_async.wire.tolerant",
    "Rows": "xoxo_async.wire.untyped",
    "extra_fields": "xoxo_async.wire.untyped",
    "read_untyped": "xoxo_async.wire.untyped",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    return import_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
