"""`facts`: what is taken from the vendor's replies, and what is left out."""

from decimal import Decimal

from tests.unit.bulk.proving.books import SCOPE, summary
from xoxo_async.bulk.proving.facts import order_facts
from xoxo_async.services.orders.replies import Order, OrderSummary, VoucherCode
from xoxo_async.wire import Secret


def test_an_order_of_the_history_tells_its_poNumber() -> None:  # noqa: N802 - the vendor's word
    """It is the only reply that does; a field that is absent is another thing than an empty one."""
    facts = order_facts(summary(7, " po-1 "))
    assert (facts.order_id, facts.po_number, facts.products, facts.values) == (7, "po-1", (1001,), (Decimal(100),))
    assert (facts.quantities, facts.charged, facts.delivery, facts.day) == ((1,), 100, "delivered", "2026-03-10")
    assert (order_facts(summary(7, "")).po_number, order_facts(summary(7, None)).po_number) == ("", None)


def test_a_look_up_tells_no_poNumber() -> None:  # noqa: N802 - the vendor's word
    """The client writes the poNumber that was asked with into an order; that is no proof. Codes are left out."""
    voucher = VoucherCode(product_id=1001, voucher_code_=Secret("BEARER-CASH"), amount=Decimal(100))
    facts = order_facts(Order(order_id=7, po_number="asked", quantity=2, vouchers=(voucher, voucher)))
    assert (facts.po_number, facts.products, facts.prices, facts.quantities) == (None, (1001,), (Decimal(100),), (2,))
    assert "BEARER-CASH" not in repr(facts)


def test_a_bare_reply_tells_nothing() -> None:
    """Whatever it leaves out is empty."""
    facts = order_facts(OrderSummary(order_id=7))
    assert (facts.products, facts.values, facts.quantities, facts.charged, facts.delivery, facts.day) == (
        (),
        (),
        (),
        None,
        "",
        "",
    )


def test_an_unknown_day_counts_as_read() -> None:
    """The dates have no zone, and some have no date at all."""
    assert [SCOPE.has(day) for day in ("", "2026-03-08", "2026-03-09", "2026-03-11", "2026-03-12")] == [
        True,
        False,
        True,
        True,
        False,
    ]
