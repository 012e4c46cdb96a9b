"""`account.service`: balance, payments and tokens for users, with a fake dispatcher."""

import json
import time
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.services.account import CHECK_TOKEN, AccountService, Balance, Payment, StorefrontEmail, StorefrontPhone

pytestmark = pytest.mark.anyio

START, END = date(2026, 3, 1), date(2026, 3, 31)


async def test_the_balance_is_handed_on(road: Any) -> None:
    """One call returns the reply."""
    road.answers = [Balance(value=Decimal("1.50"), currency="EUR")]
    assert await AccountService(road).get_balance() == Balance(value=Decimal("1.50"), currency="EUR")
    assert [name for name, _ in road.asked] == ["getBalance"]


async def test_payments_come_as_a_page(road: Any) -> None:
    """The page knows its number and whether it is the last."""
    road.answers = [(Payment(reason="Refunded"),)]
    page = await AccountService(road).list_payments(START, END, page=2, limit=1)
    assert (page.number, page.limit, len(page), page.is_last) == (2, 1, 1, False)


async def test_payments_are_iterated_over_pages(road: Any) -> None:
    """Pages are read until one is short."""
    road.answers = [(Payment(reason="a"), Payment(reason="b")), (Payment(reason="c"),)]
    reasons = [payment.reason async for payment in AccountService(road).iterate_payments(START, END, limit=2)]
    assert reasons == ["a", "b", "c"]
    assert [request.page for _, request in road.asked] == [1, 2]


@pytest.mark.parametrize("wrong", [{"page": 0}, {"limit": 0}, {"start": END, "end": START}, {"start": "2026-03-01"}])
async def test_wrong_ranges_are_not_sent(road: Any, wrong: dict[str, Any]) -> None:
    """Wrong dates and pages raise `ConfigError` before anything is sent."""
    with pytest.raises(ConfigError):
        await AccountService(road).list_payments(**{"start": START, "end": END, **wrong})
    assert road.asked == []


@pytest.mark.parametrize("email", ["", "x", None])
async def test_a_user_token_needs_an_address(road: Any, email: Any) -> None:
    """The super admin's address is checked before it is sent."""
    with pytest.raises(ConfigError, match="email"):
        await AccountService(road).create_user_token(email)
    assert road.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": ""},
        {"unique_id": " "},
        {"auth_token": ""},
        {"otp": "sms"},
        {"email": StorefrontEmail("x")},
        {"phone": StorefrontPhone("", "+49")},
        {"phone": StorefrontPhone("30", "")},
    ],
)
async def test_a_storefront_login_is_checked(road: Any, wrong: dict[str, Any]) -> None:
    """The error names the wrong part of the login, and no message holds the caller's own key."""
    with pytest.raises(ConfigError) as caught:
        await AccountService(road).create_storefront_token(
            **{"user": "u", "unique_id": "1", "auth_token": "OWN-KEY", **wrong}
        )
    assert "OWN-KEY" not in str(caught.value)
    assert road.asked == []


@pytest.mark.parametrize("value", [9e17, "1e30", 1e25, "soon", [], {}, True, -5, 0, "0", 253402300800000])
def test_absurd_lifetimes_are_no_time(value: object) -> None:
    """For any `expires_in`, `expires_at` is a time that a calendar has, or None."""
    body = json.dumps({"access_token": "x", "expires_in": value}).encode()
    info = CHECK_TOKEN.read(body)
    assert info is not None
    assert info.expires_at is None


def test_a_lifetime_counts_from_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """`expires_at` is the same moment, in UTC, however often it is read."""
    info = CHECK_TOKEN.read(b'{"access_token": "x", "expires_in": 100}')
    assert info is not None
    first = info.expires_at
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert first is not None
    assert (info.expires_at, first.tzinfo) == (first, UTC)
