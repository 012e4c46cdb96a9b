"""`operations`: what each operation of orders may do."""

from xoxo_async.operation import EffectClass
from xoxo_async.services import orders


def test_only_placing_moves_money() -> None:
    """PlaceOrder is keyed by its poNumber; look-ups and the history are reads."""
    assert orders.PLACE_ORDER.effect is EffectClass.KEYED
    assert orders.GET_ORDER.effect is orders.GET_ORDER_HISTORY.effect is EffectClass.READ
