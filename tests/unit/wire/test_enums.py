"""`wire.enums`: the vendor's words in any case, and words never seen before."""

from xoxo_async.wire import (
    DeliveryStatus,
    OrderStatus,
    VoucherType,
)


def test_unknown_words_do_not_grow_memory() -> None:
    """Unknown values are not remembered by the enum."""
    before = len(DeliveryStatus._value2member_map_)
    for number in range(100):
        DeliveryStatus(f"odd-{number}")
    assert len(DeliveryStatus._value2member_map_) == before


def test_voucher_types_are_spelled_as_on_the_wire() -> None:
    """`codePin` is found by any spelling of its case."""
    assert VoucherType("codePin") is VoucherType.CODE_PIN
    assert VoucherType("CODEPIN") is VoucherType.CODE_PIN
    assert OrderStatus("Complete") is OrderStatus.COMPLETE
