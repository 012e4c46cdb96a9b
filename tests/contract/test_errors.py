"""What an unsuccessful answer means: the nine error shapes, with every status, for every kind of effect."""

import json
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from xoxo_async import RateLimits, RetryPolicy, Timeouts, errors
from xoxo_async.dispatcher import Dispatcher
from xoxo_async.operation import EffectClass
from xoxo_async.pacing import Pacer
from xoxo_async.services import account, catalog, orders, points
from xoxo_async.services.account import AccountService
from xoxo_async.services.catalog import CatalogService
from xoxo_async.services.links import LinkService
from xoxo_async.services.orders import OrderService
from xoxo_async.services.points import PointService, PointsRecipient
from xoxo_async.transport.http import Answer
from xoxo_async.wire import Secret
from xoxo_async.wire.refusal import recognise

pytestmark = pytest.mark.anyio

STATUSES = [200, 400, 401, 404, 422, 429, 500, 502, 503]
NONE, POSSIBLE = "none", "possible"


class Road:
    """The real dispatcher over a session that always gives one answer."""

    def __init__(self, body: object, status: int = 200) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.sent = 0
        dispatch = Dispatcher(
            self,  # type: ignore[arg-type]
            pacer=Pacer(RateLimits.unlimited()),
            retry=RetryPolicy(attempts=1),
            timeouts=Timeouts(),
        )
        self.account = AccountService(dispatch)
        self.catalog = CatalogService(dispatch)
        self.orders = OrderService(dispatch)
        self.points = PointService(dispatch)
        self.links = LinkService(dispatch)

    async def send(self, *_: object) -> Answer:
        self.sent += 1
        return Answer(self.status, self.body, Secret("t"), None)

    has_token = True
    secrets: tuple[Secret, ...] = ()

    def reject(self, bearer: Secret | None, *, worked: bool) -> None:
        pass


def app(error_id: str, status: int) -> dict[str, object]:
    return {"code": status, "errorId": error_id, "errorInfo": "said", "error": "said"}


def inside(operation: str, **inner: object) -> dict[str, object]:
    return {"data": {operation: inner}}


def send(road: Road) -> Awaitable[points.PointsSent]:
    recipient = PointsRecipient(name="A", email="a@b.example", amount=5)
    return road.points.send(sender_email="boss@b.example", recipients=[recipient])


UNKEYED: dict[str, Callable[[Road], Awaitable[Any]]] = {
    "sendBalance": send,
    "cancelBalance": lambda road: road.points.cancel([5]),
    "generateLink": lambda road: road.links.generate(campaign_id=7, quantity=1, expires_on=date(2030, 1, 1)),
    "generateLinkEmail": lambda road: road.links.send(campaign_id=7, emails=["a@b.c"], expires_on=date(2030, 1, 1)),
}

# Shapes that say what happened with any status: (body, class, effect for an order or an unkeyed call).
SPEAKING: dict[str, tuple[object, type[errors.XoxoError], str]] = {
    "A, a certain no": (app("PLE10018", 400), errors.DenominationError, NONE),
    "A, look it up": (app("PLE10004", 422), errors.DuplicatePoNumberError, POSSIBLE),
    "A, code a string": ({"code": "404", "errorId": "PLE10016", "errorInfo": ""}, errors.NotFoundError, POSSIBLE),
    "A, error an object": ({"code": 404, "errorId": "PLE10016", "error": {"a": 1}}, errors.NotFoundError, POSSIBLE),
    "A, an account's": (app("PIPE10017", 401), errors.CredentialsRejectedError, NONE),
    "A, in the envelope": (inside("placeOrder", **app("PLE10018", 400)), errors.DenominationError, NONE),
    "A, under error": ({"error": app("PLE10016", 404)}, errors.NotFoundError, POSSIBLE),
    "B": ({"error": "invalid_token", "error_description": "invalid/expired token"}, errors.TokenRejectedError, NONE),
    "B, capitalised": ({"error": "Invalid_Token"}, errors.TokenRejectedError, NONE),
    "B, no header": ({"error": "invalid_request", "error_description": "missing header"}, errors.AuthError, NONE),
    "C": ({"success": 0, "error_message_id": "auth.token_error"}, errors.TokenRejectedError, NONE),
    "D": (
        {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 60}]},
        errors.RateLimitedError,
        NONE,
    ),
    "D, one object": ({"errors": {"message": "x", "penaltySeconds": 60}}, errors.RateLimitedError, NONE),
    "D, in the envelope": (
        inside("placeOrder", errors=[{"message": "auth.request_limit_exceeded", "penaltySeconds": 60}]),
        errors.RateLimitedError,
        NONE,
    ),
    "E": ({"message": "auth.request_limit_exceeded"}, errors.RateLimitedError, NONE),
    "F": ({"code": 500, "error": "Internal"}, errors.ServerError, POSSIBLE),
    "F, code a string": ({"code": "503", "error": "down"}, errors.ServerError, POSSIBLE),
    "F, not found": ({"code": 404, "error": "x"}, errors.NotFoundError, POSSIBLE),
    "F, the limit": ({"code": 429, "error": "slow down"}, errors.RateLimitedError, NONE),
    "G, success": (inside("placeOrder", success=0, message="no", data=None), errors.RefusedError, POSSIBLE),
    "G, error": (inside("placeOrder", error=True, message="no"), errors.RefusedError, POSSIBLE),
    "G, status": (inside("placeOrder", status=0), errors.RefusedError, POSSIBLE),
    "I": ({"code": 429, "error": "rate_limit_exceeded", "message": "x"}, errors.RateLimitedError, NONE),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", SPEAKING)
def test_a_shape_that_speaks_decides_whatever_the_status(name: str, status: int) -> None:
    """The words, id and code in the body count before the HTTP status, and a read is never in doubt."""
    body, kind, effect = SPEAKING[name]
    for operation_effect in EffectClass:
        error = recognise(json.dumps(body).encode(), status, changes_nothing=operation_effect is EffectClass.READ)
        assert type(error) is kind
        assert error.effect == (NONE if operation_effect is EffectClass.READ else effect)
        assert error.status == status


BY_STATUS = {
    200: errors.RefusedError,
    400: errors.BadRequestError,
    401: errors.AuthError,
    404: errors.NotFoundError,
    422: errors.BadRequestError,
    429: errors.RateLimitedError,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [{"error": "Unauthorized"}, {"error": "Bad", "message": "m"}], ids=["H", "H, message"])
def test_a_shape_without_id_follows_its_status(body: object, status: int) -> None:
    """Shape H has nothing a program can read: the status decides, and only a 429 proves that nothing happened."""
    error = recognise(json.dumps(body).encode(), status)
    assert type(error) is BY_STATUS[status]
    assert error.effect == (NONE if status == 429 else POSSIBLE)


@pytest.mark.parametrize(
    "body", [{"code": 500, "error": "x"}, app("PLE10012", 502), inside("placeOrder", success=0), inside("placeOrder")]
)
def test_a_429_over_another_failure_proves_nothing(body: object) -> None:
    """A 429 proves that an order was not processed only if the body names no other failure."""
    assert recognise(json.dumps(body).encode(), 429).effect == POSSIBLE


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html><h1>Bad Gateway</h1></html>", b"[]", b"\xff"])
def test_html_and_empty_bodies_survive_under_any_status(body: bytes, status: int) -> None:
    """A page of HTML or an empty body raises an error of the SDK, in doubt unless the status is 429."""
    error = recognise(body, status)
    assert error.effect == (NONE if status == 429 else POSSIBLE)
    assert isinstance(error, errors.XoxoError)


# Points and links have no key for a look-up: an answer that is neither success nor refusal leaves them in doubt.

REFUSED = [
    {"success": 0, "message": "missing user's details", "data": None},
    {"success": False},
    {"success": "0"},
    {"status": 0, "message": "no"},
    {"status": "failure"},
    {"error": True, "message": "no"},
    {"error": 1},
    {"error": "Insufficient balance"},
    {"error": False, "success": 0},
    {"success": 1, "error": True},
]
IN_DOUBT = [{}, {"error": None}, {"message": "points sent"}, {"error": []}, {"status": 5}, {"success": None}, []]


@pytest.mark.parametrize("name", UNKEYED)
@pytest.mark.parametrize("inner", REFUSED, ids=json.dumps)
async def test_a_flag_of_any_family_refuses(name: str, inner: object) -> None:
    """A failure flag of any kind in an answer about points or links is a refusal, never a success."""
    road = Road({"data": {name: inner}})
    with pytest.raises(errors.RefusedError):
        await UNKEYED[name](road)
    assert road.sent == 1


@pytest.mark.parametrize("name", UNKEYED)
@pytest.mark.parametrize("inner", IN_DOUBT, ids=json.dumps)
async def test_what_neither_proves_nor_refuses_is_in_doubt(name: str, inner: object) -> None:
    """An answer without its flag proves nothing: the outcome is unknown, and nothing is sent again."""
    road = Road({"data": {name: inner}})
    with pytest.raises(errors.OutcomeUnknownError):
        await UNKEYED[name](road)
    assert road.sent == 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"message": "ok"}, b"", b"ok"], ids=repr)
@pytest.mark.parametrize("name", UNKEYED)
async def test_an_answer_without_the_operation_is_in_doubt(name: str, body: object) -> None:
    """An answer that does not contain the operation is not a success."""
    with pytest.raises(errors.OutcomeUnknownError):
        await UNKEYED[name](Road(body))


@pytest.mark.parametrize("name", UNKEYED)
async def test_an_error_id_in_the_envelope_counts(name: str) -> None:
    """An error id without a flag beside it is a failure of its own class."""
    with pytest.raises(errors.ServerError) as caught:
        await UNKEYED[name](Road(inside(name, errorId="PLE10009", code=502)))
    assert caught.value.error_id == "PLE10009"


@pytest.mark.parametrize(
    "told",
    [
        {"errorId": "PLE10001", "code": 400},
        {"message": "auth.request_limit_exceeded", "success": 0},
        {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 0}]},
        {"error": "invalid_token"},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("name", UNKEYED)
async def test_a_refusal_around_a_success_is_in_doubt(name: str, told: dict[str, object]) -> None:
    """An answer that says both yes and no proves neither, and the points are not sent again."""
    flag: dict[str, object] = {"success": 1} if name.startswith("generate") else {"error": False}
    road = Road({**told, **inside(name, **flag)})
    with pytest.raises(errors.XoxoError) as caught:
        await UNKEYED[name](road)
    assert (caught.value.effect, caught.value.retryable, road.sent) == (POSSIBLE, False, 1)


@pytest.mark.parametrize(
    "body",
    [
        inside("sendBalance", error=False, message="points sent"),
        inside("sendBalance", error="false", message="points sent"),
        inside("sendBalance", error=0, message="points sent"),
        inside("sendBalance", success=1, message="points sent"),
        inside("sendBalance", unique_id=5, points=50, email="a@b.example"),
        inside("sendBalance", recipients=[{"unique_id": 5, "points": 50}]),
        {"error": False, "message": "points sent"},
        {"data": {"error": False, "message": "points sent"}},
        {"error": False, "message": "points sent", "recipients": [{"unique_id": 5}]},
    ],
    ids=json.dumps,
)
async def test_points_sent_in_every_documented_success(body: object) -> None:
    """Points are sent in every documented form: flag and message, receivers, table fields, and the flat form."""
    sent = await send(Road(body))
    assert [credit.unique_id for credit in sent.recipients] == ([5] if "unique_id" in json.dumps(body) else [])


async def test_links_a_level_deeper_are_not_lost() -> None:
    """Links are shown once, so they are also read if their fields are in `data`."""
    road = Road(inside("generateLink", success=1, data={"links": ["https://l.example/1"], "campaignId": "7"}))
    batch = await UNKEYED["generateLink"](road)
    assert [link.reveal() for link in batch.links] == ["https://l.example/1"]


async def test_a_success_with_no_links_is_a_success() -> None:
    """`success: 1` with `links: []` has been seen: the batch is empty, not refused."""
    assert (await UNKEYED["generateLink"](Road(inside("generateLink", success=1, links=[])))).links == ()


# Reads


@pytest.mark.parametrize(
    "inner",
    [
        {"status": 1, "operator": "Tel", "countryCode": "DE", "productId": 88},
        {"status": 1, "data": {"operator": "Tel", "countryCode": "DE", "productId": 88}},
        {"status": 1, "message": None, "data": {"network_operator": "Tel", "parentProductId": "88"}},
        {"status": "Success", "network_operator": "Tel", "parentProductId": 88},
    ],
    ids=json.dumps,
)
async def test_an_operator_is_read_from_either_envelope(inner: dict[str, object]) -> None:
    """The operator's fields are read beside the flag and in `data`."""
    found = await Road(inside("lookupMobileNumber", **inner)).catalog.lookup_mobile_number("+4930123456")
    assert (found.network_operator, found.parent_product_id) == ("Tel", 88)


@pytest.mark.parametrize(
    "inner", [{"status": "failure", "message": "unknown"}, {"status": 0}, {"status": 1, "errorId": "X"}]
)
async def test_an_unknown_number_is_an_error(inner: dict[str, object]) -> None:
    """`failure`, 0 and an error id all mean that there is no operator."""
    with pytest.raises(errors.ApiError):
        await Road(inside("lookupMobileNumber", **inner)).catalog.lookup_mobile_number("+4930123456")


START, END = date(2026, 3, 1), date(2026, 3, 31)


@pytest.mark.parametrize("rows", [[], [{"invoice_number": "i"}]])
@pytest.mark.parametrize("place", ["bare", "paymentHistory", "getPaymentReport"])
async def test_payments_wherever_they_come(place: str, rows: list[object]) -> None:
    """Payments are read under either name and directly in `data`, and an empty report is an empty page."""
    body = {"data": rows} if place == "bare" else inside(place, status=1, data=rows)
    assert len(await Road(body).account.list_payments(START, END)) == len(rows)


@pytest.mark.parametrize("data", [[], None, ""])
async def test_an_empty_payment_report_is_empty(data: object) -> None:
    """`[]`, null and a blank mean no payments, and are not an error."""
    assert len(await Road(inside("getPaymentReport", status=1, data=data)).account.list_payments(START, END)) == 0


@pytest.mark.parametrize("error_id", ["PLE10027", "PLE10022"])
@pytest.mark.parametrize("status", [200, 404])
async def test_an_empty_history_is_an_end(error_id: str, status: int) -> None:
    """A 404 with PLE10027 or PLE10022 is an empty page, and the iterator ends."""
    road = Road(app(error_id, 404), status)
    assert len(await road.orders.list_history(START, END)) == 0
    assert [order async for order in road.orders.iterate_history(START, END)] == []
    assert len(await road.account.list_payments(START, END)) == 0


@pytest.mark.parametrize("status", [200, 404])
async def test_the_end_of_the_catalog_is_an_end(status: int) -> None:
    """PLE10030 after the last page is an empty page, and the iterator ends."""
    road = Road(app("PLE10030", 404), status)
    assert len(await road.catalog.list_vouchers(page=9)) == 0
    assert [product async for product in road.catalog.iterate_vouchers()] == []
    with pytest.raises(errors.NotFoundError):
        await road.catalog.get_voucher(5)


@pytest.mark.parametrize("error_id", ["PLE10017", "PLE10031", "PLE10033"])
async def test_other_errors_of_the_catalog_are_errors(error_id: str) -> None:
    """PLE10017, a bad filter value and a bad payload are errors, not an empty catalog."""
    with pytest.raises(errors.ApiError) as caught:
        await Road(app(error_id, 404), 404).catalog.list_vouchers()
    assert (caught.value.error_id, caught.value.effect) == (error_id, NONE)


async def test_a_resend_that_failed_says_so() -> None:
    """PLE10034 on getOrderDetails means that the e-mail was not sent again; the look-up has no effect."""
    with pytest.raises(errors.ServerError) as caught:
        await Road(app("PLE10034", 502), 502).orders.get(order_id=9)
    assert (caught.value.error_id, caught.value.effect, caught.value.operation) == ("PLE10034", NONE, "getOrderDetails")


@pytest.mark.parametrize("error_id", ["PLE10016", "PLE10028"])
async def test_an_order_that_is_not_there_is_none(error_id: str) -> None:
    """A missing order is None for `find` and an error for `get`; PLE10021 is an order without its details."""
    assert await Road(app(error_id, 404), 404).orders.find("PO-1") is None
    with pytest.raises(errors.NotFoundError):
        await Road(app(error_id, 404), 404).orders.get(po_number="PO-1")
    with pytest.raises(errors.NotFoundError):
        await Road(app("PLE10021", 404), 404).orders.find("PO-1")


def test_operations_declare_their_effect() -> None:
    """An order is keyed and a look-up is a read, which decides what follows a lost answer."""
    assert orders.PLACE_ORDER.effect is EffectClass.KEYED
    assert {o.effect for o in (orders.GET_ORDER, catalog.GET_VOUCHERS, account.GET_BALANCE)} == {EffectClass.READ}
