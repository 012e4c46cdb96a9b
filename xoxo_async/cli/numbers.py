"""Numbers on the command line: ASCII digits alone, exactly as written, within their bounds."""

import math
import re
from decimal import Decimal
from typing import Any, Final

import click

from xoxo_async.services.checks import decimal

__all__ = ["AMOUNT", "CONCURRENCY", "RATE", "SECONDS", "Whole"]

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,15}")


class Whole(click.IntRange):
    """A whole number within bounds; `1_000` and digits of other scripts are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if not _WHOLE.fullmatch(str(value)):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return super().convert(value, param, ctx)


class _Amount(click.ParamType[Decimal]):
    """A positive amount of money."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read it, exactly as written."""
        number = value if isinstance(value, Decimal) else decimal(str(value))
        if number is None or not number.is_finite() or number <= 0:
            self.fail(f"{value!r} is not a number above 0", param, ctx)
        return number


class _Rate(click.ParamType[float]):
    """A number above 0, or `none`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; `none` is infinite."""
        if isinstance(value, float):
            return value
        if str(value).lower() == "none":
            return math.inf
        number = _float(value)
        if number is None or not 0 < number < math.inf:
            self.fail(f"{value!r} is not a number above 0, nor 'none'", param, ctx)
        return number


class _Concurrency(click.ParamType[int | str]):
    """A whole number from 1, or `auto`."""

    name = "concurrency"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read it."""
        text = str(value)
        if text == "auto":
            return "auto"
        if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= 4096:
            self.fail(f"{value!r} is not a whole number from 1 to 4096, nor 'auto'", param, ctx)
        return int(text)


class _Seconds(click.ParamType[float]):
    """Seconds, from 0."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read them."""
        number = _float(value)
        if number is None or not 0 <= number < math.inf:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return number


def _float(value: object) -> float | None:
    number = decimal(str(value))
    return None if number is None else float(number)


AMOUNT: Final = _Amount()
RATE: Final = _Rate()
CONCURRENCY: Final = _Concurrency()
SECONDS: Final = _Seconds()
