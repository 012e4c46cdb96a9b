"""Numbers as people write them: `1.000,50`, `1,000.50`, `₹1,00,000`. What the whole column proves decides on each."""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from xoxo_async.bulk.intake.currencies import SIGN, currencies_of
from xoxo_async.bulk.intake.tables import BadCell
from xoxo_async.services.checks import LOST_DIGITS, decimal, lost_digits

__all__ = ["NumberColumn", "Readings", "either", "readings_of"]

_MOST: Final = 10_000
"""Texts that a column remembers. Columns of money hold few different ones."""
_TWO_WAYS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
"""The one plain number that is two: `1.000` is one with a decimal point, and a thousand with a decimal comma."""
_WRITTEN: Final = re.compile(
    rf"(?P<minus>[+-]?)(?P<before>{SIGN})?\s*(?P<number>[0-9.,](?:[0-9.,'\u2019 \u00a0\u202f]*[0-9.])?)"
    rf"\s*(?P<after>{SIGN})?",
    re.IGNORECASE,
)
_GROUPED: Final = r"[0-9]+|[1-9][0-9]{{0,2}}([{0}'\u2019 \u00a0\u202f])[0-9]{{3}}(?:\1[0-9]{{3}})*"
_INDIAN: Final = r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"
_POINT: Final = re.compile(rf"(?:(?:{_GROUPED.format(',')}|{_INDIAN})(?:\.[0-9]*)?|\.[0-9]+)")
_COMMA: Final = re.compile(rf"(?:(?:{_GROUPED.format('.')})(?:,[0-9]+)?|,[0-9]+)")
_NO_DIGITS: Final = re.compile("[^0-9]")
_THREE: Final = -3
_WORDS: Final = {".": "point", ",": "comma"}


class Readings(NamedTuple):
    """What a text is as a number.

    Attributes:
        point: The number where the decimal sign is a point; None where it is no such number.
        comma: The number where the decimal sign is a comma; None where it is no such number.
        currencies: The currencies that its sign can mean; empty where it has none.
    """

    point: Decimal | None = None
    comma: Decimal | None = None
    currencies: tuple[str, ...] = ()

    @property
    def differ(self) -> bool:
        """Whether it is two different numbers."""
        return self.point is not None and self.comma is not None and self.point != self.comma


_NONE: Final = Readings()


def readings_of(text: str) -> Readings:
    """Return what a text is as a number, with either decimal sign.

    Args:
        text: The text, without blanks around it.
    """
    if (plain := decimal(text)) is not None:
        comma = plain if "." not in text else Decimal(text.replace(".", "")) if _TWO_WAYS.fullmatch(text) else None
        return Readings(plain, comma)
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return _NONE
    signs = [sign for sign in (found["before"], found["after"]) if sign]
    currencies = currencies_of(signs[0]) if signs else ()
    if len(signs) > 1 or (signs and not currencies):
        return _NONE
    number = found["number"]
    point = comma = None
    if _POINT.fullmatch(number):
        point = _exact(found["minus"], *number.partition(".")[::2])
    if _COMMA.fullmatch(number):
        comma = _exact(found["minus"], *number.partition(",")[::2])
    return Readings(point, comma, currencies) if (point, comma) != (None, None) else _NONE


def _exact(minus: str, whole: str, fraction: str) -> Decimal:
    return Decimal(f"{minus}{_NO_DIGITS.sub('', whole) or '0'}.{fraction}")


class _Seen(NamedTuple):
    """A text that shows something, and the row of its first appearance."""

    row: int
    text: str


class NumberColumn:
    """A column of numbers: it reads each text as far as the column proves what the text is.

    Plain numbers (`1000`, `1000.50`) need no proof. At the first other number `read` returns None: then `learn` has to
    see every text of the rest of the column, and `settle` draws the conclusion. From then on `read` reads every text.

    Attributes:
        sign: The decimal sign that was given or proved; empty where none is known yet.
        currencies: The currencies that a text's sign can mean, by text.

    Args:
        whole: Whether it holds whole numbers that are ids or counts.
        given: The decimal sign that a person gave; None for none.
        signs: Whether a currency sign may stand beside a number.
    """

    def __init__(self, *, whole: bool = False, given: str | None = None, signs: bool = False) -> None:
        self.sign: str = given or ""
        self.currencies: Final[dict[str, tuple[str, ...]]] = {}
        self._whole: Final = whole
        self._given: Final = given is not None
        self._signs: Final = signs
        self._settled = given is not None
        self._known: Final[dict[str, Decimal | str | BadCell]] = {}
        self._learned: Final[set[str]] = set()
        self._shows: Final[dict[str, _Seen]] = {}  # the first text that is a number with one decimal sign alone
        self._thirds: Final[set[str]] = set()  # decimal signs that a number has with exactly three digits behind it
        self._two_ways: _Seen | None = None
        self._mixed = False

    def read(self, text: str, row: int) -> Decimal | str | BadCell | None:
        """Return a text's number; the text itself where it is no number; None where the column has to be learned first.

        Args:
            text: The text, without blanks around it and not empty.
            row: Its row.
        """
        value = self._known.get(text)
        if value is None:
            value = self._settled_value(text, row) if self._settled else self._plain_value(text, row)
            if value is not None:
                if len(self._known) >= _MOST:
                    self._known.clear()
                    self.currencies.clear()
                self._known[text] = value
        return value

    def learn(self, text: str, row: int) -> None:
        """Note what a text shows about the column.

        Args:
            text: The text as it stands in the cell.
            row: Its row.
        """
        if text in self._learned:
            return
        if len(self._learned) >= _MOST:
            self._learned.clear()
        self._learned.add(text)
        number = text.strip()
        self._note(readings_of(number), number, row)

    def settle(self) -> None:
        """Decide which decimal sign the column has, from what it has learned."""
        if self._settled:
            return
        self._settled = True
        self._mixed = len(self._shows) > 1
        # Of two signs the point stays: plain numbers were read with it all along, and the other rows are refused.
        self.sign = "." if "." in self._shows else "," if self._shows else ""
        self._known.clear()
        self.currencies.clear()

    def _note(self, readings: Readings, text: str, row: int) -> None:
        if readings.differ:
            self._two_ways = self._two_ways or _Seen(row, text)
        elif readings.comma is None and readings.point is not None:
            self._show(".", readings.point, text, row)
        elif readings.point is None and readings.comma is not None:
            self._show(",", readings.comma, text, row)

    def _show(self, sign: str, number: Decimal, text: str, row: int) -> None:
        self._shows.setdefault(sign, _Seen(row, text))
        if number.as_tuple().exponent == _THREE:
            self._thirds.add(sign)

    def _plain_value(self, text: str, row: int) -> Decimal | str | BadCell | None:
        """Return the value of a text that needs no proof; None for one that does."""
        if self._whole and lost_digits(text):
            return BadCell(f"is {text}: {LOST_DIGITS}")
        number = decimal(text)
        if number is None:
            return None if readings_of(text) is not _NONE else text
        if "." in text:
            if _TWO_WAYS.fullmatch(text):
                return None
            self._show(".", number, text, row)
        return number

    def _settled_value(self, text: str, row: int) -> Decimal | str | BadCell:
        if self._whole and lost_digits(text):
            return BadCell(f"is {text}: {LOST_DIGITS}")
        readings = readings_of(text)
        if readings.currencies:
            if not self._signs:
                return text
            self.currencies[text] = readings.currencies
        if readings is _NONE:
            return text
        value = readings.comma if self.sign == "," else readings.point
        if readings.differ and not self._given and (self._mixed or not self.sign or self._is_odd_fraction(value)):
            return self._refused(readings, text, row)
        if value is None and not self.sign:
            value = readings.comma
        return self._other_sign(text) if value is None else value

    def _is_odd_fraction(self, value: Decimal | None) -> bool:
        """Return whether a number that can also be thousands would be the only one with three digits behind the sign.

        `1.000` below `10.50` is more likely a thousand that another person wrote than one with three digits.
        """
        return value is not None and value.as_tuple().exponent == _THREE and self.sign not in self._thirds

    def _refused(self, readings: Readings, text: str, row: int) -> BadCell:
        """Return why a text that can be two numbers is refused."""
        if self._mixed:
            return BadCell(f"is {text!r}: {self._both_signs()}, so it can be {either(readings)}")
        if self.sign:
            seen = self._shows[self.sign]
            return BadCell(
                f"is {text!r}: it can be {either(readings)}; row {seen.row} ({seen.text}) has a decimal"
                f" {_WORDS[self.sign]}, but no row has three digits behind it; write 1000 or 1000.50, or add --decimal"
            )
        first = self._two_ways
        if first is not None and first.row != row:
            return BadCell(f"is {text!r}: it can be {either(readings)}, as in row {first.row}")
        return BadCell(
            f"is {text!r}: it can be {either(readings)}, and nothing in the column says which; write 1000 or 1000.50,"
            " or add --decimal . or --decimal ,"
        )

    def _other_sign(self, text: str) -> BadCell:
        word = _WORDS[self.sign]
        if self._given:
            return BadCell(f"is {text!r}, which is no number with a decimal {word} (--decimal {self.sign})")
        return BadCell(f"is {text!r}: {self._both_signs()}")

    def _both_signs(self) -> str:
        rows = [f"row {seen.row} ({seen.text}) has a decimal {_WORDS[sign]}" for sign, seen in self._shows.items()]
        return " and ".join(rows)


def either(readings: Readings) -> str:
    """Return the two numbers that a text can be, in words.

    Args:
        readings: The numbers.
    """
    return f"{_shown(readings.point)} (decimal point) or {_shown(readings.comma)} (decimal comma)"


def _shown(number: Decimal | None) -> str:
    """Return a number without the zeros at its end, which only show how it was written."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
