"""Checks of the values in a request. Each error names the field, and is raised before anything is sent."""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from xoxo_async.errors import ArgumentError
from xoxo_async.services.persons import only_looks_plain

__all__ = [
    "LOST_DIGITS",
    "check_dates",
    "check_page",
    "day",
    "decimal",
    "e164",
    "email",
    "flag",
    "lost_digits",
    "money",
    "needed",
    "one_of",
    "phone",
    "po_number",
    "points",
    "text",
    "whole",
]

_NOT_ONE: Final = re.compile("[ ,;:<>]|@.*@")
"""What a text has that holds a name or `mailto:` beside an address, or several addresses."""
_LABEL: Final = r"[^.-](?:[^.]{0,61}[^.-])?"
_MAILED: Final = re.compile(
    rf"(?:\"[^\"]+\"|[^\"]+)@(?:{_LABEL}(?:\.{_LABEL})+|\[[0-9A-Fa-f.:]+\])",
)
"""An address that a mail server can take: its domain has two labels or more, and none is empty.

Before the `@`, two dots in a row are against RFC 5321. But some providers of mobile phones gave such addresses out.
"""
_E164: Final = re.compile(r"\+[0-9]{6,15}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PHONE: Final = re.compile(r"[0-9+() -]*")
# Spreadsheets write 1.23457E+14, or 1,23457E+14 where the comma is the decimal sign. Programs write 1.23457e+14.
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,][0-9]*)?[eE]\+[0-9]{1,3}")
_SHOWN: Final = 40
"""How many characters of a wrong value an error shows, because a cell of a spreadsheet may hold 100,000."""
_PO: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:/ -]{0,98}[A-Za-z0-9_.:/-])?")


def whole(name: str, value: object, *, low: int = 1, high: int = 10**12) -> int:
    """Return a whole number within its bounds, or raise `ArgumentError`."""
    if type(value) is int and low <= value <= high:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ArgumentError(f"{name} must be a whole number from {low} to {high}, not {shown(value)}")
    return value


def flag(name: str, value: object) -> int:
    """Return 1 for True and 0 for False, as the wire has flags, or raise `ArgumentError`."""
    if value is True or value is False:
        return int(value)
    raise ArgumentError(f"{name} must be true or false (yes or no), not {shown(value)}")


def shown(value: object) -> str:
    """Return a wrong value for an error message, cut after some forty characters."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}…"


def decimal(text: str) -> Decimal | None:
    """Return the number in a text of ASCII digits without separators and blanks, or None.

    Python also reads `1_0` as ten, and the digits of every script. A person who writes those may mean another amount.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def money(name: str, value: object) -> Decimal:
    """Return a positive exact amount.

    A float counts as its shortest text (`0.1` is exactly 0.1), because that is what the caller wrote.

    Raises:
        ArgumentError: The value is no positive number of a plausible size.
    """
    if type(value) is int and 0 < value < 10**13:
        return Decimal(value)  # the usual case; the lines below give the same result in more time
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal | float):
        raise ArgumentError(f"{name} must be a number above 0, not {type(value).__name__}")
    number = decimal(value) if isinstance(value, str) else Decimal(repr(value) if isinstance(value, float) else value)
    if number is None or not number.is_finite() or number <= 0 or not -6 <= number.adjusted() <= 12:
        written = number is None and any("0" <= sign <= "9" for sign in str(value))
        hint = "; write 1000: no separators, no currency sign" if written else ""
        if number is not None and number.is_finite() and number > 0:
            hint = "; it is too large" if number.adjusted() > 12 else "; it is too small"
        raise ArgumentError(f"{name} must be a number above 0, not {shown(value)}{hint}")
    # The request must hold plain digits: no page or sample of the vendor shows a number such as 5E+2.
    return Decimal(f"{number:f}")


def points(name: str, value: object) -> Decimal:
    """Return a whole number of points above 0, as plain digits: `500` also for `500.00`, as a spreadsheet shows it.

    Every sample of the vendor's has whole points (wire documentation § 4.10). A fraction that the vendor refused would
    leave all people of its call in doubt.

    Raises:
        ArgumentError: The value is no positive number of a plausible size, or has a fraction.
    """
    number = money(name, value)
    if number != number.to_integral_value():
        raise ArgumentError(f"{name} must be a whole number of points, not {shown(value)}")
    return Decimal(int(number))


LOST_DIGITS: Final = (
    "a spreadsheet wrote a long number in this form, and its last digits are lost. Format the column as text, enter "
    "the values again, and save the file again"
)
"""The end of the error message for a text in which `lost_digits` is True."""


def lost_digits(value: str) -> bool:
    """Return whether a spreadsheet has shortened a long number to this text: `1.23457E+14` for 123456789012345.

    Many numbers become the same text, so it cannot stand for an order, a phone or a member.

    Args:
        value: The text.
    """
    return "+" in value and _SCIENTIFIC.fullmatch(value.strip()) is not None


def po_number(name: str, value: object) -> str:
    """Return a poNumber of 1 to 100 plain characters.

    With an empty poNumber the vendor does not refuse duplicates (wire documentation § 7.1). The 100 are the size of the
    vendor's webhook field (§ 4.4).

    Raises:
        ConfigError: The value is no such poNumber.
    """
    if not isinstance(value, str) or not _PO.fullmatch(value):
        if isinstance(value, str) and lost_digits(value):
            raise ArgumentError(f"{name} is {value}: {LOST_DIGITS}")
        raise ArgumentError(f"{name} must be 1 to 100 characters of A-Z a-z 0-9 _ - . : / and blanks inside")
    return value


def text(name: str, value: object, *, longest: int = 255) -> str | None:
    """Return a text without control characters; None stays None.

    Raises:
        ConfigError: The value is no text, is too long, or holds control characters.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be a text, not {type(value).__name__}")
    if len(value) > longest:
        raise ArgumentError(f"{name} has {len(value):,} characters, and {longest} are allowed at most")
    if not value.isprintable():
        raise ArgumentError(f"{name} must be a text of at most {longest} printable characters")
    return value


def needed(name: str, value: object, *, longest: int = 255) -> str:
    """Return a text that is not blank, or raise `ArgumentError`."""
    filled = text(name, value, longest=longest)
    if filled is None or not filled.strip():
        raise ArgumentError(f"{name} is missing")
    return filled


def email(name: str, value: object) -> str | None:
    """Return a text that may be one e-mail address; None stays None.

    Raises:
        ConfigError: The text cannot be one e-mail address.
    """
    address = text(name, value)
    if address is None:
        return None
    local, _, host = address.rpartition("@")
    if not local or not host or _NOT_ONE.search(address):
        raise ArgumentError(f"{name} must be one e-mail address")
    if only_looks_plain(address):
        raise ArgumentError(f"{name} must be one e-mail address; it has a full-width or unseen sign: type it again")
    if not _MAILED.fullmatch(address):
        raise ArgumentError(f"{name} is no address that a mail server can take: {_why_not_mailed(host)}")
    return address


def _why_not_mailed(host: str) -> str:
    """Return what is wrong in an address, without it."""
    labels = host.split(".")
    if "" in labels:
        return "a part of its domain is empty"
    if len(labels) == 1:
        return "its domain has no dot, as in example.com"
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return "a part of its domain begins or ends with a hyphen"
    return "a part of its domain is too long"


def phone(name: str, value: object) -> str | None:
    """Return a phone number as people write it; None stays None, and an empty text is allowed.

    The vendor sends vouchers to this number, so it must not hold a letter, a note or a second number.

    Raises:
        ConfigError: The text holds anything but digits, `+ - ( )` and blanks, or it is not blank and has no digit.
    """
    number = text(name, value, longest=40)
    if number and lost_digits(number):
        raise ArgumentError(f"{name} is {number}: {LOST_DIGITS}")
    if number and (not _PHONE.fullmatch(number) or (number.strip() and not any("0" <= c <= "9" for c in number))):
        raise ArgumentError(f"{name} must be one phone number: digits, + - ( ) and blanks, and nothing else")
    return number


def e164(name: str, value: object) -> str:
    """Return a phone number in E.164, or raise `ArgumentError`."""
    if not isinstance(value, str) or not _E164.fullmatch(value):
        raise ArgumentError(f"{name} must be in E.164: + and 6 to 15 digits")
    return value


def check_page(page: object, limit: object) -> None:
    """Check a page number and a page size.

    Raises:
        ConfigError: One of them is not a whole number from 1.
    """
    for name, value in (("page", page), ("limit", limit)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ArgumentError(f"{name} must be a whole number from 1, not {value!r}")


def check_dates(start: object, end: object) -> tuple[date, date]:
    """Return the first and the last day of a range.

    Raises:
        ConfigError: A value is no date, or the range ends before it starts.
    """
    if not isinstance(start, date) or not isinstance(end, date):
        raise ArgumentError("start and end must be dates")
    # In Python every datetime is a date too, but the two cannot be compared.
    first, last = date(start.year, start.month, start.day), date(end.year, end.month, end.day)
    if last < first:
        raise ArgumentError(f"the range ends ({last}) before it starts ({first})")
    return first, last


def one_of(names: tuple[str, str], first: object, second: object) -> None:
    """Check that exactly one of two arguments is given.

    Raises:
        ConfigError: Both or neither is given.
    """
    if (first is None) == (second is None):
        raise ArgumentError(f"give either {names[0]} or {names[1]}")


def day(name: str, value: object) -> date:
    """Return a date, or raise `ArgumentError`."""
    if not isinstance(value, date):
        raise ArgumentError(f"{name} must be a date, not {type(value).__name__}")
    return value
