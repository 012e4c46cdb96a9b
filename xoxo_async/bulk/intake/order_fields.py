"""The fields of an orders file: what their columns are called, and which of them hold numbers."""

from typing import Final

from xoxo_async.bulk.intake.matching import Field, FieldSet

__all__ = ["ORDER_FIELDS"]

_PEOPLE: Final = ("employee", "emp", "staff", "personnel", "payroll")

ORDER_FIELDS: Final = FieldSet(
    (
        Field(
            "key",
            synonyms=(
                *(f"{who} {number}" for who in _PEOPLE for number in ("id", "no", "number", "code")),
                *("row key", "row id", "unique id", "reference", "reference id", "reference no", "reference number"),
            ),
        ),
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
        Field(
            "email",
            synonyms=(
                *("e-mail", "mail", "email address", "mail address", "email id", "mail id"),
                *(f"{who} {mail}" for who in (*_PEOPLE, "recipient", "receiver", "work", "official")
                  for mail in ("email", "email address", "email id")),
            ),
        ),
        Field(
            "contact",
            synonyms=tuple(
                f"{kind} {number}".strip()
                for kind in ("contact", "phone", "mobile", "telephone", "mobile phone", "cell phone")
                for number in ("", "no", "number")
            ),
        ),
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
