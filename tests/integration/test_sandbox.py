"""The sandbox in both of the vendor's dialects, asked over the wire as any client might ask it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient, errors
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, STATIC_TOKEN, Sandbox
from xoxo_async.services.points import PointsRecipient

pytestmark = pytest.mark.anyio

HEADERS = {"Authorization": f"Bearer {STATIC_TOKEN}"}
DIALECTS = ["vendor", "openapi"]


class Wire:
    """A running sandbox, asked with bodies of our own."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http

    async def post(self, query: str, variables: object, path: str = "/v1/oauth/api") -> tuple[int, Any]:
        body = {"query": query, "tag": "plumProAPI", "variables": variables}
        async with self.http.post(self.sandbox.base_url + path, json=body, headers=HEADERS) as answer:
            return answer.status, await answer.json()

    async def plum(self, name: str, data: object, path: str = "/v1/oauth/api") -> tuple[int, Any]:
        return await self.post(f"plumProAPI.mutation.{name}", {"data": data}, path)


@pytest.fixture(params=DIALECTS)
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with Sandbox(dialect=request.param, delivery_delay_s=60) as sandbox, aiohttp.ClientSession() as http:
        yield Wire(sandbox, http)


@pytest.fixture
async def vendor() -> AsyncIterator[Wire]:
    async with Sandbox(delivery_delay_s=60) as sandbox, aiohttp.ClientSession() as http:
        yield Wire(sandbox, http)


def client_of(sandbox: Sandbox) -> XoxoClient:
    credentials = ClientCredentials(CLIENT_ID, CLIENT_SECRET)
    return XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited())


@pytest.mark.parametrize("data", [{}, []])
async def test_a_balance_may_be_asked_for_with_an_empty_list(wire: Wire, data: object) -> None:
    """PHP clients write their empty object as `[]`."""
    status, body = await wire.post("plumProAPI.query.getBalance", {"data": data})
    assert (status, body["data"]["getBalance"]["data"]["currency"]) == (200, "INR")


@pytest.mark.parametrize("path", ["/v1/oauth/api", "/v1/oauth/api/"])
async def test_the_address_may_end_in_a_slash(wire: Wire, path: str) -> None:
    """Both addresses have been seen in clients."""
    assert (await wire.plum("getFilters", {}, path))[0] == 200


@pytest.mark.parametrize("code", ["Country", "country", "COUNTRY"])
async def test_a_filter_group_is_found_in_any_case(wire: Wire, code: str) -> None:
    """Asked as `Country`, answered as `country`."""
    _, body = await wire.plum("getFilters", {"filterGroupCode": code})
    assert [group["filterGroupCode"] for group in body["data"]["getFilters"]["data"]] == ["country"]


async def test_values_of_a_group_can_be_picked(vendor: Wire) -> None:
    """What to include and exclude is honoured together with a group, and only then."""

    async def values(**data: str) -> set[str]:
        _, body = await vendor.plum("getFilters", data)
        groups = body["data"]["getFilters"]["data"]
        return {value["filterValueCode"] for group in groups for value in group["filters"]}

    assert await values(filterGroupCode="country", includeFilters="usa,india") == {"usa", "india"}
    assert await values(filterGroupCode="country", excludeFilters="usa") == {
        "india",
        "united_kingdom",
        "germany",
        "uae",
    }
    assert {"usa", "uae", "INR"} <= await values(includeFilters="india")


async def test_perks_are_a_catalogue_of_their_own(vendor: Wire) -> None:
    """`categoryTypes: offers` lists perks, with code or link in `metadata` and "0" for denominations."""
    async with client_of(vendor.sandbox) as xoxo:
        page = await xoxo.catalog.list_vouchers(category="perks")
        assert [product.product_id for product in page] == [1031, 1032]
        assert page.items[0].metadata is not None
        assert page.items[0].metadata.code.reveal() == "PERK-1031-CODE"
        assert page.items[0].denominations == ()
        assert not {1031, 1032} & {product.product_id async for product in xoxo.catalog.iterate_vouchers()}


@pytest.mark.parametrize(
    ("filters", "kept", "dropped"),
    [
        ({"currencyCode": "INR", "minPrice": "3000"}, {1002}, {1001, 1003}),
        ({"currencyCode": "INR", "maxPrice": "100"}, {1001, 1002, 1014}, {1003, 1010}),
        ({"currencyCode": "INR", "price": "750"}, {1002}, {1001, 1003}),
        ({"minPrice": "3000"}, {1001, 1002, 1004}, set()),
        ({"deliveryType": "delayed"}, {1010}, {1001}),
        ({"deliveryType": "realtime"}, {1001}, {1010}),
        ({"voucher_category": "1"}, {1001, 1004}, {1021}),
        ({"productId": "1001"}, {1001, 1004}, set()),
    ],
)
async def test_products_can_be_filtered(
    vendor: Wire, filters: dict[str, str], kept: set[int], dropped: set[int]
) -> None:
    """By price with a currency (without one it is not applied), delivery and category; productId is ignored."""
    async with client_of(vendor.sandbox) as xoxo:
        found = {product.product_id for product in await xoxo.catalog.list_vouchers(filters=filters)}
    assert kept <= found
    assert not dropped & found


@pytest.mark.parametrize(
    "filters", [{"country": "US"}, {"deliveryType": "soon"}, {"voucher_category": "9"},
                {"currencyCode": "INR", "minPrice": "cheap"}],
)  # fmt: skip
async def test_a_filter_value_that_is_none_is_refused(vendor: Wire, filters: dict[str, str]) -> None:
    """PLE10031, for an ISO code in `country` as well."""
    async with client_of(vendor.sandbox) as xoxo:
        with pytest.raises(errors.BadRequestError) as caught:
            await xoxo.catalog.list_vouchers(filters=filters)
    assert caught.value.error_id == "PLE10031"


async def test_campaigns_are_listed_by_whether_they_are_in_use(vendor: Wire) -> None:
    """`enabled` picks the ones switched off, which make no links; the list says how many there are in all."""
    async with client_of(vendor.sandbox) as xoxo:
        page = await xoxo.links.list_campaigns(limit=2)
        assert (len(page), page.count) == (2, 3)
        off = [campaign.campaign_id async for campaign in xoxo.links.iterate_campaigns(enabled=False)]
        assert off == [7004]
        with pytest.raises(errors.RefusedError):
            await xoxo.links.generate(campaign_id=7004, quantity=1, expires_on=date(2099, 1, 1))
        assert vendor.sandbox.state.links == []


async def test_a_mail_of_an_undelivered_order_cannot_be_sent_again(wire: Wire) -> None:
    """PLE10034 under 502, and no mail; of a delivered order it is sent."""
    order = {"productId": 1010, "quantity": 1, "denomination": 500, "poNumber": "SLOW"}
    assert (await wire.plum("placeOrder", order))[0] == 200
    assert (await wire.plum("placeOrder", {**order, "productId": 1001, "poNumber": "FAST"}))[0] == 200
    look = {"orderId": 0, "sendMailToReceiver": 1}
    status, body = await wire.plum("getOrderDetails", {**look, "poNumber": "SLOW"})
    assert (status, body["errorId"]) == (502, "PLE10034")
    assert (await wire.plum("getOrderDetails", {**look, "poNumber": "FAST"}))[0] == 200
    assert wire.sandbox.books().mails == 1


async def test_an_empty_report_and_an_empty_history(wire: Wire) -> None:
    """The payment report of days without payments is an empty list, the order history a 404 with PLE10027."""
    days = {"startDate": "2001-01-01", "endDate": "2001-01-02", "limit": 10, "page": 1}
    status, body = await wire.plum("paymentHistory", days)
    (inner,) = body["data"].values()
    assert (status, inner) == (200, {"status": 1, "data": []})
    status, body = await wire.plum("getOrderHistory", days)
    assert (status, body["errorId"]) == (404, "PLE10027")


@pytest.mark.parametrize(("dialect", "code"), [("vendor", 404), ("openapi", "404")])
async def test_an_errors_code_is_a_number_or_a_string(dialect: Any, code: object) -> None:
    """The vendor's pages have a number, the OpenAPI file a string; the client reads either."""
    async with Sandbox(dialect=dialect) as sandbox, aiohttp.ClientSession() as http:
        _, body = await Wire(sandbox, http).plum("getOrderDetails", {"poNumber": "NONE", "orderId": 0})
        assert body["code"] == code
        async with client_of(sandbox) as xoxo:
            assert await xoxo.orders.find("NONE") is None


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_client_speaks_with_both_dialects(dialect: Any) -> None:
    """Orders, points and links, placed and read: the same for a caller, whichever dialect answers."""
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


async def test_points_may_be_sent_without_a_wrapper(wire: Wire) -> None:
    """The OpenAPI file has the fields of sendBalance flat in `variables`: taken as well."""
    fields = {"sender_email": "a@b.c", "recipients": [{"to_name": "A", "to_email": "a@b.c", "amount": "5"}]}
    _, body = await wire.post("storesAdmin.mutation.sendBalance", fields)
    assert body["data"]["sendBalance"]["error"] is False
    _, body = await wire.post("storesAdmin.mutation.sendBalance", {"recipients_data": fields})
    assert body["data"]["sendBalance"]["error"] is False


async def test_a_look_up_lags_behind_its_order() -> None:
    """For `lookup_lag_s` an order cannot be found; then it can, by either key."""
    async with Sandbox(lookup_lag_s=0.5) as sandbox, client_of(sandbox) as xoxo:
        order = await xoxo.orders.place(product_id=1001, denomination=100, po_number="A")
        assert await xoxo.orders.find("A") is None
        end = time.monotonic() + 20
        while (found := await xoxo.orders.find("A")) is None:
            assert time.monotonic() < end
        assert found.order_id == order.order_id
        assert time.time() >= sandbox.state.orders[order.order_id].placed_at + 0.5


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_command_serves_the_dialect_it_is_told(tmp_path: Path, dialect: str) -> None:
    """`xoxo sandbox --dialect openapi` has two fields in a balance, the vendor's three."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
    command = [sys.executable, "-m", "xoxo_async", "sandbox", "--port", "0", "--dialect", dialect]
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline() + server.stdout.readline()
        where = dict(re.findall(r"(XOXO_\w+)=(\S+)", said))
        ask = [sys.executable, "-m", "xoxo_async", "balance", "--json"]
        done = subprocess.run(ask, env=environment | where, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ('"points":null' in done.stdout) == (dialect == "openapi")
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()
