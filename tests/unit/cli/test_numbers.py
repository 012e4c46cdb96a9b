"""`numbers`: a number on the command line is read exactly as written, or refused with a reason."""

import math
from decimal import Decimal
from typing import Any

import click
import pytest

from xoxo_async.cli.numbers import AMOUNT, CONCURRENCY, ERRORS, POINTS, RATE, SECONDS, Whole


def read(kind: Any, text: str) -> Any:
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Whole(1, 100), "7", 7),
        (Whole(1, 100), "+7", 7),
        (AMOUNT, "0.10", Decimal("0.10")),
        (AMOUNT, "1e3", Decimal(1000)),
        (POINTS, "500.00", Decimal(500)),
        (RATE, "300", 300.0),
        (RATE, "None", math.inf),
        (CONCURRENCY, "auto", "auto"),
        (CONCURRENCY, "4096", 4096),
        (ERRORS, "0", 0),
        (ERRORS, "12", 12),
        (ERRORS, "2.5%", "2.5%"),
        (ERRORS, "None", "none"),
        (SECONDS, "0", 0.0),
        (SECONDS, "1.5", 1.5),
    ],
)
def test_a_number_is_read_as_written(kind: Any, text: str, value: object) -> None:
    """`none` and `auto` are read, too."""
    assert read(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((Whole(1, 100), text) for text in ("1_0", "\N{ARABIC-INDIC DIGIT SEVEN}", "1.0", "", "0", "101", "1e2")),
        *(
            (AMOUNT, text)
            for text in ("0", "-1", "NaN", "Infinity", "1_000", "1,000", "\N{ARABIC-INDIC DIGIT SEVEN}", "")
        ),
        *((POINTS, text) for text in ("0", "-1", "0.5", "1_000", "5,0", "")),
        *((RATE, text) for text in ("0", "-1", "nan", "inf", "1_0", "fast")),
        *((CONCURRENCY, text) for text in ("0", "4097", "1_0", "2.5", "all")),
        *((ERRORS, text) for text in ("-1", "1_0", "101%", "%", "5 %", "-1%", "few", "1.5")),
        *((SECONDS, text) for text in ("-1", "nan", "inf", "1_0", "soon")),
    ],
)
def test_other_numbers_are_refused(kind: Any, text: str) -> None:
    """Python would read some of these as ten or seven, but a person did not mean that."""
    with pytest.raises(click.BadParameter) as caught:
        read(kind, text)
    assert text in caught.value.message
