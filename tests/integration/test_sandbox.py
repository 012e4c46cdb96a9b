"""The client works with the sandbox in both dialects, and with the sandbox as a command."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import server, xoxo
from xoxo_async import ClientCredentials, RateLimits, XoxoClient, errors
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox
from xoxo_async.services.points import PointsRecipient

pytestmark = pytest.mark.anyio

DIALECTS = ["vendor", "openapi"]


def client_of(sandbox: Sandbox) -> XoxoClient:
    credentials = ClientCredentials(CLIENT_ID, CLIENT_SECRET)
    return XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited())


async def test_perks_have_their_own_catalog() -> None:
    """`categoryTypes: offers` lists perks, with a code or a link in `metadata` and "0" for denominations."""
    async with Sandbox() as sandbox, client_of(sandbox) as xoxo:
        page = await xoxo.catalog.list_vouchers(category="perks")
        assert [product.product_id for product in page] == [1031, 1032]
        assert page.items[0].metadata is not None
        assert page.items[0].metadata.code.reveal() == "PERK-1031-CODE"
        assert page.items[0].denominations == ()
        assert not {1031, 1032} & {product.product_id async for product in xoxo.catalog.iterate_vouchers()}


async def test_campaigns_are_listed_by_whether_enabled() -> None:
    """`enabled` selects campaigns that are switched off, which make no links; the list has the total."""
    async with Sandbox() as sandbox, client_of(sandbox) as xoxo:
        page = await xoxo.links.list_campaigns(limit=2)
        assert (len(page), page.count) == (2, 3)
        off = [campaign.campaign_id async for campaign in xoxo.links.iterate_campaigns(enabled=False)]
        assert off == [7004]
        with pytest.raises(errors.RefusedError):
            await xoxo.links.generate(campaign_id=7004, quantity=1, expires_on=date(2099, 1, 1))
        assert sandbox.state.links.all() == []


async def test_a_wrong_product_filter_is_refused() -> None:
    """Products are filtered, and a wrong filter value raises the class of the vendor's error id."""
    async with Sandbox() as sandbox, client_of(sandbox) as xoxo:
        page = await xoxo.catalog.list_vouchers(currency="INR", filters={"minPrice": "3000"})
        assert 1002 in {product.product_id for product in page}
        with pytest.raises(errors.BadRequestError) as caught:
            await xoxo.catalog.list_vouchers(country="US")
    assert caught.value.error_id == "PLE10031"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_missing_order_is_none_in_both_dialects(dialect: Any) -> None:
    """The client reads an error's code as a number and as a string."""
    async with Sandbox(dialect=dialect) as sandbox, client_of(sandbox) as xoxo:
        assert await xoxo.orders.find("NONE") is None


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_client_speaks_with_both_dialects(dialect: Any) -> None:
    """Orders, points and links give the caller the same results in both dialects."""
    async with Sandbox(dialect=dialect) as sandbox, client_of(sandbox) as xoxo:
        order = await xoxo.orders.place(product_id=1002, denomination=150, po_number="A", quantity=2)
        again = await xoxo.orders.get(po_number="A")
        assert [v.code for v in order.vouchers] == [v.code for v in again.vouchers]
        assert all(voucher.valid_to is not None and voucher.pin for voucher in order.vouchers)
        assert (again.order_total, again.amount_charged) == (300, 300)
        assert again.order_date is not None
        recipient = PointsRecipient(name="A", email="a@b.example", amount=5)
        sent = await xoxo.points.send(sender_email="boss@b.example", recipients=[recipient])
        assert (sent.recipients[0].points, sent.recipients[0].email) == (
            5,
            "a@b.example" if dialect == "vendor" else None,
        )
        assert (await xoxo.points.get_balance(email="a@b.example")).total == 5
        done = await xoxo.points.cancel([sent.recipients[0].unique_id or 0, 1])
        assert [row.success for row in done.recipients] == [True, False]
        batch = await xoxo.links.generate(campaign_id=7001, quantity=2, expires_on=date(2099, 1, 1))
        assert (len(batch.links), batch.campaign_id) == (2, 7001)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_command_serves_the_chosen_dialect(tmp_path: Path, dialect: str) -> None:
    """A balance has two fields with `xoxo sandbox --dialect openapi`, and three with the vendor's dialect."""
    with server(tmp_path, "--dialect", dialect) as where:
        done = xoxo("balance", "--json", cwd=tmp_path, **where)
        assert done.returncode == 0, done.stderr
        assert ('"points":null' in done.stdout) == (dialect == "openapi")
