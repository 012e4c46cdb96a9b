"""`points`: calls that are never repeated, and the checks of their arguments, with a fake dispatcher."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.operation import EffectClass
from xoxo_async.services import points
from xoxo_async.services.points import PointService, PointsRecipient

pytestmark = pytest.mark.anyio

ADA = PointsRecipient(name="Ada", email="a@b.example", amount="12")


def test_points_are_never_sent_twice_by_themselves() -> None:
    """Sending and cancelling points are unkeyed operations, and the balance is a read."""
    assert points.SEND_POINTS.effect is points.CANCEL_POINTS.effect is EffectClass.UNKEYED
    assert points.GET_POINTS.effect is EffectClass.READ


@pytest.mark.parametrize(
    "wrong", [{}, {"email": "a@b.example", "phone": "+49"}, {"email": "x"}, {"phone": "a\nb"}, {"phone": "98 Ada"}]
)
async def test_a_balance_is_asked_by_one_key(road: Any, wrong: dict[str, Any]) -> None:
    """Exactly one of e-mail and phone must be given."""
    with pytest.raises(ConfigError):
        await PointService(road).get_balance(**wrong)
    assert road.asked == []


@pytest.mark.parametrize("amount", [5, "5", Decimal(5), "5.00", 5.0, "5e0"])
async def test_amounts_are_sent_as_plain_text(road: Any, amount: Any) -> None:
    """The vendor's examples have the amount as a string."""
    road.answers = [None]
    await PointService(road).send(
        sender_email="boss@b.example", recipients=[PointsRecipient(name="A", email="a@b.example", amount=amount)]
    )
    assert road.asked[0][1].recipients[0].amount == "5"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"sender_email": ""}, "sender_email"),
        ({"recipients": []}, "recipients"),
        ({"expiry_month": 0}, "expiry_month"),
        ({"recipients": [ADA, PointsRecipient(name="B", email="b", amount=1)]}, r"recipients\[1\].email"),
        ({"recipients": [PointsRecipient(name="B", email="b@c.example", amount=0)]}, r"recipients\[0\].amount"),
        ({"recipients": [ADA, PointsRecipient(name="B", email="b@c.example", amount=0.5)]}, r"recipients\[1\].amount"),
        ({"recipients": [PointsRecipient(name="B\n", email="b@c.example", amount=1)]}, r"recipients\[0\].name"),
    ],
)
async def test_wrong_sendings_are_not_sent(road: Any, wrong: dict[str, Any], named: str) -> None:
    """One wrong receiver stops the whole call, and the error names its index."""
    with pytest.raises(ConfigError, match=named):
        await PointService(road).send(**{"sender_email": "boss@b.example", "recipients": [ADA], **wrong})
    assert road.asked == []


@pytest.mark.parametrize("ids", [[], [0], ["5"], "567"])
async def test_wrong_ids_are_not_cancelled(road: Any, ids: Any) -> None:
    """`cancel` needs at least one id, and each must be a whole number."""
    with pytest.raises(ConfigError, match="unique_ids"):
        await PointService(road).cancel(ids)
    assert road.asked == []
