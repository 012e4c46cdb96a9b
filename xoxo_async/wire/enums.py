"""Enums of the vendor's words, which also accept unknown words."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

__all__ = ["DeliveryStatus", "OpenEnum", "OrderStatus", "ValueType", "VoucherType"]


class OpenEnum(StrEnum):
    """An enum of the vendor's words. It ignores case, and keeps an unknown word as a value of its own."""

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
        unknown = str.__new__(cls, folded)  # it is no member, so unknown words do not fill the memory
        unknown._name_ = unknown._value_ = folded
        return unknown

    def __reduce_ex__(self, _protocol: object) -> tuple[type[Self], tuple[str]]:
        # By value: some versions of Python pickle a member by its name, and an unknown word is none.
        return type(self), (self._value_,)


class DeliveryStatus(OpenEnum):
    """Whether the codes have come. `orderStatus` does not say it: an accepted order may be without codes for days."""

    NONE = ""
    DELIVERED = "delivered"
    PENDING = "pending"
    CANCELLED = "cancelled"

    @classmethod
    def _aliases(cls) -> Mapping[str, str]:
        return {"canceled": "cancelled"}  # the vendor's pages have both spellings (wire documentation § 4.9)


class OrderStatus(OpenEnum):
    """Whether the order was accepted. The vendor's samples have `complete` alone; it does not mean delivery."""

    NONE = ""
    COMPLETE = "complete"


class ValueType(OpenEnum):
    """Whether a product has a list of values, or any value within bounds."""

    NONE = ""
    FIXED_DENOMINATION = "fixed_denomination"
    OPEN_VALUE = "open_value"


class VoucherType(OpenEnum):
    """The content of `code`. A `url` voucher may have a PIN as well (wire documentation § 4.4)."""

    NONE = ""
    CODE = "code"
    CODE_PIN = "codePin"  # the wire's spelling, so that the decoder finds it without calling `_missing_`
    URL = "url"
    URL_PIN = "urlPin"
