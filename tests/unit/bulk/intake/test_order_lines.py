"""`order_lines`: an order line is made with keywords alone, and checked later."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk import OrderLine


def test_fields_are_given_by_name() -> None:
    """Product and denomination are both whole numbers; by position they could be swapped."""
    make: Any = OrderLine
    with pytest.raises(TypeError):
        make("a", 1001, 500)


def test_a_wrong_line_can_be_made() -> None:
    """The job that reads it names the row, so making it raises nothing."""
    wrong: Any = "ten"
    assert OrderLine(key="a", product_id=1, denomination=wrong).denomination == "ten"
    assert OrderLine(key="a", product_id=1, denomination=Decimal(1)).quantity == 1
