"""The vendor's words: enums that keep a word never seen before."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

__all__ = ["DeliveryStatus", "OpenEnum", "OrderStatus", "ValueType", "VoucherType"]


class OpenEnum(StrEnum):
    """An enum of the vendor's words: case does not matter, and a word never seen before is kept, not refused."""

    @classmethod
    def _aliases(cls) -> Mapping[str, str]:
        return {}

    @classmethod
    def _missing_(cls, value: object) -> Self:
        text = value if isinstance(value, str) else str(value)
        folded = text.strip().lower()
        wanted = cls._aliases().get(folded, folded)
        for member in cls:
            if member.lower() == wanted:
                return member
        unknown = str.__new__(cls, folded)  # not kept: the vendor's vocabulary must not grow our memory
        unknown._name_ = unknown._value_ = folded
        return unknown


class DeliveryStatus(OpenEnum):
    """Whether the codes have come. `orderStatus` says only that the order was accepted: never read that as delivery."""

    NONE = ""
    DELIVERED = "delivered"
    PENDING = "pending"
    CANCELLED = "cancelled"

    @classmethod
    def _aliases(cls) -> Mapping[str, str]:
        return {"canceled": "cancelled"}  # the vendor's pages write both


class OrderStatus(OpenEnum):
    """Whether the order was accepted. `complete` is the only word ever seen, and says nothing of delivery."""

    NONE = ""
    COMPLETE = "complete"


class ValueType(OpenEnum):
    """Whether a product has a list of values, or any value within bounds."""

    NONE = ""
    FIXED_DENOMINATION = "fixed_denomination"
    OPEN_VALUE = "open_value"


class VoucherType(OpenEnum):
    """What `code` holds. A `url` voucher may carry a PIN all the same."""

    NONE = ""
    CODE = "code"
    CODE_PIN = "codePin"  # spelled as on the wire: that way the decoder finds it without calling Python
    URL = "url"
    URL_PIN = "urlPin"
