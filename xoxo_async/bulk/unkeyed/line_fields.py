"""The fields of files of recipients, of rows of links and of addresses: what their columns are called."""

from typing import Final

from xoxo_async.bulk.intake.matching import Field, FieldSet
from xoxo_async.bulk.intake.person_fields import EMAIL, KEY, NAME, PHONE_NAMES

__all__ = ["LINK_FIELDS", "MAIL_FIELDS", "POINTS_FIELDS"]

_ADDRESS: Final = EMAIL._replace(required=True)

POINTS_FIELDS: Final = FieldSet(
    (
        KEY,
        _ADDRESS._replace(why=": the vendor sends points to an e-mail address, and takes no phone"),
        Field("phone", synonyms=PHONE_NAMES),
        NAME._replace(required=True),
        Field(
            "amount",
            "amount",
            ("points", "number of points", "no of points", "reward points", "points amount", "points to send", "value"),
            required=True,
        ),
        Field("citation", synonyms=("reason", "message", "note", "citation text", "remark", "remarks", "occasion")),
    ),
    keys=("key",),
    why_key=", so that nobody gets points twice",
)
"""All fields of `PointsLine` that a column can hold. Points have no currency, so an amount with one is no number."""

LINK_FIELDS: Final = FieldSet(
    (KEY, Field("quantity", "whole", ("qty", "links", "number of links", "no of links", "link count"))),
    keys=("key",),
    why_key=", so that no row gets links twice",
)
"""All fields of `LinkLine` that a column can hold."""

MAIL_FIELDS: Final = FieldSet((KEY, _ADDRESS), keys=("key",), why_key=", so that nobody is mailed twice")
"""All fields of `MailLine` that a column can hold."""
