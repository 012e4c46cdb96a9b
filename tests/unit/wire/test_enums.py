"""`wire.enums`: the vendor's words in any case, and words that no page has."""

import pickle

import pytest

from tests.unit.wire.things import decode
from xoxo_async.wire import (
    DeliveryStatus,
    OrderStatus,
    VoucherType,
)


def test_unknown_words_do_not_grow_memory() -> None:
    """The enum does not remember unknown words."""
    before = len(DeliveryStatus._value2member_map_)
    for number in range(100):
        DeliveryStatus(f"odd-{number}")
    assert len(DeliveryStatus._value2member_map_) == before


def test_voucher_types_are_spelled_as_on_the_wire() -> None:
    """`codePin` is found by any spelling of its case."""
    assert VoucherType("codePin") is VoucherType.CODE_PIN
    assert VoucherType("CODEPIN") is VoucherType.CODE_PIN
    assert OrderStatus("Complete") is OrderStatus.COMPLETE


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        ("delivered", DeliveryStatus.DELIVERED),
        ("Pending", DeliveryStatus.PENDING),
        ("DELIVERED ", DeliveryStatus.DELIVERED),
        ("canceled", DeliveryStatus.CANCELLED),
        ("Cancelled", DeliveryStatus.CANCELLED),
        ("", DeliveryStatus.NONE),
        (None, DeliveryStatus.NONE),
    ],
)
def test_statuses_are_case_folded_and_spelled_one_way(wire: object, status: DeliveryStatus) -> None:
    """History writes `Pending`, the webhook `canceled` and `Canceled`."""
    assert decode(status=wire).status is status


def test_an_unknown_status_is_kept() -> None:
    """An unknown word is no error; it can be read, compared and copied."""
    status = decode(status="On_Hold").status
    assert status == "on_hold"
    assert status.value == "on_hold"
    assert pickle.loads(pickle.dumps(status)) == status  # noqa: S301 - our own bytes
    assert "on_hold" not in list(DeliveryStatus)
