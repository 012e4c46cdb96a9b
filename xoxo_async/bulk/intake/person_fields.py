"""The fields that name a row and a person, and what people call their columns."""

from typing import Final

from xoxo_async.bulk.intake.matching import Field

__all__ = ["EMAIL", "KEY", "NAME", "PHONE_NAMES"]

_PEOPLE: Final = ("employee", "emp", "staff", "personnel", "payroll")

KEY: Final = Field(
    "key",
    synonyms=(
        *(f"{who} {number}" for who in _PEOPLE for number in ("id", "no", "number", "code")),
        *("row key", "row id", "unique id", "reference", "reference id", "reference no", "reference number"),
    ),
)
"""What names a row."""
EMAIL: Final = Field(
    "email",
    synonyms=(
        *("e-mail", "mail", "email address", "mail address", "email id", "mail id"),
        *(
            f"{who} {mail}"
            for who in (*_PEOPLE, "recipient", "receiver", "work", "official")
            for mail in ("email", "email address", "email id")
        ),
    ),
)
"""The address of a person."""
PHONE_NAMES: Final = tuple(
    f"{kind} {number}".strip()
    for kind in ("contact", "phone", "mobile", "telephone", "mobile phone", "cell phone")
    for number in ("", "no", "number")
)
"""What people call the column of a phone."""
NAME: Final = Field(
    "name",
    synonyms=(
        "full name",
        *(f"{who} name" for who in (*_PEOPLE, "recipient", "receiver", "person")),
        *(f"name of {who}" for who in ("employee", "recipient", "receiver")),
    ),
)
"""The name of a person."""
