"""`OrderLine`: one intended order of a bulk job."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from xoxo_async.services.orders.details import Details

__all__ = ["OrderLine"]


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One intended order: what to buy, for whom, and the caller's own key for it.

    A line is checked when a job reads it, not when it is made.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key is never ordered twice.
        product_id: The product.
        denomination: The value of one piece, in the product's currency. An `int`, a `str` or a `float` (by its
            shortest text, `0.1` is 0.1) is taken as well when lines are planned.
        quantity: Pieces, from 1.
        email: The receiver's address.
        contact: The receiver's phone, `+CC-NUMBER`; some products demand it.
        tag: Free text for the order history.
        notify_receiver: Have the vendor e-mail the codes to the receiver.
        notify_admin: Have the vendor e-mail the account's administrator.
        po_number: The poNumber; derived from job and key unless given.
        details: What lounges, airmiles, top-ups and merchandise need besides.
        currency: The currency of the denomination, `INR`: compared with the product's currency, never sent.
        country: A country that the product must be good in, `IN` or `India`: compared likewise, never sent.
        kept: Columns that ride along with the row, by name, such as a name or a cost centre: in the ledger, in exports
            and in reports, and never sent. At most 100 of them; a name has at most 100 characters, a value 1,000, and
            all of a row together 10,000.
    """

    key: str
    product_id: int
    denomination: Decimal
    quantity: int = 1
    email: str | None = None
    contact: str | None = None
    tag: str | None = None
    notify_receiver: bool = False
    notify_admin: bool = False
    po_number: str | None = None
    details: Details | None = None
    currency: str | None = None
    country: str | None = None
    kept: Mapping[str, str] = {}
