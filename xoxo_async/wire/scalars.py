"""Money and dates in every form the vendor writes them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from xoxo_async.errors import DecodeError
from xoxo_async.wire.amounts import ImplausibleError, read_amount

__all__ = ["parse_date", "parse_datetime", "to_decimal"]

_FIRST_YEAR: Final = 2000
"""The vendor is younger: an earlier date is how some back end writes that there is none."""
_EARLIEST_S: Final = 10**9
_LATEST_MS: Final = 10**13
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive like all the vendor's times


def to_decimal(value: object) -> Decimal | None:
    """Read money in any documented form: a number, a numeric string, `""` or null.

    Args:
        value: As decoded; fractions as Decimal, never as float.

    Returns:
        The exact amount, None for none.

    Raises:
        DecodeError: For anything else, NaN and absurd magnitudes included; the value itself is not repeated.
    """
    try:
        return read_amount(value)
    except ImplausibleError as error:
        raise DecodeError(str(error)) from None


def parse_date(text: object) -> date | None:
    """Read a date in any documented form: `YYYY-MM-DD` or `DD-MM-YYYY`, with or without a time; None for no date.

    Blank and zero dates (`0000-00-00`, `0001-01-01`, `1970-01-01`) are None. So is what is no date at all, such as the
    empty list or object of a PHP back end: the raw value stays in the reply.
    """
    moment = parse_datetime(text)
    return moment.date() if moment is not None else None


def parse_datetime(text: object) -> datetime | None:
    """Read a date and time as the vendor writes it: without a zone (most likely IST). None as for `parse_date`.

    The result never has a zone, so that any two can be compared. Where the text has one, or is an epoch timestamp (in
    seconds or milliseconds), the result is in UTC.
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
