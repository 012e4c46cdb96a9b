"""The fields of an orders file: what their columns are called, and which of them hold numbers."""

from typing import Final

from xoxo_async.bulk.intake.matching import Field, FieldSet
from xoxo_async.bulk.intake.person_fields import EMAIL, KEY, PHONE_NAMES

__all__ = ["ORDER_FIELDS"]

ORDER_FIELDS: Final = FieldSet(
    (
        KEY,
        Field(
            "product_id",
            "whole",
            ("product", "product no", "product number", "product code", "voucher id", "gift card id"),
            required=True,
        ),
        Field(
            "denomination",
            "amount",
            (
                *("amount", "value", "face value", "voucher amount", "voucher value", "gift amount", "gift value"),
                *("gift card amount", "gift card value", "reward amount", "reward value"),
            ),
            required=True,
        ),
        Field("quantity", "whole", ("qty", "pieces", "number of vouchers", "no of vouchers", "voucher count")),
        EMAIL,
        Field("contact", synonyms=PHONE_NAMES),
        Field("tag", synonyms=("tags", "label")),
        Field("notify_receiver", "flag", ("notify recipient",)),
        Field("notify_admin", "flag"),
        Field("po_number", synonyms=("po", "po no", "purchase order", "purchase order number", "purchase order no")),
        Field("currency", synonyms=("currency code",)),
        Field("country", synonyms=("country code", "country name")),
    ),
    keys=("key", "po_number"),
    why_key=", so that no row is ever ordered twice",
    currency="currency",
    own=frozenset({"key", "email", "contact", "po_number"}),
)  # fmt: skip
"""All fields of `OrderLine` that a column can hold: `details` need a JSON object."""
