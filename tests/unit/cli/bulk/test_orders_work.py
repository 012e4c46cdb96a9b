"""`orders_work`: the words about orders that a command prints and asks about."""

from decimal import Decimal

import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.cli.bulk.orders_work import OrdersWork
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.connection import Connection


@pytest.fixture
def work() -> OrdersWork:
    ledger = LedgerAddress.read("m.db")
    return OrdersWork(RunRequest(action="run", source="orders.csv", ledger=ledger, connection=Connection()))


def test_a_plan_without_orders_asks_nobody(work: OrdersWork) -> None:
    """A second run of a finished job needs no consent."""
    assert work.question(PlanTotals()) == ""


def test_a_person_agrees_to_the_sums(work: OrdersWork) -> None:
    """Vouchers, face value, and the rows in doubt that may be sent again."""
    rupees = ProductTotals(name="", currency="INR", fee=Decimal(0), discount=Decimal(0), rate=None, face=Decimal(1500))
    totals = PlanTotals(lines=2, orders=2, pieces=3, in_doubt=1, by_product={1001: rupees})
    assert work.question(totals) == "issue 3 vouchers, face value INR 1,500, and 1 row in doubt"
    assert work.doing == "issuing the orders of orders.csv"
