"""`fault_answers`: what each kind of fault puts on the wire, and whether the order is booked."""

import gzip
from typing import Any

import aiohttp
import msgspec
import pytest

from xoxo_async.sandbox import KINDS, Sandbox
from xoxo_async.sandbox.fault_answers import refused
from xoxo_async.sandbox.reading import Refusal

pytestmark = pytest.mark.anyio

BROKEN = ["reset_before_commit", "commit_then_reset", "timeout_before", "timeout_after_commit", "garbage", "truncated"]
NOT_BOOKED = {
    "reset_before_commit",
    "timeout_before",
    "error_5xx_before",
    "html_502",
    "error_in_200",
    "throttle",
    "revoke_token",
    "redirect_307",
    "restart",
}
BOOKED_LATER_OR_NO_ORDERS = {"late_commit", "lagging_lookup"}


def order_of(answer: Any) -> Any:
    return answer.body["data"]["placeOrder"]["data"]


@pytest.mark.parametrize("kind", sorted(KINDS - BOOKED_LATER_OR_NO_ORDERS))
async def test_each_kind_books_as_its_table_says(wire: Any, kind: str) -> None:
    """Whether the order is booked agrees with the table in `faults`, and it is booked at most once."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, seconds=0)
        try:
            async with wire.http.post(
                f"{sandbox.base_url}/v1/oauth/api",
                headers={"Authorization": "Bearer sandbox-token"},
                json={
                    "query": "plumProAPI.mutation.placeOrder",
                    "variables": {
                        "data": {"productId": 1001, "quantity": 1, "denomination": 100, "poNumber": "PO-1"},
                    },
                },
                allow_redirects=False,
            ):
                pass  # the body, up to 64 MB, does not matter here
        except aiohttp.ClientError:
            pass
        assert sandbox.books().orders == (kind not in NOT_BOOKED)


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_connection_is_no_answer(wire: Any, kind: str) -> None:
    """A broken connection gives the client no answer that it can read."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, seconds=0)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)


async def test_half_an_answer_begins_like_a_whole_one(wire: Any) -> None:
    """Its status and headers are those of a success, and its body ends too soon."""
    async with Sandbox() as sandbox:
        sandbox.script("truncated")
        body = {"query": "placeOrder", "variables": {"data": {"productId": 1001, "quantity": 1, "denomination": 100}}}
        headers = {"Authorization": "Bearer sandbox-token"}
        async with wire.http.post(f"{sandbox.base_url}/v1/oauth/api", json=body, headers=headers) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


@pytest.mark.parametrize(
    ("kind", "given", "status", "error_id"),
    [
        ("error_5xx_before", {}, 500, None),
        ("error_5xx_before", {"status": 503}, 503, None),
        ("error_5xx_after", {}, 502, "PLE10035"),
        ("error_5xx_after", {"status": 504, "error_id": "PLE10007"}, 504, "PLE10007"),
        ("duplicate_answer", {}, 422, "PLE10004"),
    ],
)
async def test_an_error_has_the_scripted_status_and_id(
    wire: Any, kind: str, given: dict[str, Any], status: int, error_id: str | None
) -> None:
    """The answer has an error id after the order was booked, and none before."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, **given)
        answer = await wire.place(sandbox)
    assert (answer.status, answer.body.get("errorId")) == (status, error_id)


@pytest.mark.parametrize("kind", ["html_502", "html_502_after"])
async def test_an_edge_server_answers_with_a_page(wire: Any, kind: str) -> None:
    """The answer is HTML with status 502, as an edge server sends it."""
    async with Sandbox() as sandbox:
        sandbox.script(kind)
        answer = await wire.place(sandbox)
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (502, "text/html")
    assert answer.raw.startswith(b"<html>")


@pytest.mark.parametrize(
    ("kind", "begins", "length"),
    [
        ("not_json", b"OK", 2),
        ("empty_body", b"", 0),
        ("deep_json", b"[[[", 100_000),
        ("bad_utf8", b'{"data": "\xff', 14),
    ],
)
async def test_a_success_may_be_unreadable(wire: Any, kind: str, begins: bytes, length: int) -> None:
    """The answer is HTTP 200 and JSON by its headers, with a body that is not valid."""
    async with Sandbox() as sandbox:
        sandbox.script(kind)
        answer = await wire.place(sandbox)
    assert (answer.status, len(answer.raw)) == (200, length)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.raw.startswith(begins)


async def test_a_failure_may_come_as_a_success(wire: Any) -> None:
    """The answer is HTTP 200 with `status: 0` and no data."""
    async with Sandbox() as sandbox:
        sandbox.script("error_in_200")
        answer = await wire.place(sandbox)
    assert (answer.status, answer.body["data"]["placeOrder"]["status"], order_of(answer)) == (200, 0, None)


async def test_an_order_may_come_in_the_wrong_types(wire: Any) -> None:
    """The id, vouchers and quantity have wrong types, and the other fields are as usual."""
    async with Sandbox() as sandbox:
        sandbox.script("wrong_types")
        order = order_of(await wire.place(sandbox))
    assert (order["orderId"], order["vouchers"], order["quantity"]) == ({"id": 1}, "none", [1])
    assert order["amountCharged"] == 400


async def test_an_order_may_come_without_its_id(wire: Any) -> None:
    """The order has every field but its id, codes included."""
    async with Sandbox() as sandbox:
        sandbox.script("no_order_id")
        order = order_of(await wire.place(sandbox))
    assert "orderId" not in order
    assert len(order["vouchers"]) == 4


async def test_a_short_answer_has_half_the_vouchers(wire: Any) -> None:
    """The order is pending with half of its vouchers, and a look-up has all of them."""
    async with Sandbox() as sandbox:
        sandbox.script("short_answer")
        short = order_of(await wire.place(sandbox))
        found = (await wire.plum(sandbox, "getOrderDetails", poNumber="PO-1")).body["data"]["getOrderDetails"]["data"]
    assert (short["deliveryStatus"], len(short["vouchers"]), len(found["vouchers"])) == ("pending", 2, 4)
    assert short["vouchers"] == found["vouchers"][:2]


@pytest.mark.parametrize("kind", ["wrong_types", "no_order_id", "short_answer"])
async def test_a_refusal_is_not_changed(wire: Any, kind: str) -> None:
    """Kinds that change an order leave a refusal as it is."""
    async with Sandbox() as sandbox:
        sandbox.script(kind)
        answer = await wire.place(sandbox, quantity=0)
    assert (answer.status, answer.body["errorId"]) == (400, "PLE10001")


async def test_a_redirect_leads_to_another_host(wire: Any) -> None:
    """The answer is a 307, which a careless client follows with its order and its token."""
    async with Sandbox() as sandbox:
        sandbox.script("redirect_307")
        answer = await wire.place(sandbox)
        assert not answer.headers["Location"].startswith(sandbox.base_url.removesuffix("/chef"))
    assert answer.status == 307


async def test_an_oversize_answer_has_64_megabytes(wire: Any) -> None:
    """The answer has 64 MB and no Content-Length header."""
    async with Sandbox() as sandbox:
        sandbox.script("oversize")
        answer = await wire.place(sandbox)
    assert "Content-Length" not in answer.headers
    assert (len(answer.raw), answer.raw.strip()) == (64_000_000, b"")


async def test_a_bomb_is_small_until_it_is_unpacked(wire: Any) -> None:
    """The body is below 1 MB and unpacks to 512 MB."""
    async with Sandbox() as sandbox:
        sandbox.script("gzip_bomb")
        answer = await wire.place(sandbox)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.raw) < 1 << 20
    member = answer.raw[: len(answer.raw) // 512]
    assert answer.raw == member * 512
    assert len(gzip.decompress(member)) == 1 << 20


async def test_a_slow_body_is_complete_in_the_end(wire: Any) -> None:
    """The slow body is the same order as an answer that comes at once."""
    async with Sandbox() as sandbox:
        sandbox.script("slow_body", seconds=0)
        answer = await wire.place(sandbox)
    assert int(answer.headers["Content-Length"]) == len(answer.raw)
    assert len(order_of(answer)["vouchers"]) == 4


@pytest.mark.parametrize(("openapi", "code"), [(False, 404), (True, "404")])
def test_an_error_code_is_number_or_string(openapi: bool, code: object) -> None:
    """The vendor's pages have a number, the OpenAPI file a string, with the same HTTP status."""
    answer = refused(Refusal("PLE10016"), openapi=openapi)
    assert isinstance(answer.body, bytes)
    body = msgspec.json.decode(answer.body)
    assert (answer.status, body["code"], body["errorId"]) == (404, code, "PLE10016")


@pytest.mark.parametrize("kind", ["no_order_id", "wrong_types", "short_answer"])
@pytest.mark.parametrize("operation", ["getVouchers", "getFilters"])
async def test_kinds_for_orders_leave_lists_alone(wire: Any, kind: str, operation: str) -> None:
    """A rule for another operation does not break an answer that has no order."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, operation=operation)
        answer = await wire.plum(sandbox, operation)
        assert answer.status == 200
        assert answer.body["data"][operation]["data"]


@pytest.mark.parametrize("kind", ["no_order_id", "wrong_types", "short_answer"])
async def test_kinds_for_orders_may_match_every_operation(wire: Any, kind: str) -> None:
    """Points, links and tokens are answered although the rule is for every operation."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, operation="")
        for query, variables in [("storeLink.query.campaignList", {}), ("plumAPI.query.userBalance", {"data": {}})]:
            assert (await wire.ask(sandbox, query, variables)).status < 500
        form = b"grant_type=client_credentials&client_id=a&client_secret=b"
        token = await wire.post(
            sandbox, "/v1/oauth/token", form, **{"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert token.status < 500


POINTS = {
    "sender_email": "boss@b.example",
    "recipients": [{"to_name": n, "to_email": f"{n}@b.example", "amount": "5"} for n in ("ada", "bob", "eve", "joe")],
}
LINKS = {"campaignId": 7001, "links_quantity": 4, "link_expiry": "31-12-2099"}
MAILS = {"campaignId": 7001, "link_expiry": "31-12-2099", "email_ids": "a@b.example,c@d.example"}
NO_KEY = [("sendBalance", POINTS), ("generateLink", LINKS), ("generateLinkEmail", MAILS)]


async def ask_anyhow(wire: Any, sandbox: Sandbox, operation: str, data: dict[str, object]) -> Any:
    """Return what an operation answered under its key, or None where there is no such answer."""
    try:
        answer = await wire.ask(sandbox, f"x.mutation.{operation}", {"data": data, "recipients_data": data})
        body = answer.body if answer.status == 200 else None
    except (aiohttp.ClientError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return next(iter(body["data"].values())) if isinstance(body, dict) and "data" in body else None


@pytest.mark.parametrize("kind", sorted(KINDS - BOOKED_LATER_OR_NO_ORDERS - {"oversize", "gzip_bomb"}))
@pytest.mark.parametrize(("operation", "data"), NO_KEY, ids=[operation for operation, _ in NO_KEY])
async def test_each_kind_books_points_and_links_as_well(wire: Any, kind: str, operation: str, data: Any) -> None:
    """Whether points or links are booked agrees with the table, and `answered` with what the client was told."""
    async with Sandbox() as sandbox:
        sandbox.script(kind, operation=operation, seconds=0)
        told = await ask_anyhow(wire, sandbox, operation, data)
        books = sandbox.books()
    booked = len(books.credits) + sum(len(batch.links) for batch in books.links)
    answered = sum(credit.answered for credit in books.credits) + sum(batch.answered for batch in books.links)
    wanted = 2 if operation == "generateLinkEmail" else 4
    assert booked == (0 if kind in NOT_BOOKED else wanted)
    if not booked or told is None or kind == "wrong_types":
        assert answered == 0
    elif operation == "generateLinkEmail" or (kind, operation) == ("bare_answer", "sendBalance"):
        assert answered == wanted
    else:
        assert answered == len(told["recipients" if operation == "sendBalance" else "links"])


async def test_a_short_answer_has_half_the_credits(wire: Any) -> None:
    """The answer tells of the first half alone, although all receivers got their points."""
    async with Sandbox() as sandbox:
        sandbox.script("short_answer", operation="sendBalance")
        told = await ask_anyhow(wire, sandbox, "sendBalance", POINTS)
        books = sandbox.books()
    assert [credit["email"] for credit in told["recipients"]] == ["ada@b.example", "bob@b.example"]
    assert books.points == dict.fromkeys(("ada@b.example", "bob@b.example", "eve@b.example", "joe@b.example"), 5)


@pytest.mark.parametrize(
    ("operation", "data", "flag"),
    [
        ("sendBalance", POINTS, {"error": True}),
        ("cancelBalance", {"recipients": [{"unique_id": 1}]}, {"error": True}),
        ("generateLink", LINKS, {"success": 0}),
        ("generateLinkEmail", MAILS, {"success": 0}),
    ],
)
async def test_a_failure_has_the_flag_of_its_operation(
    wire: Any, operation: str, data: Any, flag: dict[str, object]
) -> None:
    """`error_in_200` fails as that operation documents it."""
    async with Sandbox() as sandbox:
        sandbox.script("error_in_200", operation=operation)
        told = await ask_anyhow(wire, sandbox, operation, data)
    assert told == {**flag, "message": "Try again", "data": None}


async def test_points_may_come_without_their_ids(wire: Any) -> None:
    """The credits have all but the `unique_id` that a cancellation needs, or are left out."""
    async with Sandbox() as sandbox:
        sandbox.script("no_order_id", operation="sendBalance", first=1)
        sandbox.script("bare_answer", operation="sendBalance")
        given = (await ask_anyhow(wire, sandbox, "sendBalance", POINTS))["recipients"]
        bare = await ask_anyhow(wire, sandbox, "sendBalance", POINTS)
    assert [set(credit) & {"unique_id", "email", "points"} for credit in given] == [{"email", "points"}] * 4
    assert bare == {"error": False, "message": "points sent", "recipients": []}


async def test_a_cancellation_may_lose_its_answer(wire: Any) -> None:
    """The points are gone, and the books count how often that was asked."""
    async with Sandbox() as sandbox:
        given = (await ask_anyhow(wire, sandbox, "sendBalance", POINTS))["recipients"]
        sandbox.script("commit_then_reset", operation="cancelBalance")
        asked = {"recipients": [{"unique_id": given[0]["unique_id"]}]}
        for _ in range(2):
            assert await ask_anyhow(wire, sandbox, "cancelBalance", asked) is None
        assert [(one.cancelled, one.cancels) for one in sandbox.books().credits[:2]] == [(True, 2), (False, 0)]
