"""`wire.scalars`: money and dates in every documented form, and DecodeError for anything else."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.errors import DecodeError
from xoxo_async.wire import (
    parse_date,
    parse_datetime,
    to_decimal,
)


@pytest.mark.parametrize("value", [True, [], {}, "ten", "1,5"])
def test_what_is_no_money_is_refused(value: object) -> None:
    """A text or a list is no amount of money."""
    with pytest.raises(DecodeError):
        to_decimal(value)


def at(*fields: int) -> datetime:
    return datetime(*fields)  # type: ignore[misc,arg-type]  # noqa: DTZ001 - the vendor's times have no zone


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2028-02-14", date(2028, 2, 14)),
        ("31-12-2027", date(2027, 12, 31)),
        ("2024-02-07 12:25:45", date(2024, 2, 7)),
        ("07-02-2024 12:25:45", date(2024, 2, 7)),
        ("2024-02-07T12:25:45Z", date(2024, 2, 7)),
        (" 2028-02-14 ", date(2028, 2, 14)),
    ],
)
def test_dates_in_every_documented_form(text: str, day: date) -> None:
    """Vouchers write YYYY-MM-DD, links DD-MM-YYYY, orders a date and a time."""
    assert parse_date(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "", " ", None, "0000-00-00", "0000-00-00 00:00:00", "00-00-0000", "0001-01-01", "0001-01-01T00:00:00Z",
        "1900-01-01 00:00:00", "1970-01-01 05:30:00", "0000000000", 0, -1, True, 10**30, 5.5, "No Expiry", "12",
        20240101, [], {}, ["2024-02-07"], {"date": "2024-02-07"},
    ],
)  # fmt: skip
def test_zero_dates_and_blanks_are_none(text: object) -> None:
    """`created_date` may be 0000-00-00 00:00:00, and `deliveryDate` is blank while an order is pending."""
    assert parse_date(text) is None
    assert parse_datetime(text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-07 12:25:45", at(2024, 2, 7, 12, 25, 45)),
        ("2024-02-07T12:25:45+05:30", at(2024, 2, 7, 6, 55, 45)),
        ("1718121000", at(2024, 6, 11, 15, 50)),
        ("1718121000000", at(2024, 6, 11, 15, 50)),
        (1718121000, at(2024, 6, 11, 15, 50)),
        (1718121000000, at(2024, 6, 11, 15, 50)),
    ],
)
def test_times_never_have_a_zone(text: str, moment: datetime) -> None:
    """A time with a zone becomes UTC without one, so that any two times can be compared."""
    assert parse_datetime(text) == moment
    assert parse_datetime("0001-01-01T00:00:00+14:00") is None


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    """No text makes the parser raise."""
    moment = parse_datetime(text)
    assert moment is None or moment.tzinfo is None
