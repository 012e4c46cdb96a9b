"""Parse numbers on the command line: ASCII digits only, exact, within bounds."""

import math
import re
from decimal import Decimal
from typing import Any, Final

import click
from click.types import FuncParamType

from xoxo_async.services.checks import decimal

__all__ = ["AMOUNT", "CONCURRENCY", "ERRORS", "POINTS", "RATE", "SECONDS", "Whole"]

_SHARE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?%")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,15}")


class Whole(click.IntRange):
    """A whole number within bounds. It refuses `1_000` and digits of other scripts."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail with a usage error."""
        if not _WHOLE.fullmatch(str(value)):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return super().convert(value, param, ctx)


# These are functions and not classes, because the base class of click's types is generic only since click 8.4.


def amount(value: object) -> Decimal:
    """Return a positive amount of money, exactly as written."""
    number = value if isinstance(value, Decimal) else decimal(str(value))
    if number is None or not number.is_finite() or number <= 0:
        raise click.BadParameter(f"{value!r} is not a number above 0")
    return number


def points(value: object) -> Decimal:
    """Return a whole number of points above 0; `500.00` is 500."""
    number = amount(value)
    if number != number.to_integral_value():
        raise click.BadParameter(f"{value!r} is not a whole number of points")
    return number


def rate(value: object) -> float:
    """Return a number above 0; infinity for `none`."""
    if isinstance(value, float):
        return value
    if str(value).lower() == "none":
        return math.inf
    number = _float(value)
    if number is None or not 0 < number < math.inf:
        raise click.BadParameter(f"{value!r} is not a number above 0, nor 'none'")
    return number


def concurrency(value: object) -> int | str:
    """Return a whole number from 1 to 4096, or `auto`."""
    text = str(value)
    if text == "auto":
        return "auto"
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= 4096:
        raise click.BadParameter(f"{value!r} is not a whole number from 1 to 4096, nor 'auto'")
    return int(text)


def errors(value: object) -> int | str:
    """Return a whole number from 0, a share up to 100%, or `none`."""
    text = str(value).lower()
    share = decimal(text[:-1]) if _SHARE.fullmatch(text) else None
    if text == "none" or (share is not None and share <= 100):
        return text
    if not _WHOLE.fullmatch(text) or int(text) < 0:
        raise click.BadParameter(f"{value!r} is not a whole number from 0, a share such as 5%, nor 'none'")
    return int(text)


def seconds(value: object) -> float:
    """Return a number of seconds, 0 or more."""
    number = _float(value)
    if number is None or not 0 <= number < math.inf:
        raise click.BadParameter(f"{value!r} is not a number of seconds")
    return number


def _float(value: object) -> float | None:
    number = decimal(str(value))
    return None if number is None else float(number)


AMOUNT: Final = FuncParamType(amount)
CONCURRENCY: Final = FuncParamType(concurrency)
ERRORS: Final = FuncParamType(errors)
POINTS: Final = FuncParamType(points)
RATE: Final = FuncParamType(rate)
SECONDS: Final = FuncParamType(seconds)
