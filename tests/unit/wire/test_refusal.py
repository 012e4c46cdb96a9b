"""`wire.refusal`: each of the vendor's error shapes, under any status."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async import errors
from xoxo_async.operation import EffectClass
from xoxo_async.wire import Secret
from xoxo_async.wire.refusal import recognise

KEYED, READ = EffectClass.KEYED, EffectClass.READ


def _recognise(body: object, status: int = 200, effect: EffectClass = KEYED) -> errors.XoxoError:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return recognise(raw, status, changes_nothing=effect is EffectClass.READ)


@pytest.mark.parametrize("status", [200, 400, 404, 422, 500, 502])
@pytest.mark.parametrize("error_id", sorted(errors.ERROR_IDS))
def test_an_error_id_decides_whatever_the_status(error_id: str, status: int) -> None:
    """Shape A: the id's row gives class and effect, because the vendor's statuses differ from page to page."""
    error = _recognise({"code": status, "errorId": error_id, "errorInfo": "x", "error": "y"}, status)
    row = errors.ERROR_IDS[error_id]
    assert type(error) is row.error
    assert error.error_id == error_id
    assert error.effect == ("none" if row.order is errors.OrderMayExist.NO else "possible")


def test_only_a_certain_no_is_a_refusal() -> None:
    """On a placeOrder, only the ids after which no order can exist have effect `none`."""
    certain = {i for i in errors.ERROR_IDS if _recognise({"errorId": i}, 400).effect == "none"}
    assert certain == {f"PLE{n}" for n in (10001, 10014, 10015, 10018, 10019, 10041, 10042)}


def test_an_unknown_error_id_proves_nothing() -> None:
    """An id outside the table leaves a placeOrder in doubt, also under a 400."""
    error = _recognise({"code": 400, "errorId": "PLE10099", "errorInfo": "new"}, 400)
    assert (error.effect, error.error_id) == ("possible", "PLE10099")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"error": "invalid_token", "error_description": "invalid/expired token"}, 401, errors.TokenRejectedError),
        ({"success": 0, "error_message_id": "auth.token_error"}, 200, errors.TokenRejectedError),
        ({"code": 401, "errorId": "PIPE10013", "error": "x"}, 401, errors.TokenRejectedError),
    ],
)
def test_token_errors_may_be_tried_again(body: object, status: int, kind: type[errors.XoxoError]) -> None:
    """Shapes B and C and PIPE10013 mean: not processed, renew once."""
    error = _recognise(body, status)
    assert type(error) is kind
    assert (error.retryable, error.effect) == (True, "none")


@pytest.mark.parametrize("error_id", ["PIPE10015", "PIPE10016", "PIPE10017", "PLE10019"])
def test_business_401s_renew_no_token(error_id: str) -> None:
    """A disabled user or company, a refused address or a missing permission is no token error."""
    error = _recognise({"code": 401, "errorId": error_id, "error": "x"}, 401)
    assert not isinstance(error, errors.TokenRejectedError)
    assert not error.retryable


@pytest.mark.parametrize("status", [200, 429, 503])
@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 60}]}, 60.0),
        ({"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": "7"}]}, 7.0),
        ({"message": "auth.request_limit_exceeded"}, None),
        ({"code": 429, "error": "rate_limit_exceeded", "message": "slow down"}, None),
    ],
)
def test_rate_limits_are_seen_in_the_body(body: object, seconds: float | None, status: int) -> None:
    """Shapes D, E and I under any status, with the penalty; nothing was processed."""
    error = _recognise(body, status)
    assert isinstance(error, errors.RateLimitedError)
    assert (error.retry_after_s, error.effect, error.retryable) == (seconds, "none", True)


@pytest.mark.parametrize("inner", [{"success": 0, "message": "no", "data": None}, {"error": True, "message": "no"}])
def test_a_flag_that_says_no_refuses(inner: object) -> None:
    """Shape G: a 200 whose inner flag says no raises `RefusedError`, and does not prove that no order exists."""
    error = _recognise({"data": {"placeOrder": inner}})
    assert type(error) is errors.RefusedError
    assert error.effect == "possible"


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"code": 500, "error": "oops"}, 500, errors.ServerError),
        ({"error": "Unauthorized"}, 401, errors.AuthError),
        (b"<html><h1>502 Bad Gateway</h1></html>", 502, errors.ServerError),
        (b"", 503, errors.ServerError),
        (b"", 200, errors.DecodeError),
        (b"<html>hello</html>", 200, errors.DecodeError),
        (b"\xff\xfe", 200, errors.DecodeError),
        (b"[" * 100_000, 200, errors.DecodeError),
        (b"[]", 404, errors.NotFoundError),
        (b"", 307, errors.RefusedError),
        (b"{}", 200, errors.DecodeError),
        (b'{"message": "no"}', 418, errors.RefusedError),
    ],
)
def test_other_answers_are_classified_by_status(body: object, status: int, kind: type[errors.XoxoError]) -> None:
    """Shapes F and H, HTML, empty, broken and deep bodies end as errors that prove nothing about an order."""
    error = _recognise(body, status)
    assert type(error) is kind
    assert error.effect == "possible"
    assert error.status == status


def test_a_read_never_has_an_effect() -> None:
    """The effect of every failed read is `none`."""
    assert _recognise({"code": 502, "errorId": "PLE10023"}, 502, READ).effect == "none"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["code", "errorId", "errorInfo", "error", "error_description", "error_message_id", "errors", "message", "data"]


@given(body=st.dictionaries(st.sampled_from(FIELDS), JSON), status=st.integers(200, 599))
def test_any_json_ends_as_one_of_our_errors(body: dict[str, object], status: int) -> None:
    """Any value in any field ends as one of the SDK's errors, and the message is printable."""
    error = _recognise(msgspec.json.encode(body), status)
    assert isinstance(error, errors.XoxoError)
    assert str(error).isprintable()


@given(st.binary(), st.integers(200, 599))
def test_any_bytes_end_as_one_of_our_errors(body: bytes, status: int) -> None:
    """Bytes that are no JSON end as one of the SDK's errors."""
    assert isinstance(_recognise(body, status), errors.XoxoError)


@pytest.mark.parametrize(
    "told",
    [
        {"errorId": "PLE10001"},
        {"error": "invalid_token"},
        {"message": "rate_limit_exceeded"},
        {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 1}]},
    ],
)
def test_a_contradictory_answer_is_doubt(told: dict[str, object]) -> None:
    """A refusal beside an order may hide a success, so its effect is never `none`."""
    inner = {"placeOrder": {"status": 1, "data": {"orderId": "abc", "vouchers": []}}}
    error = recognise(msgspec.json.encode({**told, "data": inner}), 200)
    assert (error.effect, error.retryable) == ("possible", False)


ECHOED = "tok+en/VALUE=="
ECHOES: list[object] = [
    {"code": 400, "errorId": "PLE10001", "errorInfo": f"got Bearer {ECHOED}", "error": "x"},
    {"code": 400, "errorId": "PLE10001", "error": f"got {ECHOED}"},
    {"code": 400, "errorId": f"PLE99999 {ECHOED}", "errorInfo": "new"},
    {"code": 401, "errorId": "PLE99999", "message": f"x{ECHOED}x"},
    {"error": "invalid_request", "error_description": f"header Authorization: Bearer {ECHOED} is malformed"},
    {"error": "invalid_client", "error_description": ECHOED},
    {"error": {"errorId": "PLE10001", "errorInfo": ECHOED}},
    {"error": {"message": ECHOED}},
    {"message": ECHOED},
    {"message": "long " * 39 + ECHOED},
    {"code": 500, "error": ECHOED},
    {"data": {"placeOrder": {"success": 0, "message": ECHOED}}},
    {"data": {"placeOrder": {"error": True, "errorInfo": f"got {ECHOED}"}}},
    {"data": {"placeOrder": {"message": ECHOED}}},
    {"errorId": ECHOED, "data": {"x": {"status": 1, "data": {"orderId": 1}}}, "error": ECHOED},
]


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("body", ECHOES, ids=str)
def test_no_error_shows_what_the_server_echoes(body: object, status: int) -> None:
    """A message holds neither an echoed secret nor the first half of one that was cut off."""
    error = recognise(msgspec.json.encode(body), status, secrets=[Secret(ECHOED)])
    shown = f"{error} {error!r} {vars(error)}".lower()
    assert ECHOED[:8].lower() not in shown
    assert error.error_id in {"", "PLE10001", "PLE99999", "PLE99999 ***", "***"}


def test_masking_changes_no_decision() -> None:
    """A secret that equals one of the vendor's words is masked in the text, and the error stays the same."""
    secrets = [Secret("invalid_token"), Secret("PLE10018"), Secret("auth.request_limit_exceeded"), Secret("errorInfo")]
    for body in (
        {"error": "invalid_token", "error_description": "x"},
        {"code": 400, "errorId": "PLE10018", "errorInfo": "x"},
        {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 60}]},
    ):
        raw = msgspec.json.encode(body)
        plain, masked = recognise(raw, 400), recognise(raw, 400, secrets=secrets)
        assert (type(plain), plain.effect, plain.retryable) == (type(masked), masked.effect, masked.retryable)


TOLD = [
    {"errorId": "PLE10001"},
    {"errorId": "PLE10018", "error": "invalid denomination"},
    {"errorId": "PIPE10015"},
    {"error": "invalid_token", "error_description": "x"},
    {"success": 0, "error_message_id": "auth.token_error"},
    {"error": "invalid_client"},
    {"message": "rate_limit_exceeded"},
    {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 1}]},
    {},
]
NAMED = [
    {"orderId": 5},
    {"order_id": "0005"},
    {"data": {"orderId": 5}},
    {"data": {"placeOrder": {"data": {"orderId": 5}}}},
    {"data": {"placeOrder": {"status": 0, "data": {"orderId": "5"}}}},
    {"data": {"placeOrder": [{"vouchers": [{"orderId": 5}]}]}},
    {"errorInfo": "there is an order, Order ID: 5"},
    {"errorInfo": '{"orderId":5}'},
]


@pytest.mark.parametrize("named", NAMED, ids=str)
@pytest.mark.parametrize("told", TOLD, ids=str)
@pytest.mark.parametrize("status", [200, 401, 429])
def test_a_refusal_that_names_an_order_is_doubt(told: dict[str, object], named: dict[str, object], status: int) -> None:
    """An order id anywhere in a refusal makes its effect `possible`."""
    error = _recognise({**told, **named}, status)
    assert (error.effect, error.retryable) == ("possible", False)
    assert _recognise({**told, **named}, status, READ).effect == "none"


@pytest.mark.parametrize(
    "named",
    [
        {"orderId": 0},
        {"orderId": None},
        {"orderId": ""},
        {"externalOrderId": "123"},
        {"errorInfo": "the order was refused"},
        {"errorInfo": "orderId is missing"},
    ],
    ids=str,
)
def test_a_refusal_without_an_order_id_is_one(named: dict[str, object]) -> None:
    """Zero and blank ids do not count, nor does the vendor's word for the poNumber."""
    assert _recognise({"errorId": "PLE10001", **named}, 400).effect == "none"


def test_an_order_id_outside_json_is_doubt() -> None:
    """A broken answer under a 429 may be the answer to an order."""
    for body in (b'{"data":{"placeOrder":{"data":{"orderId":5,"vou', b'{"errorId":"PLE10011","err'):
        assert _recognise(body, 429).effect == "possible"


def test_a_429_with_an_unknown_id_is_doubt() -> None:
    """The id comes from the application behind the limiter; for a read it is an ordinary rate limit."""
    body = {"code": 429, "errorId": "PLE10099", "error": "x"}
    error = _recognise(body, 429)
    assert isinstance(error, errors.RateLimitedError)
    assert (error.effect, error.retryable, error.error_id) == ("possible", False, "PLE10099")
    error = _recognise(body, 429, READ)
    assert (type(error), error.effect, error.retryable) == (errors.RateLimitedError, "none", True)


def test_rate_limit_words_outweigh_an_unknown_id() -> None:
    """The documented words prove that nothing was processed, unless the id means that an order may exist."""
    words = {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 60}]}
    error = _recognise({"errorId": "PIPE10099", **words}, 429)
    assert (type(error), error.effect, error.retryable) == (errors.RateLimitedError, "none", True)
    for error_id in ("PLE10011", "PLE10004", "PLE10024"):
        error = _recognise({"errorId": error_id, **words}, 429)
        assert (error.effect, error.retryable) == ("possible", False)


def test_a_message_shows_no_e_mail_address() -> None:
    """A server may name the receiver in its refusal; the message has its other words."""
    body = {"code": 422, "errorId": "PLE10001", "errorInfo": "receiver <ann.lee@shop.example> is blocked, ann@x too"}
    shown = str(recognise(msgspec.json.encode(body), 422))
    assert "receiver <***> is blocked, *** too" in shown
