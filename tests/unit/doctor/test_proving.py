"""`proving`: one order is placed three times under one poNumber, at a sandbox or at staging alone."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from xoxo_async import PRODUCTION, Page, XoxoClient, errors
from xoxo_async.doctor.proving import (
    Answer,
    PoProof,
    SmallOrder,
    choose_order,
    finding_of,
    prove_po,
    refuse_real_money,
)
from xoxo_async.sandbox import Sandbox
from xoxo_async.services.account import Balance
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio

ORDER = SmallOrder(product_id=1001, denomination=Decimal(500))


async def test_a_sandbox_buys_once(xoxo_sandbox: Sandbox, xoxo_client: XoxoClient) -> None:
    """Three requests leave, and one order is in its books."""
    async with xoxo_client as client:
        proof = await prove_po(client, await choose_order(client), later_s=0)
    placed = [received for received in xoxo_sandbox.requests if received.operation == "placeOrder"]
    assert (len(placed), len(proof.orders), proof.result) == (3, 1, "once")
    assert [answer.when for answer in proof.answers] == ["at once", "at once", "later"]
    assert proof.charged is not None
    assert proof.charged > 0
    found = finding_of(proof)
    assert (found.status, "the others were refused" in found.text) == ("ok", True)


async def test_a_lost_answer_is_not_passed(xoxo_sandbox: Sandbox, xoxo_client: XoxoClient) -> None:
    """It may have been a second order, which the history has not shown yet."""
    xoxo_sandbox.script("commit_then_reset", operation="placeOrder", first=1)
    async with xoxo_client as client:
        proof = await prove_po(client, ORDER, later_s=0)
    assert proof.result == "unknown"
    found = finding_of(proof)
    assert (found.status, found.about) == ("fail", "money")
    assert proof.po_number in found.advice


async def test_a_refused_order_proves_nothing(xoxo_sandbox: Sandbox, xoxo_client: XoxoClient) -> None:
    """The vendor's reason is shown."""
    async with xoxo_client as client:
        proof = await prove_po(client, SmallOrder(product_id=1001, denomination=Decimal("7.77")), later_s=0)
    assert proof.result == "none"
    found = finding_of(proof)
    assert (found.status, found.about, "PLE10018" in found.text) == ("fail", "refusal", True)


async def test_an_account_that_buys_twice_is_named(xoxo_client: XoxoClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer has another order."""
    ids = iter((1, 2, 3))

    async def place(_operation: Any, _request: Any) -> Order:
        return Order(order_id=next(ids))

    monkeypatch.setattr(xoxo_client, "dispatch", place)
    async with xoxo_client as client:
        proof = await prove_po(client, ORDER, later_s=0)
    assert (proof.result, proof.orders) == ("twice", (1, 2, 3))
    found = finding_of(proof)
    assert (found.status, found.about, "--resend never" in found.advice) == ("fail", "money", True)


def test_the_look_up_keeps_the_flags() -> None:
    """It is printed with the profile of the proof, and quoted."""
    proof = PoProof(po_number="x", product_id=1, denomination=Decimal(1), answers=(), orders=(), charged=None,
                    result="unknown", at="")  # fmt: skip
    advice = finding_of(proof, ("--profile", "my own")).advice
    assert "look at it later: `xoxo order get --po-number x --profile 'my own'`; then" in advice


def test_an_account_may_repeat_its_answer() -> None:
    """Some answer with the first order, and refuse nothing."""
    answers = tuple(Answer(when="at once", order_id=7) for _ in range(3))
    proof = PoProof(po_number="x", product_id=1, denomination=Decimal(1), answers=answers, orders=(7,), charged=None,
                    result="once", at="")  # fmt: skip
    assert "answered with the first order" in finding_of(proof).text


async def test_nothing_leaves_for_production() -> None:
    """It is refused before the first request, also by the library."""
    from xoxo_async import StaticToken

    client = XoxoClient(StaticToken("tokentoken"), base_url=PRODUCTION)
    with pytest.raises(errors.ConfigError, match="may spend real money"):
        await prove_po(client, ORDER)
    for address in (PRODUCTION, "https://plum.example/chef"):
        with pytest.raises(errors.ConfigError, match="nothing was sent"):
            refuse_real_money(address)


async def test_the_cheapest_product_is_chosen(xoxo_client: XoxoClient) -> None:
    """Or the product that is named; one that does not exist is named in the error."""
    async with xoxo_client as client:
        cheapest = await choose_order(client)
        named = await choose_order(client, product_id=1001)
        with pytest.raises(errors.ConfigError, match="--product-id"):
            await choose_order(client, product_id=999_999)
    assert (named.product_id, cheapest.denomination <= named.denomination) == (1001, True)
    assert cheapest.currency == "INR"  # USD 5 is a smaller number, and costs four times as much


@pytest.mark.parametrize(("usd_rate", "chosen"), [("83.25", 2), ("10", 1), (None, 2), ("", 2), ("nonsense", 2)])
async def test_values_are_compared_in_one_currency(usd_rate: str | None, chosen: int) -> None:
    """By the vendor's rate; a product without one is the last choice, since what it costs is not known."""

    class Account:
        async def get_balance(self) -> Balance:
            return Balance(value=Decimal(1000), currency="INR")

    class Catalog:
        async def list_vouchers(self, **asked: Any) -> Page[Voucher]:
            assert asked["exchange_rates"] is True
            usd = Voucher(product_id=1, currency_code="USD", value_denominations_="5", exchange_rate_=usd_rate)
            inr = Voucher(product_id=2, currency_code="INR", value_denominations_="100")
            return Page((usd, inr), 1, 100)

    client: Any = SimpleNamespace(account=Account(), catalog=Catalog())
    assert (await choose_order(client)).product_id == chosen
