"""The rows of jobs without a key: one credit of points, one row of links, one mailed link."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

__all__ = ["LinkLine", "MailLine", "PointsLine"]


class PointsLine(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of points.

    A line is checked when a job reads it, not when it is made.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key never gets points twice.
        amount: The number of points, a whole number above 0. An `int`, a `str` such as `500.00` or a `float` is taken
            as well. A fraction is refused before anything is sent, since no page of the vendor's shows one.
        email: The recipient's address, to which the vendor sends the points.
        phone: The recipient's phone. The vendor documents no phone for sending: it only serves to read the recipient's
            balance where the address has none.
        name: The recipient's name; the vendor needs one.
        citation: The reason, which the recipient reads.
        kept: Columns that ride along with the row, by name; never sent. See `OrderLine.kept`.
    """

    key: str
    amount: Decimal
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    citation: str | None = None
    kept: Mapping[str, str] = {}


class LinkLine(msgspec.Struct, frozen=True, kw_only=True):
    """One row of reward links.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key never gets links twice.
        quantity: How many links, from 1.
        kept: Columns that ride along with the row, by name; never sent. See `OrderLine.kept`.
    """

    key: str
    quantity: int = 1
    kept: Mapping[str, str] = {}


class MailLine(msgspec.Struct, frozen=True, kw_only=True):
    """One address to which the vendor mails a reward link.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key is never mailed twice.
        email: The address.
        kept: Columns that ride along with the row, by name; never sent. See `OrderLine.kept`.
    """

    key: str
    email: str
    kept: Mapping[str, str] = {}
