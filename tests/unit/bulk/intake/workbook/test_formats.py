"""What a number format shows: zeros before a number, another number, a currency."""

from decimal import Decimal

import pytest

from xoxo_async.bulk.intake.workbook.formats import Format, Seen

ACCOUNTING = '_(* #,##0_);_(* (#,##0);_(* "-"??_);_(@_)'
INDIAN = r"[>=10000000]##\,##\,##\,##0;[>=100000]##\,##\,##0;##,##0"


def see(number: str, code: str) -> Seen:
    return Format(code).see(Decimal(number)) or Seen(number)


@pytest.mark.parametrize(("number", "code"), [
    ("123", "General"), ("123", "@"), ("123", "0"), ("123", "0.00"), ("1234.5", "#,##0.00"), ("5", "?0"),
    ("1234567", INDIAN), ("123", INDIAN), ("5", ACCOUNTING), ("-5", ACCOUNTING), ("0", ACCOUNTING), ("5", "# ?/?"),
    ("500", "0.00E+00"), ("500", "[Red][$-409]0"),
])  # fmt: skip
def test_usual_formats_show_the_number(number: str, code: str) -> None:
    """Groups, places behind the point, and the marks of bookkeepers change nothing."""
    assert see(number, code) == Seen(number)


@pytest.mark.parametrize(("code", "text"), [
    ("00000", "00005"), ("00000;[Red]00000", "00005"), ("#00", "05"), ("00000_)", "00005"), ("[Blue]000", "005"),
    ("* 000", "005"), ("000;-000;;@", "005"), ("0%", "500%"),
])  # fmt: skip
def test_zeros_that_are_shown_are_text(code: str, text: str) -> None:
    """Colours and blanks do not count."""
    assert see("5", code).text == text
    assert not see("5", code).bad_text


@pytest.mark.parametrize("code", [
    r"000\-00\-0000", '"EMP-"000', "0#", "00,000", "000.00", "0,", ";;;", '"FREE"', "0 x", "yyyy",
    "-0", r"0\.0", "0" * 110,
])  # fmt: skip
def test_other_looks_are_no_text(code: str) -> None:
    """A key or an id may be nothing but what people see, and this module does not draw it."""
    bad = see("5", code).bad_text
    assert bad.startswith("is 5, and its format ")
    assert bad.endswith(" shows it differently; store it as text")


def test_a_message_names_the_format() -> None:
    """As people see it: without the marks of its code."""
    assert "its format 000-00-0000 shows" in see("5", r"000\-00\-0000").bad_text
    assert len(see("5", "x" * 5000).bad_text) < 200
    assert "?" in see("5", "x\n").bad_text


@pytest.mark.parametrize(("number", "code", "shown"), [
    ("0.5", "0%", "50%"), ("1000", "0,", "1"), ("499.6", "0", "500"), ("0.125", "0.00", "0.13"),
    ("1234", "0.00E+00", "1230"), ("500", "0.0,,", "0"),
])  # fmt: skip
def test_an_amount_shown_as_another_is_refused(number: str, code: str, shown: str) -> None:
    """The person who made the sheet saw that one."""
    assert f"is {number}, and its format {code} shows {shown};" in see(number, code).bad_amount


@pytest.mark.parametrize("code", ['0"00"', ";;;", '"FREE"', "-0", "000-000", r"0\.00", "yyyy", "[h]:mm", '0"%"'])
def test_an_amount_that_is_not_shown_is_refused(code: str) -> None:
    """Nobody saw what would be ordered."""
    assert "shows it differently" in see("500", code).bad_amount


@pytest.mark.parametrize(("code", "sign"), [
    ("[$€-407] #,##0.00", "€"), ('"€"#,##0', "€"), ('0" Rs"', "Rs"), (r"#,##0.00\ [$EUR]", "EUR"), ("[$$-409]0", "$"),
    ("_-[$£-809]* #,##0.00_-;-[$£-809]* #,##0.00_-", "£"), ('0" EUR"', "EUR"),
])  # fmt: skip
def test_a_currency_beside_a_number_is_known(code: str, sign: str) -> None:
    """It may stand before the number or after it."""
    assert see("500", code) == Seen("500", sign=sign)


def test_a_currency_that_nobody_knows_is_refused() -> None:
    """An amount in it may not pass as one in another."""
    assert see("500", "0 [$kr-41D]").bad_amount == "is 500 in 'kr', which is no known currency"


@pytest.mark.parametrize("code", ["0." + "0" * 30, "0." + "0" * 5000, "#,##0.0000000000000000000000", "0." + "#" * 25])
def test_many_places_show_each_number(code: str) -> None:
    """A format may have more digits than numbers have."""
    assert see("123456789012345", code) == Seen("123456789012345")
    assert see("0.000012345678901", code) == Seen("0.000012345678901")


def test_a_strange_format_ends_soon() -> None:
    """A damaged file may have any."""
    assert see("5", "0" + "," * 1_000_000).bad_amount
    assert see("5", "[" * 1_000_000).bad_amount
    assert see("5", ";" * 1_000_000 + "0") == Seen("5", see("5", ";" * 1000).bad_text, see("5", ";" * 1000).bad_amount)
