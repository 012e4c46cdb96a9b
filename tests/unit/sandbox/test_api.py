"""`api`: the sandbox finds a request in its envelope, checks, limits and answers it in a dialect."""

import asyncio
from typing import Any

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
    """The sandbox accepts `[]` for an empty object, as PHP clients write it."""
    async with Sandbox(dialect=dialect) as sandbox:
        answer = await wire.ask(sandbox, "plumProAPI.query.getBalance", {"data": data})
    assert (answer.status, answer.body["data"]["getBalance"]["data"]["currency"]) == (200, "INR")


@pytest.mark.parametrize("path", [API, f"{API}/", f"{API}/generateLink", f"{API}/sendLinks"])
async def test_every_known_path_takes_every_operation(wire: Any, path: str) -> None:
    """The path does not matter, with or without a slash at its end: the body names the operation."""
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
        b'{"query":"plumProAPI.query.getBalance","variables":{"data":{"x":1e99999999999999999999}}}',
    ],
)
async def test_an_invalid_request_is_refused_and_not_counted(wire: Any, raw: bytes) -> None:
    """Broken JSON, a bad envelope and an unknown operation are all refused with PLE10001."""
    async with Sandbox() as sandbox:
        answer = await wire.post(sandbox, API, raw)
        assert (answer.status, answer.body["errorId"]) == (400, "PLE10001")
        assert (len(sandbox.requests), sandbox.books().requests) == (0, {})


@pytest.mark.parametrize("dialect", ["vendor", "openapi"])
async def test_points_may_be_sent_without_a_wrapper(wire: Any, dialect: Any) -> None:
    """The fields of sendBalance may stand directly in `variables`, as in the OpenAPI file, or in their wrapper."""
    async with Sandbox(dialect=dialect) as sandbox:
        for variables in (POINTS, {"recipients_data": POINTS}):
            answer = await wire.ask(sandbox, "storesAdmin.mutation.sendBalance", variables)
            assert answer.body["data"]["sendBalance"]["error"] is False


@pytest.mark.parametrize(("dialect", "key"), [("vendor", "getPaymentReport"), ("openapi", "paymentHistory")])
async def test_the_payment_report_answers_under_its_other_name(wire: Any, dialect: Any, key: str) -> None:
    """The request paymentHistory is answered as getPaymentReport in the vendor's dialect only."""
    days = {"startDate": "2001-01-01", "endDate": "2001-01-02"}
    async with Sandbox(dialect=dialect) as sandbox:
        answer = await wire.plum(sandbox, "paymentHistory", **days)
    assert answer.body == {"data": {key: {"status": 1, "data": []}}}


@pytest.mark.parametrize(("dialect", "code"), [("vendor", 404), ("openapi", "404")])
async def test_an_error_code_is_number_or_string(wire: Any, dialect: Any, code: object) -> None:
    """An error's code is a number in the vendor's dialect and a string in the OpenAPI dialect."""
    async with Sandbox(dialect=dialect) as sandbox:
        answer = await wire.plum(sandbox, "getOrderDetails", poNumber="NONE", orderId=0)
    assert (answer.status, answer.body["code"]) == (404, code)


async def test_mailed_links_are_answered_as_generate_link(wire: Any) -> None:
    """`generateLinkEmail` is answered under the name `generateLink`."""
    async with Sandbox() as sandbox:
        given = {"campaignId": 7001, "link_expiry": "31-12-2099", "email_ids": "a@b.example"}
        answer = await wire.plum(sandbox, "generateLinkEmail", **given)
    assert answer.body["data"]["generateLink"]["success"] == 1


async def test_received_requests_are_kept_and_counted(wire: Any) -> None:
    """A test can read the operation, data, body and path of each request, and the books count it."""
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


async def test_a_request_is_kept_with_its_fault(wire: Any) -> None:
    """A test can tell which requests got a fault, also those that booked nothing."""
    async with Sandbox() as sandbox:
        sandbox.script("html_502", nth=2)
        for number in range(3):
            await wire.place(sandbox, f"PO-{number}")
        assert [received.fault for received in sandbox.requests] == ["", "html_502", ""]


@pytest.mark.parametrize(("header", "status"), [("", 400), ("Bearer dead", 401)])
async def test_a_request_without_valid_token_does_nothing(wire: Any, header: str, status: int) -> None:
    """A request without a valid token is refused, not kept and not counted."""
    async with Sandbox() as sandbox:
        assert (await wire.post(sandbox, API, BALANCE, Authorization=header)).status == status
        assert (len(sandbox.requests), sandbox.books().requests) == (0, {})


async def test_an_issued_token_works_and_can_be_checked(wire: Any) -> None:
    """GET at the token's address tells how long it is still valid."""
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
async def test_user_and_storefront_tokens_need_a_token(wire: Any, path: str) -> None:
    """Tokens for users and for the storefront are made only for a caller with a valid token."""
    async with Sandbox() as sandbox:
        assert (await wire.post(sandbox, path, b"{}")).status == 200
        assert (await wire.post(sandbox, path, b"{}", Authorization="Bearer dead")).status == 401


async def test_a_call_over_the_limit_does_nothing(wire: Any) -> None:
    """A call over the limit is refused with the penalty, and other operations go on."""
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
    """`limit_status` sets the HTTP status, since the vendor documents one and clients have met others."""
    async with Sandbox(limits={"getBalance": 1}, limit_status=403) as sandbox:
        assert [(await wire.post(sandbox, API, BALANCE)).status for _ in range(2)] == [200, 403]


async def test_a_look_up_lags_behind_its_order(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For `lookup_lag_s` a look-up by poNumber does not find an order; afterwards both keys find it."""
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
    """The fault answers PLE10016 for some seconds after the order, and for an order that does not exist."""
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
    """The fault `throttle` answers with its seconds as the penalty and books nothing."""
    async with Sandbox() as sandbox:
        sandbox.script("throttle", seconds=7)
        refused = await wire.place(sandbox)
        assert (refused.status, refused.body["errors"][0]["penaltySeconds"]) == (429, 7)
        assert sandbox.order("PO-1") is None


async def test_a_revocation_ends_all_issued_tokens(wire: Any) -> None:
    """The fault answers 401 invalid_token, and every access token issued before stops working."""
    async with Sandbox() as sandbox:
        issued = await wire.post(sandbox, "/v1/oauth/token", msgspec.json.encode(CLIENT))
        bearer = {"Authorization": f"Bearer {issued.body['access_token']}"}
        sandbox.script("revoke_token", first=1)
        refused = await wire.place(sandbox)
        assert (refused.status, refused.body["error"], sandbox.order("PO-1")) == (401, "invalid_token", None)
        assert (await wire.post(sandbox, API, BALANCE, **bearer)).status == 401
        assert (await wire.place(sandbox)).status == 200


async def test_a_late_order_is_booked_after_the_break(wire: Any) -> None:
    """The client gets an error at once, and the order is booked later."""
    async with Sandbox() as sandbox:
        sandbox.script("late_commit", seconds=0.01)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
        with anyio.fail_after(30):
            while sandbox.order("PO-1") is None:
                await anyio.sleep(0.005)


async def test_a_stopped_sandbox_books_no_late_order(wire: Any) -> None:
    """No task of a late order stays after the sandbox ends."""
    async with Sandbox() as sandbox:
        sandbox.script("late_commit", seconds=600)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
    assert sandbox.order("PO-1") is None


@pytest.mark.parametrize(("kind", "booked"), [("timeout_before", False), ("timeout_after_commit", True)])
async def test_silence_lasts_until_the_server_stops(wire: Any, kind: str, booked: bool) -> None:
    """A silent request is not answered: its connection breaks when the server stops, with the order booked or not."""
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


async def test_the_books_can_be_read_over_http(wire: Any) -> None:
    """A test in another process can read the books as JSON."""
    async with Sandbox() as sandbox:
        await wire.place(sandbox, "A", quantity=3)
        async with wire.http.get(f"{sandbox.base_url.removesuffix('/chef')}/_sandbox/books") as answer:
            books = await answer.json()
    assert (books["orders"], books["pieces"], books["by_po_number"]) == (1, 3, {"A": 1})


async def test_the_books_over_http_have_points_and_links(wire: Any) -> None:
    """Who got how many points, each call's links, and the mails of each address."""
    async with Sandbox() as sandbox:
        await wire.ask(sandbox, "storesAdmin.mutation.sendBalance", {"recipients_data": POINTS})
        given = {"campaignId": 7001, "link_expiry": "31-12-2099", "email_ids": "a@b.example"}
        await wire.plum(sandbox, "generateLinkEmail", **given)
        async with wire.http.get(f"{sandbox.base_url.removesuffix('/chef')}/_sandbox/books") as answer:
            books = await answer.json()
    (credit,) = books["credits"]
    assert (credit["unique_id"], credit["email"], credit["points"], credit["answered"]) == (9_000_001, "a@b.c", 5, True)
    assert (books["points"], books["points_given"], books["link_mails"]) == ({"a@b.c": 5}, 5, {"a@b.example": 1})
    assert [(len(batch["links"]), batch["answered"]) for batch in books["links"]] == [(1, 1)]


async def test_a_client_that_has_gone_gets_no_answer(wire: Any) -> None:
    """The points are given, and the books say that no answer left the sandbox."""
    async with Sandbox(latency_ms=50) as sandbox:
        asking = asyncio.ensure_future(
            wire.ask(sandbox, "storesAdmin.mutation.sendBalance", {"recipients_data": POINTS})
        )
        with anyio.fail_after(30):
            while not sandbox.requests:
                await anyio.sleep(0.005)
            asking.cancel()
            while not sandbox.books().credits:
                await anyio.sleep(0.005)
            assert [credit.answered for credit in sandbox.books().credits] == [False]


async def test_late_points_have_no_answer(wire: Any) -> None:
    """The fault `late_commit` gives points after the connection has broken."""
    async with Sandbox() as sandbox:
        sandbox.script("late_commit", operation="sendBalance", seconds=0.01, email="A@b.c")
        with pytest.raises(aiohttp.ClientError):
            await wire.ask(sandbox, "storesAdmin.mutation.sendBalance", {"recipients_data": POINTS})
        with anyio.fail_after(30):
            while not sandbox.books().credits:
                await anyio.sleep(0.005)
        assert [credit.answered for credit in sandbox.books().credits] == [False]


ODD_NUMBERS = [
    ("placeOrder", {"productId": 1001, "denomination": 100, "poNumber": "PO-1", "quantity": "--5"}),
    ("placeOrder", {"productId": 1001, "denomination": 100, "poNumber": "PO-1", "quantity": "\u00b2"}),
    ("placeOrder", {"productId": 1001, "denomination": "1_00", "poNumber": "PO-1", "quantity": 1}),
    ("getVouchers", {"limit": -1}),
    ("getVouchers", {"filters": [{"key": "currencyCode", "value": "INR"}, {"key": "minPrice", "value": "NaN"}]}),
    ("getVouchers", {"filters": [{"key": "currencyCode", "value": "INR"}, {"key": "price", "value": "sNaN"}]}),
]


@pytest.mark.parametrize(("operation", "data"), ODD_NUMBERS, ids=str)
async def test_an_odd_number_is_refused_by_error_id(wire: Any, operation: str, data: dict[str, Any]) -> None:
    """Text that Python reads as a number, and the vendor does not, is refused with an error id."""
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
async def test_a_superscript_digit_never_breaks_the_server(wire: Any, query: str, data: dict[str, Any]) -> None:
    """Python counts a superscript as a digit; the sandbox does not, and does not answer 500."""
    async with Sandbox() as sandbox:
        assert (await wire.ask(sandbox, query, data)).status < 500
