"""`checks`: the values that a request may hold, and the errors that name the others."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.services import checks


@pytest.mark.parametrize("value", [0, -1, 10_000, 1.0, "1", True, None])
def test_whole_numbers_have_bounds(value: object) -> None:
    """A bool, a float or a text is not a whole number."""
    with pytest.raises(ConfigError, match="quantity must be a whole number from 1 to 9999"):
        checks.whole("quantity", value, high=9999)
    assert checks.whole("quantity", 9999, high=9999) == 9999


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), ("12.50", "12.50"), (Decimal("5E+2"), "500"), (0.1, "0.1"), (1e3, "1000.0")]
)
def test_money_is_exact(value: object, text: str) -> None:
    """A float counts as its shortest text, and an exponent becomes plain digits."""
    assert str(checks.money("denomination", value)) == text


@pytest.mark.parametrize(
    "value",
    [
        0,
        -5,
        "0",
        "x",
        "",
        "NaN",
        "Infinity",
        float("nan"),
        float("inf"),
        "1e99",
        "1e-99",
        "1_0",
        "5_00",
        "\uff11",
        "\u0661",
        " 5",
        True,
        None,
        [],
        b"5",
    ],
)
def test_money_is_positive_and_plausible(value: object) -> None:
    """Every value that is no amount to pay is refused."""
    with pytest.raises(ConfigError, match="denomination must be"):
        checks.money("denomination", value)


@pytest.mark.parametrize(("value", "text"), [(500, "500"), ("500.00", "500"), (Decimal("5E+2"), "500"), (5.0, "5")])
def test_points_are_whole_and_plain(value: object, text: str) -> None:
    """A spreadsheet shows 500 as 500.00; the vendor's samples do not."""
    assert str(checks.points("amount", value)) == text


@pytest.mark.parametrize("value", ["0.5", 12.5, Decimal("99.99"), "1e-3", 0, -5, "x", True, None])
def test_a_fraction_of_a_point_is_refused(value: object) -> None:
    """A fraction that the vendor refused would leave all people of its call in doubt."""
    with pytest.raises(ConfigError, match=r"amount must be a (whole )?number"):
        checks.points("amount", value)


@pytest.mark.parametrize("value", ["PO-1", "a", "A.b_c:d/e f-1", "x" * 100])
def test_good_po_numbers(value: str) -> None:
    """They have plain characters, up to the 100 of the vendor's webhook field."""
    assert checks.po_number("po_number", value) == value


@pytest.mark.parametrize("value", ["", " ", "x" * 101, "-a", " a", "a ", "a\n", "a\tb", "ü", "a'b", "a\x00", None, 5])
def test_bad_po_numbers(value: object) -> None:
    """With an empty poNumber the vendor does not refuse duplicates, so it is never sent."""
    with pytest.raises(ConfigError, match="po_number"):
        checks.po_number("po_number", value)


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\u202egnp", "x" * 256, 5])
def test_texts_have_no_control_characters(value: object) -> None:
    """Line breaks and invisible direction marks are refused."""
    with pytest.raises(ConfigError, match="tag"):
        checks.text("tag", value)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("a@b", "no dot"),
        ("a@x..example", "domain is empty"),
        ("a@.example", "domain is empty"),
        ("a@x.example.", "domain is empty"),
        ("a@-x.example", "hyphen"),
        ("a@x-.example", "hyphen"),
        (f"a@{'x' * 64}.example", "too long"),
    ],
)
def test_no_code_is_mailed_to_nowhere(address: str, why: str) -> None:
    """No mail server takes the address, so nothing is sent; the error does not repeat it."""
    with pytest.raises(ConfigError, match=f"email is no address that a mail server can take: .*{why}") as caught:
        checks.email("email", address)
    assert address not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "o'brien+tag_1@a.b.example",
        '"a..b"@x.example',
        "a..b@x.example",
        "ann@ex-am-ple.co.uk",
        "ann@xn--bcher-kva.example",
        "jürgen@bücher.example",
        "почта@пример.рф",
        "a@[192.0.2.1]",
        f"a@{'x' * 63}.example",
    ],
)
def test_odd_addresses_are_mailed(address: str) -> None:
    """What some mail server takes is not refused."""
    assert checks.email("email", address) == address


@pytest.mark.parametrize("value", ["", "a", "@b", "a@", "a b@c", "a@b,c@d", "<a@b>", "a@b\n", "a@b/c@d", "mailto:a@b"])
def test_addresses_are_one_address(value: object) -> None:
    """A comma would make two receivers of one."""
    with pytest.raises(ConfigError, match="email"):
        checks.email("email", value)
    assert checks.email("email", "a@b.example") == "a@b.example"
    assert checks.email("email", None) is None


@pytest.mark.parametrize("value", [
    "\uff41@b.c", "a@b\uff0ec", "a@b\u3002c", "a\ufe0f@b.c", "a\u200b@b.c",
    "a\u00ad@b.c",
])  # fmt: skip
def test_no_mail_server_takes_such_an_address(value: str) -> None:
    """It would be refused after the money is gone, or reach another person. The error does not show it."""
    with pytest.raises(ConfigError, match="email must be") as caught:
        checks.email("email", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["a..b@c.d", "j\u00fcrgen@b\u00fccher.de", "\u0e19\u0e49\u0e33@x.com", "k@xn--bcher-kva.de"]
)
def test_an_address_of_any_script_is_taken(value: str) -> None:
    """It is sent as it is written."""
    assert checks.email("email", value) == value


def test_ranges_end_after_they_start() -> None:
    """The dates are in order, and a datetime counts as its day."""
    day = date(2026, 3, 1)
    assert checks.check_dates(day, day) == (day, day)
    assert checks.check_dates(day, datetime(2026, 3, 2, 5, tzinfo=UTC)) == (day, date(2026, 3, 2))
    with pytest.raises(ConfigError, match="before it starts"):
        checks.check_dates(day, date(2026, 2, 1))
    with pytest.raises(ConfigError, match="must be dates"):
        checks.check_dates("2026-03-01", day)


@pytest.mark.parametrize("value", ["12125550100", "+12", "+1 212 555", "+" + "1" * 16, "+١٢٣٤٥٦", 5, "+123456\n"])
def test_phone_numbers_are_e164(value: object) -> None:
    """The operator look-up takes E.164 and nothing else."""
    with pytest.raises(ConfigError, match=r"E\.164"):
        checks.e164("number", value)


@pytest.mark.parametrize("value", ["+91-98765 43210", "(030) 1234-5", "98", "", " ", None])
def test_a_phone_number_is_what_people_write(value: str | None) -> None:
    """Digits, + - ( ) and blanks are allowed; the vendor's samples have blank ones."""
    assert checks.phone("contact", value) == value


@pytest.mark.parametrize(
    "value",
    ["98a", "ext 5", "a@b.example", "+91-98/99", "98,99", "98;99", "9.1", "+-()", "\u0661\u0662", "98\u201199",
     "98\u00a099", "98\n", "9" * 41, "=98", 98],
)  # fmt: skip
def test_a_phone_number_is_nothing_else(value: object) -> None:
    """Letters, notes, a second number and digits of other scripts are refused, because vouchers are sent to it."""
    with pytest.raises(ConfigError, match=r"contact (must be|has 41 characters, and 40 are allowed)"):
        checks.phone("contact", value)


@pytest.mark.parametrize("check", [checks.po_number, checks.phone])
def test_lost_digits_are_explained(check: Callable[[str, object], object]) -> None:
    """The error says what the spreadsheet did and how to get the digits back."""
    with pytest.raises(ConfigError, match=r"^key is 9\.19877E\+11: a spreadsheet wrote .* Format the column as text"):
        check("key", "9.19877E+11")


def test_exactly_one_of_two_is_needed() -> None:
    """Both are as wrong as neither."""
    for pair in ((None, None), (1, 2)):
        with pytest.raises(ConfigError, match="either a or b"):
            checks.one_of(("a", "b"), *pair)


def test_a_needed_text_is_not_blank() -> None:
    """A blank text counts as missing."""
    with pytest.raises(ConfigError, match="name is missing"):
        checks.needed("name", " ")
    assert checks.needed("name", "x") == "x"


def test_a_day_is_a_date() -> None:
    """A text is not a date."""
    with pytest.raises(ConfigError, match="expires_on must be a date"):
        checks.day("expires_on", "2026-01-01")


@pytest.mark.parametrize("bad", [0, -1, True, 1.0, "1", None])
def test_pages_and_limits_are_whole_numbers_from_one(bad: object) -> None:
    """No vendor page says what page 0 or limit 0 means, so both are refused by name."""
    with pytest.raises(ConfigError, match="page"):
        checks.check_page(bad, 1)
    with pytest.raises(ConfigError, match="limit"):
        checks.check_page(1, bad)
