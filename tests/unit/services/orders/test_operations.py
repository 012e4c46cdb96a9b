"""`orders.operations`: what each operation may do, and what its request has on the wire."""

from datetime import date

from xoxo_async.operation import EffectClass
from xoxo_async.services import orders
from xoxo_async.services.orders.operations import HistoryRequest, OrderLookup


def test_only_placing_moves_money() -> None:
    """PlaceOrder is keyed by its poNumber; look-ups and the history are reads."""
    assert orders.PLACE_ORDER.effect is EffectClass.KEYED
    assert orders.GET_ORDER.effect is orders.GET_ORDER_HISTORY.effect is EffectClass.READ


def test_a_look_up_never_mails_the_codes_again() -> None:
    """The flag is said outright: what an absent one means is documented nowhere."""
    assert b'"sendMailToReceiver":0' in orders.GET_ORDER.encode(OrderLookup(po_number="PO-7"))


def test_a_history_without_a_tag_does_not_name_one() -> None:
    """An empty tag would be a tag."""
    day = date(2026, 3, 1)
    assert b"tag" not in orders.GET_ORDER_HISTORY.encode(HistoryRequest(day, day, 10, 1)).split(b'"variables"')[1]
