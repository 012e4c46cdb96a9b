"""`auth.tokens`: the reading of token answers, and which refusals blame the credentials."""

import pickle
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.auth.endpoints import LIFETIME, NOW, Endpoint, Vendor, credentials, provider
from xoxo_async import MemoryTokenStore, RefreshToken, RetryPolicy, XoxoClient, errors
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.auth.tokens import read_pair, still_good
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


# Whether a token may be used.


@pytest.mark.parametrize(
    ("token", "good"),
    [
        (Token(Secret("a")), True),
        (Token(Secret("")), False),
        (Token(Secret("refused")), False),
        (Token(Secret("a"), NOW + LIFETIME), True),
        (Token(Secret("a"), NOW + 331, issued_at=NOW - LIFETIME), True),
        (Token(Secret("a"), NOW + 330, issued_at=NOW - LIFETIME), False),
        (Token(Secret("a"), NOW + 330), False),
        (Token(Secret("a"), NOW + 60, issued_at=NOW), True),
        (Token(Secret("a"), NOW + 15, issued_at=NOW - 45), False),
        (Token(Secret("a"), NOW - 1, issued_at=NOW), False),
    ],
)
def test_a_token_is_good_until_its_margin(token: Token, good: bool) -> None:
    """A token is good until 330 s or a quarter of its life before its expiry, and never after a refusal."""
    assert still_good(token, Token(Secret("refused")), NOW) is good


def test_a_token_shows_neither_of_its_values() -> None:
    """Repr, text and format mask both tokens, and a pickle is refused because it would hold them."""
    pair = Token(Secret("hunter-2"), 1.0, Secret("hunter-3"), 2.0)
    assert "hunter" not in repr(pair) + str(pair) + f"{pair}"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(pair)


# When a token expires.


@pytest.mark.parametrize(
    ("fields", "expires_at"),
    [
        ({"expires_in": 1296000}, NOW + 1296000),
        ({"expires_in": "1296000"}, NOW + 1296000),
        ({"expires_in": 1718000000}, 1718000000.0),
        ({"expires_in": "1718000000000"}, 1718000000.0),
        ({"expires_in": 5, "access_token_expiry": "1718000000000"}, 1718000000.0),
        ({"expires_in": 5, "access_token_expiry": 1718000000000}, 1718000000.0),
        ({"expires_in": 5, "access_token_expiry": ""}, NOW + 5),
        ({}, None),
        ({"expires_in": None}, None),
        ({"expires_in": -1}, None),
        ({"expires_in": [1]}, None),
        ({"expires_in": "soon"}, None),
    ],
)
async def test_lifetimes_are_read_in_every_documented_form(fields: dict[str, object], expires_at: float | None) -> None:
    """Seconds, numeric strings, epoch seconds and epoch milliseconds are read; `*_expiry` goes before `expires_in`."""
    token = await credentials().obtain(Endpoint({"access_token": "tok", **fields}), None)
    assert token.expires_at == expires_at


@pytest.mark.parametrize("ahead_s", [LIFETIME - 60, LIFETIME - 3600, LIFETIME * 0.6, LIFETIME + 5, LIFETIME * 3])
async def test_a_clock_far_ahead_believes_the_duration(ahead_s: float) -> None:
    """Where our clock is hours ahead, the duration counts and not the stated expiry."""
    reply = {
        "access_token": "a",
        "expires_in": int(LIFETIME),
        "access_token_expiry": str(int((NOW - ahead_s + LIFETIME) * 1000)),
    }
    token = await credentials().obtain(Endpoint(reply), None)
    assert token.expires_at == NOW + LIFETIME


async def test_a_later_stated_expiry_is_preferred() -> None:
    """Company tokens live 30 days where `expires_in` says 15, so the stated expiry counts."""
    reply = {"access_token": "a", "expires_in": int(LIFETIME), "access_token_expiry": int((NOW + 2 * LIFETIME) * 1000)}
    token = await credentials().obtain(Endpoint(reply), None)
    assert token.expires_at == NOW + 2 * LIFETIME


@pytest.mark.parametrize(("expires_in", "expires_at"), [("60", NOW + 60), (None, None), (int(NOW) - 5, None)])
async def test_a_token_expired_on_arrival_uses_its_duration(expires_in: object, expires_at: object) -> None:
    """Where our clock is weeks ahead, the duration counts, or every call would renew."""
    reply = {"access_token": "a", "access_token_expiry": str(int((NOW - 99) * 1000)), "expires_in": expires_in}
    token = await credentials().obtain(Endpoint(reply), None)
    assert token.expires_at == expires_at


# What an answer says about the credentials.


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ExchangeAnswer(401, b'{"error": "invalid_client"}'), errors.CredentialsRejectedError),
        (ExchangeAnswer(400, b'{"success": 0, "error_message_id": "x"}'), errors.CredentialsRejectedError),
        (ExchangeAnswer(200, b'{"message": "auth.request_limit_exceeded"}'), errors.RateLimitedError),
        (ExchangeAnswer(502, b"<html>"), errors.ServerError),
        (ExchangeAnswer(200, b"<html>"), errors.DecodeError),
        (ExchangeAnswer(200, b""), errors.DecodeError),
        (ExchangeAnswer(200, b'{"access_token": ""}'), errors.DecodeError),
        (ExchangeAnswer(200, b'{"access_token": "a\\r\\nX: y"}'), errors.DecodeError),
        (ExchangeAnswer(200, b'{"access_token": 5}'), errors.DecodeError),
    ],
)
async def test_refused_and_broken_token_answers_are_typed(answer: ExchangeAnswer, kind: type[errors.XoxoError]) -> None:
    """Every answer of the endpoint ends as one of the SDK's errors, and shows no secret."""
    with pytest.raises(kind) as caught:
        await credentials().obtain(Endpoint(answer), None)
    assert type(caught.value) is kind
    assert "s&cret" not in str(caught.value)
    assert "s%26cret" not in str(caught.value)


RUBBISH = [
    (403, b"<html>just a moment</html>"),
    (404, b"<html>nginx</html>"),
    (404, b'{"code":404,"error":"Not found"}'),
    (301, b"<html>"),
    (302, b""),
    (307, b""),
    (400, b""),
    (401, b"<html>"),
    (401, b'{"error":"Unauthorized"}'),
    (408, b""),
    (413, b""),
    (418, b"{}"),
    (400, b'{"error": []}'),
    (400, b'{"error":"invalid_request","error_description":"missing parameter"}'),
    (422, b'{"code":422,"errorId":"PLE10004","error":"x"}'),
    (400, b'{"code":400,"errorId":"PLE10001","error":"payload"}'),
    (200, b'{"code":500,"error":"Internal server error"}'),
    (200, b'{"code":404,"error":"x"}'),
    (200, b'{"success":0}'),
    (200, b"<html>"),
    (204, b""),
    (503, b"<html>"),
    (500, b'{"code":500,"error":"x"}'),
]


@pytest.mark.parametrize(("status", "body"), RUBBISH)
async def test_rubbish_is_no_dead_refresh_token(status: int, body: bytes) -> None:
    """Only the vendor's token words call for a person; anything else is retryable."""
    vendor = Vendor("first", answers=(ExchangeAnswer(status, body),))
    one = provider()
    with pytest.raises(errors.XoxoError) as caught:
        await one.obtain(vendor, None)
    assert not isinstance(caught.value, errors.RefreshTokenDeadError | errors.CredentialsRejectedError)
    assert caught.value.effect == "none"
    assert (await one.obtain(vendor, None)).access == Secret("a1")


@pytest.mark.parametrize(
    ("status", "body"), [(403, b"<html>"), (302, b""), (404, b'{"code":404,"error":"x"}'), (400, b"")]
)
async def test_rubbish_is_no_refusal_of_client_credentials(status: int, body: bytes) -> None:
    """An edge server's page says nothing about the client id."""
    with pytest.raises(errors.AuthError) as caught:
        await credentials().obtain(Endpoint(ExchangeAnswer(status, body)), None)
    assert type(caught.value) is errors.AuthError
    assert caught.value.retryable


@pytest.mark.parametrize("word", ["invalid_client", "invalid_grant", "invalid_request", "weird"])
@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_an_echoed_request_shows_no_secret(status: int, word: str) -> None:
    """An answer may repeat the client secret and the refresh token, as a form or as JSON."""

    async def echo(_path: str, body: bytes, _kind: str, /) -> ExchangeAnswer:
        fields = {"error": word, "error_description": f"got {body.decode()}", "message": body.decode()}
        return ExchangeAnswer(status, msgspec.json.encode(fields))

    for one in (credentials(), RefreshToken("me", 's&cr"et', "fir/st", store=MemoryTokenStore())):
        with pytest.raises(errors.XoxoError) as caught:
            await one.obtain(echo, None)
        shown = f"{caught.value} {caught.value!r} {vars(caught.value)} {echo}"
        for secret in ("s&cret", "s%26cret", 's&cr"et', 's&cr\\"et', "fir/st", "fir\\/st"):
            assert secret not in shown


def test_the_repr_of_an_answer_hides_its_body() -> None:
    """An error report that prints a frame's variables shows no token."""
    assert repr(ExchangeAnswer(200, b"tokens")) == "ExchangeAnswer(status=200, body=<6 bytes>)"


async def test_a_client_recovers_from_an_edge_servers_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge server's page in place of one answer costs one retry."""
    async with Sandbox() as sandbox:
        real, asked = sandbox.tokens.issue, []

        def issue(*args: Any) -> Any:
            asked.append(1)
            return (403, {"error": "just a moment"}) if len(asked) == 1 else real(*args)

        monkeypatch.setattr(sandbox.tokens, "issue", issue)
        credentials = RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=MemoryTokenStore())
        retry = RetryPolicy(attempts=1)
        async with XoxoClient(credentials, base_url=sandbox.base_url, retry=retry) as xoxo:
            with anyio.fail_after(30):
                while True:
                    try:
                        await xoxo.account.get_balance()
                    except errors.AuthError as error:
                        assert error.retryable  # noqa: PT017 - the loop is the point
                        await anyio.sleep(0.3)
                    else:
                        break
        assert len(asked) == 2


@pytest.mark.parametrize("body", [b'{"error":"invalid_client"}', b'{"error":"unsupported_grant_type"}'])
@pytest.mark.parametrize("status", [200, 400, 401])
async def test_a_refused_client_is_rejected_credentials(status: int, body: bytes) -> None:
    """Whatever the status, the id, the secret or the grant is wrong, and a new refresh token does not help."""
    with pytest.raises(errors.CredentialsRejectedError):
        await provider().obtain(Vendor("first", answers=(ExchangeAnswer(status, body),)), None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "invalid_client"}',
        b'{"code": 401, "errorId": "PIPE10015", "error": "x"}',
        b'{"code": 401, "errorId": "PIPE10016", "error": "x"}',
        b'{"code": 401, "errorId": "PIPE10017", "error": "x"}',
    ],
)
async def test_a_refused_client_is_no_dead_token(body: bytes) -> None:
    """A wrong secret, a disabled account or a refused IP address does not call for a new pair."""
    with pytest.raises(errors.CredentialsRejectedError):
        await provider().obtain(Endpoint(ExchangeAnswer(401, body)), None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "invalid_token"}',
        b'{"error": "Invalid_Grant", "error_description": "x"}',
        b'{"success": 0, "error_message_id": "auth.token_error"}',
        b'{"error": "invalid_request", "error_description": "The refresh token is invalid."}',
        b'{"error": "bad", "message": "Expired refresh_token"}',
    ],
)
async def test_words_for_a_dead_refresh_token(body: bytes) -> None:
    """The vendor's words, and sentences that name the refresh token, raise `RefreshTokenDeadError`."""
    with pytest.raises(errors.RefreshTokenDeadError, match="dashboard"):
        await provider().obtain(Endpoint(ExchangeAnswer(401, body)), None)


@pytest.mark.parametrize("body", [b'{"message": "auth.request_limit_exceeded"}', b'{"code": 429, "error": "x"}'])
async def test_a_throttle_without_a_time_lasts_a_minute(body: bytes) -> None:
    """The vendor's throttle answer names no time, and the vendor invalidates the tokens of those who ask on."""
    with pytest.raises(errors.RateLimitedError) as caught:
        await provider().obtain(Endpoint(ExchangeAnswer(429, body)), None)
    assert caught.value.retry_after_s == 60


@pytest.mark.parametrize(
    ("sent", "kept"), [(12345, "12345"), ("r", "r"), ("", "first"), (None, "first"), ([], "first")]
)
async def test_an_odd_refresh_token_is_kept(sent: object, kept: str) -> None:
    """A number is taken as its text, and without a new token the old one stays."""
    token = await provider().obtain(Endpoint({"access_token": "a", "refresh_token": sent}), None)
    assert token.refresh == Secret(kept)


async def test_a_throttle_with_a_time_lasts_as_long() -> None:
    """A time that the endpoint names replaces the minute."""
    with pytest.raises(errors.RateLimitedError) as caught:
        await provider().obtain(Endpoint(ExchangeAnswer(429, b'{"code": 429, "error": "x"}', 7.0)), None)
    assert caught.value.retry_after_s == 7


# A pair that a person enters.


@pytest.mark.parametrize(
    ("fields", "expires_at"),
    [
        ({"access_token": "a", "expires_in": "1296000"}, NOW + 1_296_000),
        ({"access_token": "a", "access_token_expiry": "1718000000000", "expires_in": 5}, 1_718_000_000.0),
        ({"access_token": "a", "expires_at": 1_600_000_000.0}, 1_600_000_000.0),
        ({"access_token": "a"}, None),
        ({"expires_in": 5}, None),
        ({"access_token": "", "expires_in": 5}, None),
    ],
)
def test_a_pair_is_taken_in_the_vendors_form(fields: dict[str, object], expires_at: float | None) -> None:
    """`read_pair` reads a token reply or its fields; a past expiry is believed, because the pair is not new."""
    pair = read_pair({"refresh_token": "r", **fields}, NOW)
    assert (pair.refresh, pair.expires_at, pair.access) == (
        Secret("r"),
        expires_at,
        Secret(str(fields.get("access_token", ""))),
    )


@pytest.mark.parametrize(
    "fields",
    [{}, {"refresh_token": ""}, {"refresh_token": "r\nX"}, {"refresh_token": "r", "access_token": "a b"},
     {"refresh_token": "r", "access_token": 5}, {"access_token": "a"}],
)  # fmt: skip
def test_what_is_no_pair_is_a_config_error(fields: dict[str, Any]) -> None:
    """The error names a missing or impossible token, and does not repeat it."""
    with pytest.raises(errors.ConfigError, match="token") as caught:
        read_pair(fields, NOW)
    assert "a b" not in str(caught.value)
