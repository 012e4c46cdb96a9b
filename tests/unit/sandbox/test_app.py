"""`app`: a request is found in its envelope, checked, limited and answered in a dialect; the server can go away."""

import asyncio
import errno
import http.client
import socket
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import msgspec
import pytest

from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox

pytestmark = pytest.mark.anyio

API = "/v1/oauth/api"
BALANCE = b'{"query":"plumProAPI.query.getBalance","variables":{"data":{}}}'
POINTS = {"sender_email": "a@b.c", "recipients": [{"to_name": "A", "to_email": "a@b.c", "amount": "5"}]}
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}


@pytest.mark.parametrize("dialect", ["vendor", "openapi"])
@pytest.mark.parametrize("data", [{}, []])
async def test_an_empty_object_may_be_an_empty_list(wire: Any, dialect: Any, data: object) -> None:
    """PHP clients write theirs as `[]`."""
    async with Sandbox(dialect=dialect) as sandbox:
        answer = await wire.ask(sandbox, "plumProAPI.query.getBalance", {"data": data})
    assert (answer.status, answer.body["data"]["getBalance"]["data"]["currency"]) == (200, "INR")


@pytest.mark.parametrize("path", [API, f"{API}/", f"{API}/generateLink", f"{API}/sendLinks"])
async def test_every_address_seen_in_clients_takes_every_operation(wire: Any, path: str) -> None:
    """With and without a slash at its end; what is asked for stands in the body."""
    async with Sandbox() as sandbox:
        assert (await wire.post(sandbox, path, BALANCE)).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"variables":{"data":{}}}',
        b'{"query":"plumProAPI.query.getBalance"}',
        b'{"query":"plumProAPI.query.getBalance","variables":null}',
        b'{"query":"plumProAPI.query.getBalance","variables":[]}',
        b'{"query":"plumProAPI.query.getBalance","variables":{"data":5}}',
        b'{"query":"plumProAPI.query.getBalance","variables":{"data":null}}',
        b'{"query":"plumProAPI.query.getMoney","variables":{"data":{}}}',
        b'{"query":7,"variables":{"data":{}}}',
    ],
)
async def test_what_is_no_request_is_refused_and_counts_as_none(wire: Any, raw: bytes) -> None:
    """PLE10001 for broken JSON, a bad envelope and an unknown operation alike."""
    async with Sandbox() as sandbox:
        answer = await wire.post(sandbox, API, raw)
        assert (answer.status, answer.body["errorId"]) == (400, "PLE10001")
        assert (len(sandbox.requests), sandbox.books().requests) == (0, {})


@pytest.mark.parametrize("dialect", ["vendor", "openapi"])
async def test_points_may_be_sent_without_a_wrapper(wire: Any, dialect: Any) -> None:
    """The OpenAPI file has the fields of sendBalance flat in `variables`: taken as well as in theirs."""
    async with Sandbox(dialect=dialect) as sandbox:
        for variables in (POINTS, {"recipients_data": POINTS}):
            answer = await wire.ask(sandbox, "storesAdmin.mutation.sendBalance", variables)
            assert answer.body["data"]["sendBalance"]["error"] is False


@pytest.mark.parametrize(("dialect", "key"), [("vendor", "getPaymentReport"), ("openapi", "paymentHistory")])
async def test_the_payment_report_answers_under_its_other_name(wire: Any, dialect: Any, key: str) -> None:
    """In the vendor's dialect alone."""
    days = {"startDate": "2001-01-01", "endDate": "2001-01-02"}
    async with Sandbox(dialect=dialect) as sandbox:
        answer = await wire.plum(sandbox, "paymentHistory", **days)
    assert answer.body == {"data": {key: {"status": 1, "data": []}}}


@pytest.mark.parametrize(("dialect", "code"), [("vendor", 404), ("openapi", "404")])
async def test_an_errors_code_is_a_number_or_a_string(wire: Any, dialect: Any, code: object) -> None:
    """The vendor's pages have a number, the OpenAPI file a string."""
    async with Sandbox(dialect=dialect) as sandbox:
        answer = await wire.plum(sandbox, "getOrderDetails", poNumber="NONE", orderId=0)
    assert (answer.status, answer.body["code"]) == (404, code)


async def test_mailed_links_answer_under_the_name_of_made_ones(wire: Any) -> None:
    """`generateLinkEmail` is answered as `generateLink`."""
    async with Sandbox() as sandbox:
        given = {"campaignId": 7001, "link_expiry": "31-12-2099", "email_ids": "a@b.example"}
        answer = await wire.plum(sandbox, "generateLinkEmail", **given)
    assert answer.body["data"]["generateLink"]["success"] == 1


async def test_what_came_in_is_kept_for_a_look(wire: Any) -> None:
    """Operation, data out of its wrapper, body and path; the books count it."""
    async with Sandbox() as sandbox:
        await wire.plum(sandbox, "getOrderDetails", poNumber="NONE")
        (received,) = sandbox.requests
        assert (received.operation, received.data, received.path) == (
            "getOrderDetails",
            {"poNumber": "NONE"},
            f"/chef{API}",
        )
        assert msgspec.json.decode(received.body)["variables"] == {"data": {"poNumber": "NONE"}}
        assert sandbox.books().requests == {"getOrderDetails": 1}


@pytest.mark.parametrize(("header", "status"), [("", 400), ("Bearer dead", 401)])
async def test_without_a_good_token_nothing_is_carried_out(wire: Any, header: str, status: int) -> None:
    """Nor kept, nor counted."""
    async with Sandbox() as sandbox:
        assert (await wire.post(sandbox, API, BALANCE, Authorization=header)).status == status
        assert (len(sandbox.requests), sandbox.books().requests) == (0, {})


async def test_a_token_that_was_issued_opens_and_can_be_asked_about(wire: Any) -> None:
    """GET at the token's address says how long it still lives."""
    async with Sandbox(token_ttl_s=1000) as sandbox:
        issued = await wire.post(sandbox, "/v1/oauth/token", msgspec.json.encode(CLIENT))
        bearer = {"Authorization": f"Bearer {issued.body['access_token']}"}
        assert (await wire.post(sandbox, API, BALANCE, **bearer)).status == 200
        async with wire.http.get(f"{sandbox.base_url}/v1/oauth/token", headers=bearer) as answer:
            assert 900 < (await answer.json())["expires_in"] <= 1000
        async with wire.http.get(f"{sandbox.base_url}/v1/oauth/token", headers={"Authorization": "Bearer x"}) as answer:
            assert answer.status == 401
        assert sandbox.books().requests == {"token": 1, "getBalance": 1}


@pytest.mark.parametrize("path", ["/v1/oauth/token/create/user", "/v1/oauth/sso/stores/company"])
async def test_tokens_for_others_are_made_for_whoever_has_one(wire: Any, path: str) -> None:
    """For users and for the storefront."""
    async with Sandbox() as sandbox:
        assert (await wire.post(sandbox, path, b"{}")).status == 200
        assert (await wire.post(sandbox, path, b"{}", Authorization="Bearer dead")).status == 401


async def test_a_call_over_the_limit_is_not_carried_out(wire: Any) -> None:
    """It is told the penalty; other operations go on."""
    async with Sandbox(limits={"placeOrder": 1}, penalty_s=30) as sandbox:
        assert (await wire.place(sandbox, "A")).status == 200
        refused = await wire.place(sandbox, "B")
        assert (refused.status, refused.body) == (
            429,
            {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 30.0}]},
        )
        assert sandbox.order("B") is None
        assert (await wire.post(sandbox, API, BALANCE)).status == 200


async def test_the_status_of_a_penalty_can_be_chosen(wire: Any) -> None:
    """The vendor documents one, and clients have seen others."""
    async with Sandbox(limits={"getBalance": 1}, limit_status=403) as sandbox:
        assert [(await wire.post(sandbox, API, BALANCE)).status for _ in range(2)] == [200, 403]


async def test_a_look_up_lags_behind_its_order(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For `lookup_lag_s` an order cannot be found by its poNumber; then it can, by either key."""
    async with Sandbox(lookup_lag_s=0.5) as sandbox:
        now = [1_700_000_000.0]
        monkeypatch.setattr(sandbox.state, "clock", lambda: now[0])
        order_id = (await wire.place(sandbox)).body["data"]["placeOrder"]["data"]["orderId"]
        now[0] += 0.4
        missing = await wire.plum(sandbox, "getOrderDetails", poNumber="PO-1")
        assert (missing.status, missing.body["errorId"]) == (404, "PLE10016")
        now[0] += 0.2
        for look in ({"poNumber": "PO-1"}, {"orderId": order_id}):
            found = await wire.plum(sandbox, "getOrderDetails", **look)
            assert found.body["data"]["getOrderDetails"]["data"]["orderId"] == order_id


async def test_a_lagging_look_up_can_be_scripted(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLE10016 for some seconds after the order, and for an order that never was as well."""
    async with Sandbox() as sandbox:
        now = [1_700_000_000.0]
        monkeypatch.setattr(sandbox.state, "clock", lambda: now[0])
        sandbox.script("lagging_lookup", operation="getOrderDetails", seconds=10)
        await wire.place(sandbox)
        assert (await wire.plum(sandbox, "getOrderDetails", poNumber="PO-1")).body["errorId"] == "PLE10016"
        now[0] += 11
        assert (await wire.plum(sandbox, "getOrderDetails", poNumber="PO-1")).status == 200
        assert (await wire.plum(sandbox, "getOrderDetails", poNumber="NONE")).body["errorId"] == "PLE10016"


async def test_a_scripted_penalty_names_its_time(wire: Any) -> None:
    """And nothing is booked."""
    async with Sandbox() as sandbox:
        sandbox.script("throttle", seconds=7)
        refused = await wire.place(sandbox)
        assert (refused.status, refused.body["errors"][0]["penaltySeconds"]) == (429, 7)
        assert sandbox.order("PO-1") is None


async def test_a_revoked_token_takes_all_others_with_it(wire: Any) -> None:
    """401 invalid_token, for this request and for every token issued before."""
    async with Sandbox() as sandbox:
        issued = await wire.post(sandbox, "/v1/oauth/token", msgspec.json.encode(CLIENT))
        bearer = {"Authorization": f"Bearer {issued.body['access_token']}"}
        sandbox.script("revoke_token", first=1)
        refused = await wire.place(sandbox)
        assert (refused.status, refused.body["error"], sandbox.order("PO-1")) == (401, "invalid_token", None)
        assert (await wire.post(sandbox, API, BALANCE, **bearer)).status == 401
        assert (await wire.place(sandbox)).status == 200


async def test_a_late_order_is_booked_after_its_connection_broke(wire: Any) -> None:
    """The client has its error, and the order comes all the same."""
    async with Sandbox() as sandbox:
        sandbox.script("late_commit", seconds=0.01)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
        with anyio.fail_after(30):
            while sandbox.order("PO-1") is None:
                await anyio.sleep(0.005)


async def test_a_sandbox_that_ends_books_no_late_order_any_more(wire: Any) -> None:
    """Nothing of it is left running."""
    async with Sandbox() as sandbox:
        sandbox.script("late_commit", seconds=600)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
    assert sandbox.order("PO-1") is None


@pytest.mark.parametrize(("kind", "booked"), [("timeout_before", False), ("timeout_after_commit", True)])
async def test_silence_lasts_until_the_server_goes(wire: Any, kind: str, booked: bool) -> None:
    """Nothing is answered; the connection breaks in the end, and the order is booked or not."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, seconds=600)
        with anyio.fail_after(30):
            asking = asyncio.ensure_future(wire.place(sandbox))
            while not sandbox.requests:
                await anyio.sleep(0.005)
            assert not asking.done()
            await sandbox.stop()
            with pytest.raises(aiohttp.ClientError):
                await asking
        assert (sandbox.order("PO-1") is not None) is booked


async def test_a_restart_comes_back_at_the_same_address_with_the_same_books(wire: Any) -> None:
    """Orders are found again, tokens are good."""
    async with Sandbox() as sandbox:
        where = sandbox.base_url
        await wire.place(sandbox)
        await sandbox.restart(0)
        assert sandbox.base_url == where
        assert (await wire.plum(sandbox, "getOrderDetails", poNumber="PO-1")).status == 200


async def test_nobody_takes_the_port_of_a_sandbox_that_is_away() -> None:
    """Callers are refused; the port, which any program could get by chance, stays its own."""
    async with Sandbox() as sandbox:
        port = urlsplit(sandbox.base_url).port
        assert port
        away = asyncio.ensure_future(sandbox.restart(600))
        refused = False
        with anyio.fail_after(30):
            while not refused:
                with socket.socket() as caller:
                    refused = caller.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
                await anyio.sleep(0.005)
        with socket.socket() as taker, pytest.raises(OSError, match="in use"):
            taker.bind(("127.0.0.1", port))
        away.cancel()


async def test_a_scripted_restart_breaks_one_request_and_comes_back_by_itself(wire: Any) -> None:
    """The order was not booked; sent again afterwards, it is."""
    async with Sandbox() as sandbox:
        sandbox.script("restart", first=1, seconds=0)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
        assert sandbox.order("PO-1") is None
        with anyio.fail_after(30):
            while sandbox.order("PO-1") is None:
                with suppress(aiohttp.ClientError):
                    await wire.place(sandbox)
                await anyio.sleep(0.005)


async def test_a_sandbox_that_ends_in_the_middle_of_a_restart_stays_away(wire: Any) -> None:
    """It hears of no request any more, whoever listens at its address."""
    async with Sandbox() as sandbox:
        sandbox.script("restart", first=1, seconds=600)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
    with suppress(aiohttp.ClientError):
        await wire.place(sandbox)
    assert len(sandbox.requests) == 1


async def test_the_books_can_be_read_over_the_wire(wire: Any) -> None:
    """For a test in another process."""
    async with Sandbox() as sandbox:
        await wire.place(sandbox, "A", quantity=3)
        async with wire.http.get(f"{sandbox.base_url.removesuffix('/chef')}/_sandbox/books") as answer:
            books = await answer.json()
    assert (books["orders"], books["pieces"], books["by_po_number"]) == (1, 3, {"A": 1})


async def test_the_books_stay_open_for_a_look_after_it_stopped(wire: Any) -> None:
    """What a test asserts at its end is still there."""
    async with Sandbox() as sandbox:
        await wire.place(sandbox)
        await sandbox.stop()
        assert sandbox.books().orders == 1
        order = sandbox.order("PO-1")
    assert order is not None
    assert sandbox.order("PO-2") is None


def test_it_runs_in_a_thread_for_tests_without_a_loop() -> None:
    """And the thread is gone when the block ends."""
    before = threading.enumerate()
    with Sandbox().run_in_thread() as sandbox:
        asking = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=30)
        asking.request("GET", "/_sandbox/books")
        assert msgspec.json.decode(asking.getresponse().read())["orders"] == 0
        asking.close()
    assert threading.enumerate() == before


def test_an_address_that_is_taken_is_told_to_whoever_started_the_thread() -> None:
    """As the error it is, and no thread hangs about."""
    before = threading.enumerate()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            with Sandbox(port=taken.getsockname()[1]).run_in_thread():
                pass
    assert threading.enumerate() == before


ODD_NUMBERS = [
    ("placeOrder", {"productId": 1001, "denomination": 100, "poNumber": "PO-1", "quantity": "--5"}),
    ("placeOrder", {"productId": 1001, "denomination": 100, "poNumber": "PO-1", "quantity": "\u00b2"}),
    ("placeOrder", {"productId": 1001, "denomination": "1_00", "poNumber": "PO-1", "quantity": 1}),
    ("getVouchers", {"limit": -1}),
    ("getVouchers", {"filters": [{"key": "currencyCode", "value": "INR"}, {"key": "minPrice", "value": "NaN"}]}),
    ("getVouchers", {"filters": [{"key": "currencyCode", "value": "INR"}, {"key": "price", "value": "sNaN"}]}),
]


@pytest.mark.parametrize(("operation", "data"), ODD_NUMBERS, ids=str)
async def test_a_number_that_is_none_is_refused_in_the_vendors_words(
    wire: Any, operation: str, data: dict[str, Any]
) -> None:
    """What Python reads as a number, or as a digit, need not be one."""
    async with Sandbox() as sandbox:
        answer = await wire.plum(sandbox, operation, **data)
        assert answer.status == 400
        assert answer.body["errorId"].startswith("PLE")


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("plumProAPI.mutation.getVouchers", {"data": {"includeProducts": "\u00b2"}}),
        (
            "plumAPI.mutation.sendBalance",
            {"recipients": [{"to_email": "a@b.co", "amount": "\u00b2"}], "sender_email": "c@d.co"},
        ),
        ("storeLink.query.campaignList", {"limit": "\u00b2"}),
    ],
)
async def test_a_digit_of_no_number_never_breaks_the_server(wire: Any, query: str, data: dict[str, Any]) -> None:
    """A superscript is a digit to Python, and no number."""
    async with Sandbox() as sandbox:
        assert (await wire.ask(sandbox, query, data)).status < 500
