"""`tokens`: tokens are issued by grant and path, expire on time, and each refresh token works once."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, STATIC_TOKEN
from xoxo_async.sandbox.state import State
from xoxo_async.sandbox.tokens import Tokens

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
BY_CLIENT = {**CLIENT, "grant_type": "client_credentials"}
FORM = "application/x-www-form-urlencoded"
FAMILIES = ["/v1/oauth/token/user", "/v1/oauth/token/company"]


class Office:
    """A token endpoint with a clock that the test sets."""

    def __init__(self, ttl_s: float = 100.0) -> None:
        self.now = 1_700_000_000.0
        self.state = State(seed=1, balance=Decimal(0), path=None, clock=lambda: self.now)
        self.tokens = Tokens(self.state, ttl_s)

    def ask(self, path: str, fields: object, kind: str = "application/json") -> tuple[int, Any]:
        body = urlencode(fields).encode() if kind == FORM else msgspec.json.encode(fields)  # type: ignore[arg-type]
        return self.tokens.issue(path, body, kind)

    def refresh(self, token: str, path: str = FAMILIES[0]) -> tuple[int, Any]:
        return self.ask(path, {**CLIENT, "grant_type": "refresh_token", "refresh_token": token})

    def accepts(self, access: str) -> bool:
        return self.tokens.check(f"Bearer {access}") is None


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.mark.parametrize("kind", ["application/json", FORM])
def test_client_credentials_get_no_refresh_token(office: Office, kind: str) -> None:
    """The request works as JSON and as a form, and the reply has no refresh token."""
    status, fields = office.ask("/v1/oauth/token", BY_CLIENT, kind)
    assert (status, set(fields)) == (200, {"access_token", "token_type", "expires_in"})
    assert office.accepts(fields["access_token"])


@pytest.mark.parametrize("path", FAMILIES)
def test_a_refresh_token_works_once(office: Office, path: str) -> None:
    """A refresh token gets a new pair once, on either path; the new pair's token works next."""
    status, first = office.refresh(REFRESH_TOKEN, path)
    assert (status, office.accepts(first["access_token"])) == (200, True)
    status, refused = office.refresh(REFRESH_TOKEN, path)
    assert (status, refused["error"]) == (400, "invalid_grant")
    status, second = office.refresh(first["refresh_token"], path)
    assert status == 200
    assert second["access_token"] != first["access_token"]


def test_a_new_pair_keeps_the_old_token(office: Office) -> None:
    """The old access token stays valid, so a request in flight still arrives."""
    _, first = office.refresh(REFRESH_TOKEN)
    office.refresh(first["refresh_token"])
    assert office.accepts(first["access_token"])


@pytest.mark.parametrize(
    "wrong", [{"client_id": "other"}, {"client_secret": "other"}, {"client_id": ""}, {"client_secret": ""}]
)
def test_an_invalid_client_spends_nothing(office: Office, wrong: dict[str, str]) -> None:
    """The answer is 401 invalid_client, and the refresh token in the request stays valid."""
    assert office.ask("/v1/oauth/token", {**BY_CLIENT, **wrong})[1]["error"] == "invalid_client"
    given = {**CLIENT, "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, **wrong}
    status, fields = office.ask(FAMILIES[0], given)
    assert (status, fields["error"]) == (401, "invalid_client")
    assert office.refresh(REFRESH_TOKEN)[0] == 200


def test_each_grant_has_its_address(office: Office) -> None:
    """A grant at the path of another one is refused, and spends nothing."""
    at_the_wrong_door = [
        office.ask(FAMILIES[0], BY_CLIENT),
        office.refresh(REFRESH_TOKEN, "/v1/oauth/token"),
        office.ask("/v1/oauth/token", {**CLIENT, "grant_type": "password"}),
        office.ask("/v1/oauth/token", CLIENT),
    ]
    assert [(status, fields["error"]) for status, fields in at_the_wrong_door] == [(400, "unsupported_grant_type")] * 4
    assert office.refresh(REFRESH_TOKEN)[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"client_id": 5}', b"\xff"])
def test_an_unreadable_body_is_an_invalid_request(office: Office, body: bytes) -> None:
    """The answer is 400, and the server does not fail."""
    status, fields = office.tokens.issue("/v1/oauth/token", body, "application/json")
    assert (status, fields["error"]) == (400, "invalid_request")
    assert office.tokens.issue("/v1/oauth/token", b"\xff", FORM)[0] == 400


def test_a_token_expires_at_its_stated_end(office: Office) -> None:
    """The stated lifetime, the stated end and the server's own count agree."""
    _, pair = office.refresh(REFRESH_TOKEN)
    access = pair["access_token"]
    assert pair["expires_in"] == office.tokens.seconds_left(access) == 100
    assert pair["access_token_expiry"] == str(1_700_000_100_000)
    office.now += 99.9
    assert office.accepts(access)
    office.now += 0.1
    assert not office.accepts(access)


def test_a_lifetime_below_a_second_is_a_fraction() -> None:
    """A test with short tokens is not told that they are valid for 0 seconds."""
    assert Office(ttl_s=0.5).tokens.new_pair()["expires_in"] == 0.5


def test_the_static_token_never_expires(office: Office) -> None:
    """The static token stays valid when all others are revoked."""
    _, pair = office.refresh(REFRESH_TOKEN)
    office.tokens.revoke_all()
    office.now += 10**9
    assert office.accepts(STATIC_TOKEN)
    assert not office.accepts(pair["access_token"])


def test_revoking_keeps_refresh_tokens_valid(office: Office) -> None:
    """A client recovers from a revocation with an ordinary refresh."""
    _, pair = office.refresh(REFRESH_TOKEN)
    office.tokens.revoke_all()
    status, renewed = office.refresh(pair["refresh_token"])
    assert (status, office.accepts(renewed["access_token"])) == (200, True)


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        (None, 400, "invalid_request"),
        ("", 400, "invalid_request"),
        ("Bearer ", 400, "invalid_request"),
        (f"Basic {STATIC_TOKEN}", 400, "invalid_request"),
        ("Bearer unheard-of", 401, "invalid_token"),
    ],
)
def test_a_missing_token_is_a_different_error(office: Office, header: str | None, status: int, error: str) -> None:
    """A missing header is a mistake of the client (400), and a dead token needs a renewal (401)."""
    refusal = office.tokens.check(header)
    assert refusal is not None
    assert (refusal[0], refusal[1]["error"]) == (status, error)


def test_a_broken_endpoint_spends_nothing(office: Office) -> None:
    """With `tokens.broken` every request is answered 502, and no refresh token is spent."""
    office.tokens.broken = True
    assert office.refresh(REFRESH_TOKEN)[0] == 502
    office.tokens.broken = False
    assert office.refresh(REFRESH_TOKEN)[0] == 200
