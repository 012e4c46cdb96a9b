"""Read the fields of a request, and refuse those that cannot be read."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

__all__ = [
    "Data",
    "Refusal",
    "addresses",
    "amount",
    "codes",
    "dates",
    "digits",
    "ids",
    "money",
    "number",
    "page_of",
    "text",
    "whole",
]

Data = Mapping[str, object]
T = TypeVar("T")

# Python reads more as a number than the vendor does: `1_00`, `NaN`, and a superscript as a digit.
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,2})?")

_REFUSALS: Final = {
    "PLE10001": (400, "payload is not valid"),
    "PLE10002": (400, "payload is not valid"),
    "PLE10004": (422, "externalOrderId failed validation"),
    "PLE10010": (422, "Failed to redeem points"),
    "PLE10015": (400, "KYC is not approved"),
    "PLE10016": (404, "Order not found"),
    "PLE10017": (404, "Product details unavailable"),
    "PLE10018": (400, "Denomination is not valid"),
    "PLE10024": (502, "Out of stock"),
    "PLE10027": (404, "Order History Not Found"),
    "PLE10029": (404, "Filter group not found"),
    "PLE10030": (404, "No Vouchers Found"),
    "PLE10031": (400, "Filter value is not valid"),
    "PLE10032": (400, "payload is not valid"),
    "PLE10033": (400, "payload is not valid"),
    "PLE10034": (502, "Failed to resend the voucher mail"),
    "PLE10041": (409, "Quantity is over the limit"),
}


class Refusal(Exception):  # noqa: N818 - an answer of the server, not a failure
    """The vendor's application error.

    Args:
        error_id: The vendor's error id. An id that the table does not have is a 502.
        status: Another HTTP status than the table's.
    """

    def __init__(self, error_id: str, *, status: int | None = None) -> None:
        super().__init__(error_id)
        self.error_id: Final = error_id
        default, text = _REFUSALS.get(error_id, (502, "Something failed"))
        self.status: Final = status or default
        self.text: Final = text


def page_of(data: Data, rows: list[T], refusal: str = "PLE10032") -> list[T]:
    """Return the page of rows that a request asks for. A limit of 0 returns all rows."""
    limit, page = whole(data, "limit", refusal, 10), max(whole(data, "page", refusal, 1), 1)
    if limit < 0:
        raise Refusal(refusal)
    return rows[(page - 1) * limit : page * limit] if limit else rows


def dates(data: Data) -> tuple[str, str]:
    """Return the first and the last day of a request."""
    try:
        start, end = (date.fromisoformat(text(data, name)) for name in ("startDate", "endDate"))
    except ValueError:
        raise Refusal("PLE10032") from None
    return start.isoformat(), end.isoformat()


def text(data: Data, name: str) -> str:
    """Return a field as text. The vendor accepts a number as a string, and a string as a number."""
    value = data.get(name)
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, str | int | Decimal) else ""


def whole(data: Data, name: str, refusal: str, default: int | None = None) -> int:
    """Return a field as a whole number, or refuse it."""
    given = text(data, name).strip()
    if not given and default is not None:
        return default
    if not _WHOLE.fullmatch(given):
        raise Refusal(refusal)
    return int(given)


def amount(data: Data, name: str, refusal: str) -> Decimal:
    """Return a field as an amount, or refuse it."""
    given = text(data, name).strip()
    if not _AMOUNT.fullmatch(given):
        raise Refusal(refusal)
    return Decimal(given)


def money(data: Data, name: str) -> Decimal:
    """Return a field as the value of one piece, or refuse it."""
    value = amount(data, name, "PLE10001")
    if not 0 < value < 10**9:
        raise Refusal("PLE10018")
    return value


def codes(data: Data, name: str) -> frozenset[str]:
    """Return the words of a list that is separated by commas."""
    return frozenset(part.strip() for part in text(data, name).split(",") if part.strip())


def ids(data: Data, name: str) -> frozenset[int]:
    """Return the ids of a list that is separated by commas. The vendor ignores a part that is not an id."""
    found = map(digits, codes(data, name))
    return frozenset(one for one in found if one is not None and one < 10**14)


def digits(given: str) -> int | None:
    """Return the number that a text of digits means, or None for any other text."""
    return int(given) if _DIGITS.fullmatch(given) else None


def addresses(data: Data) -> frozenset[str]:
    """Return the e-mail addresses that a request names, in small letters: of an order, of points or of links."""
    recipients = data.get("recipients")
    named = [recipient.get("to_email") for recipient in _dicts(recipients)]
    named += [data.get("email"), *str(data.get("email_ids") or "").split(",")]
    return frozenset(one.strip().casefold() for one in named if isinstance(one, str) and one.strip())


def _dicts(rows: object) -> list[dict[str, object]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def number(value: Decimal) -> int | float:
    """Return an amount as the vendor writes it: a whole amount has no fraction."""
    return int(value) if value == value.to_integral_value() else float(value)
