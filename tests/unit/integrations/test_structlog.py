"""`integrations.structlog`: the event's name, its fields and its level."""

import structlog

from xoxo_async.hooks import CallFinished, OrderInDoubt, Penalised
from xoxo_async.integrations.structlog import StructlogHook


def test_an_event_becomes_a_line_with_fields() -> None:
    """Fields without a value are left out; a doubt and a penalty are warnings."""
    with structlog.testing.capture_logs() as lines:
        hook = StructlogHook()
        hook(CallFinished(operation="placeOrder", call_id="a-1", po_number="PO-7", attempts=1, elapsed_s=0.5))
        hook(OrderInDoubt(po_number="PO-7", reason="ReplyLostError", call_id="a-1"))
        hook(Penalised(operation="placeOrder", wait_s=60.0))
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("debug", "call_finished"),
        ("warning", "order_in_doubt"),
        ("warning", "penalised"),
    ]
    assert (lines[0]["po_number"], lines[0]["call_id"], lines[0]["attempts"]) == ("PO-7", "a-1", 1)
    assert "status" not in lines[0]


def test_a_logger_of_ones_own_is_used() -> None:
    """For a logger with bound values."""
    with structlog.testing.capture_logs() as lines:
        StructlogHook(structlog.get_logger().bind(tenant="x"))(Penalised(operation="token", wait_s=1.0))
    assert lines[0]["tenant"] == "x"
