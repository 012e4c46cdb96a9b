"""What a request may hold: each check names the field, before anything is sent."""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from xoxo_async.errors import ConfigError

__all__ = [
    "LOST_DIGITS",
    "check_dates",
    "day",
    "decimal",
    "e164",
    "email",
    "lost_digits",
    "money",
    "needed",
    "one_of",
    "phone",
    "po_number",
    "text",
    "whole",
]

_E164: Final = re.compile(r"\+[0-9]{6,15}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PHONE: Final = re.compile(r"[0-9+() -]*")
# Spreadsheets write 1.23457E+14, or 1,23457E+14 where the comma is the decimal sign; programs write 1.23457e+14.
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,][0-9]*)?[eE]\+[0-9]{1,3}")
_PO: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,99}")


def whole(name: str, value: object, *, low: int = 1, high: int = 10**12) -> int:
    """Return a whole number within its bounds, or raise `ConfigError`."""
    if type(value) is int and low <= value <= high:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    return value


def decimal(text: str) -> Decimal | None:
    """Return the number a text is, None when it is none: ASCII digits, no separators, nothing around them.

    Python would also read `1_0` as ten, and the digits of every script; neither is what a person meant to spend.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def money(name: str, value: object) -> Decimal:
    """Return a positive exact amount.

    A float is taken by its shortest text (`0.1` is 0.1): what the caller saw when writing it.

    Raises:
        ConfigError: When it is no positive number of a plausible size.
    """
    if type(value) is int and 0 < value < 10**13:
        return Decimal(value)  # most denominations; what follows says the same of it, slowly
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal | float):
        raise ConfigError(f"{name} must be a number, not {type(value).__name__}")
    number = decimal(value) if isinstance(value, str) else Decimal(repr(value) if isinstance(value, float) else value)
    if number is None:
        raise ConfigError(f"{name} must be a number, not {value!r}")
    if not number.is_finite() or number <= 0 or not -6 <= number.adjusted() <= 12:
        raise ConfigError(f"{name} must be above 0, not {value!r}")
    # As plain digits: 5E+2 is a number to us and a syntax nobody has seen the vendor take.
    return Decimal(f"{number:f}")


LOST_DIGITS: Final = (
    "a spreadsheet wrote a long number so, and its last digits are lost. Format the column as text, enter the values "
    "again, and save the file anew"
)
"""What to say of a text that `lost_digits` finds."""


def lost_digits(value: str) -> bool:
    """Return whether a text is what a spreadsheet makes of a long number: `1.23457E+14` for 123456789012345.

    Several numbers become the same such text, so it names nothing: neither an order, nor a phone, nor a member.

    Args:
        value: The text.
    """
    return "+" in value and _SCIENTIFIC.fullmatch(value.strip()) is not None


def po_number(value: object) -> str:
    """Return a poNumber the vendor can hold; an empty one would disable its protection against duplicates.

    Raises:
        ConfigError: When it is not 1 to 100 plain characters (the size of the vendor's webhook field).
    """
    if not isinstance(value, str) or not _PO.fullmatch(value) or value != value.strip():
        if isinstance(value, str) and lost_digits(value):
            raise ConfigError(f"po_number is {value}: {LOST_DIGITS}")
        raise ConfigError("po_number must be 1 to 100 characters of A-Z a-z 0-9 _ - . : / and blanks inside")
    return value


def text(name: str, value: object, *, longest: int = 255) -> str | None:
    """Return a text without control characters, None for none.

    Raises:
        ConfigError: When it is too long or holds control characters.
    """
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        if isinstance(value, str) and len(value) > longest:
            raise ConfigError(f"{name} has {len(value):,} characters, and {longest} are allowed at most")
        raise ConfigError(f"{name} must be a text of at most {longest} printable characters")
    return value


def needed(name: str, value: object, *, longest: int = 255) -> str:
    """Return a text that is not blank, or raise `ConfigError`."""
    given = text(name, value, longest=longest)
    if given is None or not given.strip():
        raise ConfigError(f"{name} is missing")
    return given


def email(name: str, value: object) -> str | None:
    """Return an e-mail address that could be one, None for none.

    Raises:
        ConfigError: When it cannot be one.
    """
    address = text(name, value)
    if address is None:
        return None
    local, _, host = address.rpartition("@")
    if not local or not host or any(c in " ,;<>" for c in address):
        raise ConfigError(f"{name} must be one e-mail address")
    return address


def phone(name: str, value: object) -> str | None:
    """Return a phone number as people write it, None for none.

    The vendor sends vouchers to it, so a letter, a second number or a note beside it must not reach the vendor.

    Raises:
        ConfigError: When it holds anything but digits, `+ - ( )` and blanks, or no digit at all; empty is allowed.
    """
    number = text(name, value, longest=40)
    if number and lost_digits(number):
        raise ConfigError(f"{name} is {number}: {LOST_DIGITS}")
    if number and (not _PHONE.fullmatch(number) or (number.strip() and not any("0" <= c <= "9" for c in number))):
        raise ConfigError(f"{name} must be one phone number: digits, + - ( ) and blanks, and nothing else")
    return number


def e164(name: str, value: object) -> str:
    """Return a phone number in E.164, or raise `ConfigError`."""
    if not isinstance(value, str) or not _E164.fullmatch(value):
        raise ConfigError(f"{name} must be in E.164: + and 6 to 15 digits")
    return value


def check_dates(start: object, end: object) -> tuple[date, date]:
    """Return two dates in order.

    Raises:
        ConfigError: When they are no dates, or the range ends before it starts.
    """
    if not isinstance(start, date) or not isinstance(end, date):
        raise ConfigError("start and end must be dates")
    # A datetime is a date to Python, and cannot be compared with one.
    first, last = date(start.year, start.month, start.day), date(end.year, end.month, end.day)
    if last < first:
        raise ConfigError(f"the range ends ({last}) before it starts ({first})")
    return first, last


def one_of(names: tuple[str, str], first: object, second: object) -> None:
    """Demand exactly one of two arguments.

    Raises:
        ConfigError: When both or neither is given.
    """
    if (first is None) == (second is None):
        raise ConfigError(f"give either {names[0]} or {names[1]}")


def day(name: str, value: object) -> date:
    """Return a date, or raise `ConfigError`."""
    if not isinstance(value, date):
        raise ConfigError(f"{name} must be a date, not {type(value).__name__}")
    return value
