"""The vendor's loose types made firm: secrets, open enums, money, dates, and the decoder that takes all their forms."""

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
