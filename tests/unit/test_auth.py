"""`auth`: where tokens come from, and where pairs rest."""

import os
import stat
from pathlib import Path

import anyio
import msgspec
import pytest

from xoxo_async import ClientCredentials, FileTokenStore, MemoryTokenStore, RefreshToken, StaticToken, errors
from xoxo_async.auth import ExchangeAnswer, Token, TokenStore
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0


class Endpoint:
    """A token endpoint that answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes, str]] = []

    async def __call__(self, path: str, body: bytes, content_type: str, /) -> ExchangeAnswer:
        self.asked.append((path, body, content_type))
        await anyio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ExchangeAnswer):
            return answer
        return ExchangeAnswer(200, answer if isinstance(answer, bytes) else msgspec.json.encode(answer))


class Rotating:
    """A strict token endpoint: every refresh token works once, and each renewal gives the next pair."""

    def __init__(self, first: str) -> None:
        self.valid = first
        self.renewals = 0

    async def __call__(self, _path: str, body: bytes, _content_type: str, /) -> ExchangeAnswer:
        sent = msgspec.json.decode(body)["refresh_token"]
        await anyio.sleep(0)
        if sent != self.valid:
            return ExchangeAnswer(400, b'{"error": "invalid_grant"}')
        self.renewals += 1
        self.valid = f"refresh-{self.renewals}"
        pair = {"access_token": f"access-{self.renewals}", "refresh_token": self.valid, "expires_in": 1296000}
        return ExchangeAnswer(200, msgspec.json.encode(pair))


def credentials() -> ClientCredentials:
    return ClientCredentials("me", "s&cret", clock=lambda: NOW)


def refreshing(store: TokenStore | None = None, first: str = "first") -> RefreshToken:
    return RefreshToken("me", "secret", first, store=store, clock=lambda: NOW)


async def test_client_credentials_are_posted_as_a_form() -> None:
    """The OpenAPI file's grant: form body, escaped, to /v1/oauth/token."""
    endpoint = Endpoint({"access_token": "tok", "token_type": "bearer", "expires_in": 60})
    token = await credentials().obtain(endpoint, None)
    assert endpoint.asked == [
        (
            "/v1/oauth/token",
            b"grant_type=client_credentials&client_id=me&client_secret=s%26cret",
            "application/x-www-form-urlencoded",
        )
    ]
    assert (token.access.reveal(), token.expires_at) == ("tok", NOW + 60)


async def test_a_refresh_is_posted_as_json_to_its_family() -> None:
    """The vendor's way: JSON to /token/user, and /token/company for points and storefront."""
    endpoint = Endpoint({"access_token": "tok", "refresh_token": "next"})
    await RefreshToken("me", "secret", "first", family="company").obtain(endpoint, None)
    path, body, content_type = endpoint.asked[0]
    assert (path, content_type) == ("/v1/oauth/token/company", "application/json")
    assert msgspec.json.decode(body) == {
        "grant_type": "refresh_token",
        "refresh_token": "first",
        "client_id": "me",
        "client_secret": "secret",
    }


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
    """Seconds, numeric strings, epoch seconds, epoch milliseconds; `*_expiry` before `expires_in`."""
    token = await credentials().obtain(Endpoint({"access_token": "tok", **fields}), None)
    assert token.expires_at == expires_at


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
    """Whatever the endpoint says ends as one of our errors, and shows no secret."""
    with pytest.raises(kind) as caught:
        await credentials().obtain(Endpoint(answer), None)
    assert type(caught.value) is kind
    assert "s&cret" not in str(caught.value)
    assert "s%26cret" not in str(caught.value)


async def test_a_dead_refresh_token_calls_for_a_person() -> None:
    """The error says where a new pair is made."""
    with pytest.raises(errors.RefreshTokenDeadError, match="dashboard"):
        await refreshing().obtain(Endpoint(ExchangeAnswer(401, b'{"error": "invalid_token"}')), None)


async def test_rotation_goes_on_from_the_stored_pair(tmp_path: Path) -> None:
    """After a restart the stored refresh token is used, not the first one, which is dead by then."""
    server = Rotating("first")
    for number in (1, 2, 3):
        store = FileTokenStore(tmp_path / "pair.json")
        rejected = await store.load()
        token = await refreshing(store).obtain(server, rejected)
        assert token.access.reveal() == f"access-{number}"


async def test_a_live_stored_token_is_used_without_a_refresh(tmp_path: Path) -> None:
    """A restart costs no renewal."""
    server = Rotating("first")
    await refreshing(FileTokenStore(tmp_path / "pair.json")).obtain(server, None)
    await refreshing(FileTokenStore(tmp_path / "pair.json")).obtain(server, None)
    assert server.renewals == 1


@pytest.mark.parametrize("shared", ["file", "memory"])
async def test_clients_that_share_a_store_renew_once(tmp_path: Path, shared: str) -> None:
    """Fifty providers on one pair cause one renewal, and none of them loses it."""
    server = Rotating("first")
    memory = MemoryTokenStore()
    stores = [FileTokenStore(tmp_path / "pair.json") if shared == "file" else memory for _ in range(50)]
    tokens: list[Token] = []

    async def obtain(store: TokenStore) -> None:
        tokens.append(await refreshing(store).obtain(server, None))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for store in stores:
                group.start_soon(obtain, store)
    assert {token.access.reveal() for token in tokens} == {"access-1"}
    assert server.renewals == 1


async def test_a_pair_that_cannot_be_stored_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storing comes first; when it fails, that is the error."""

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    store = FileTokenStore(tmp_path / "pair.json")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(errors.AuthError, match="No space left"):
        await refreshing(store).obtain(Rotating("first"), None)
    assert os.listdir(tmp_path) == ["pair.json.lock"]


async def test_a_stored_pair_is_private_and_whole(tmp_path: Path) -> None:
    """The file is 0600 whatever the umask, and is read back as it was written."""
    store = FileTokenStore(tmp_path / "pair.json")
    token = Token(Secret("a"), 5.0, Secret("r"), 9.0)
    before = os.umask(0)
    try:
        await store.save(token)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "pair.json").stat().st_mode) == 0o600
    assert await store.load() == token


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"access_token": 1}'])
async def test_a_foreign_token_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no pair is a ConfigError that names it, never silently overwritten."""
    path = tmp_path / "pair.json"
    path.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=r"pair\.json"):
        await refreshing(FileTokenStore(path)).obtain(Rotating("first"), None)
    assert path.read_bytes() == content


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A store in a folder that is not there is a ConfigError."""
    with pytest.raises(errors.ConfigError, match="nowhere"):
        await refreshing(FileTokenStore(tmp_path / "nowhere" / "pair.json")).obtain(Rotating("first"), None)


async def test_a_static_token_cannot_be_renewed() -> None:
    """It is used until refused, and then says so."""
    provider = StaticToken("tok")
    token = await provider.obtain(Endpoint(b""), None)
    with pytest.raises(errors.TokenRejectedError, match="static"):
        await provider.obtain(Endpoint(b""), token)


@pytest.mark.parametrize("value", ["", " ", "a b", "a\r\nX: y", "tök"])
def test_impossible_tokens_are_refused_when_given(value: str) -> None:
    """A value that would break or inject a header is a ConfigError, which does not repeat it."""
    with pytest.raises(errors.ConfigError) as caught:
        StaticToken(value)
    assert value.strip() not in str(caught.value) or not value.strip()


def test_missing_credentials_are_named() -> None:
    """Each missing value is named."""
    for make, name in [
        (lambda: ClientCredentials("", "x"), "client_id"),
        (lambda: ClientCredentials("x", " "), "client_secret"),
        (lambda: RefreshToken("x", "x", ""), "refresh_token"),
    ]:
        with pytest.raises(errors.ConfigError, match=name):
            make()
