"""Read money and dates in every form that the vendor writes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from xoxo_async.errors import DecodeError
from xoxo_async.wire.amounts import ImplausibleError, read_amount
from xoxo_async.wire.secrets import Masked

__all__ = ["parse_date", "parse_datetime", "to_decimal", "to_text"]

_FIRST_YEAR: Final = 2000
"""The vendor is younger. An earlier date, such as 0001-01-01 or 1970-01-01, is a back end's way to write no date."""
_EARLIEST_S: Final = 10**9
_LATEST_MS: Final = 10**13
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive like all the vendor's times


def to_decimal(value: object) -> Decimal | None:
    """Read money in any documented form: a number, a numeric string, `""` or null.

    Args:
        value: The decoded value, in which fractions are Decimals and not floats.

    Returns:
        The exact amount, or None for `""` and null.

    Raises:
        DecodeError: The value is anything else, NaN or of an implausible size. The message does not repeat it.
    """
    try:
        return read_amount(value)
    except ImplausibleError as error:
        raise DecodeError(str(error)) from None


def parse_date(text: object) -> date | None:
    """Read a date in any documented form: `YYYY-MM-DD` or `DD-MM-YYYY`, with or without a time.

    A blank, a zero date (`0000-00-00`, `0001-01-01`, `1970-01-01`) and any other value, such as the empty list of a PHP
    back end, give None. The raw value stays in the reply.
    """
    moment = parse_datetime(text)
    return moment.date() if moment is not None else None


def parse_datetime(text: object) -> datetime | None:
    """Read a date and time; None as for `parse_date`.

    The vendor writes no zone and does not document one; most likely it is IST. So the result has no zone either, and
    any two results can be compared. Where the text has a zone, or is an epoch timestamp in seconds or milliseconds, the
    result is in UTC.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text) if _EARLIEST_S <= text < _LATEST_MS else ""
    if not isinstance(text, str):
        return None
    moment = _moment(text.strip())
    return moment if moment is not None and moment.year >= _FIRST_YEAR else None


def _moment(text: str) -> datetime | None:
    try:
        if text.isascii() and text.isdigit() and len(text) in (10, 13):
            return _EPOCH + timedelta(seconds=int(text[:10]))
        if text[2:3] == "-" and text[5:6] == "-":
            text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def to_text(value: Masked | None) -> str | None:
    """Read a text about a person, such as an e-mail address; a phone may be a number.

    Args:
        value: The value as decoded.

    Returns:
        The text, or None where the value is none.
    """
    found = None if value is None else value.reveal()
    return str(found) if isinstance(found, str | int | Decimal) and not isinstance(found, bool) else None
