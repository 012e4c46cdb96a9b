"""`auth.providers`: the requests for a token, the checks of credentials, and reprs without secrets."""

import copy
import pickle
from pathlib import Path

import msgspec
import pytest

from tests.unit.auth.endpoints import LIFETIME, NOW, Clock, Endpoint, Vendor, credentials, provider
from xoxo_async import ClientCredentials, FileTokenStore, MemoryTokenStore, RefreshToken, StaticToken, errors
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


async def test_client_credentials_are_posted_as_a_form() -> None:
    """The OpenAPI file's grant: an escaped form body to `/v1/oauth/token`."""
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


async def test_a_refresh_posts_json_to_its_family() -> None:
    """The vendor documents JSON to `/token/user`, and to `/token/company` for points and storefront."""
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


async def test_a_static_token_cannot_be_renewed() -> None:
    """A static token is used until it is refused, and raises `TokenRejectedError` after that."""
    provider = StaticToken("tok")
    token = await provider.obtain(Endpoint({}), None)
    with pytest.raises(errors.TokenRejectedError, match="static"):
        await provider.obtain(Endpoint({}), token)


async def test_rotation_goes_on_from_the_stored_pair(tmp_path: Path) -> None:
    """After a restart the stored refresh token is used, because the first one is dead by then."""
    server = Vendor("first")
    for number in (1, 2, 3):
        store = FileTokenStore(tmp_path / "pair.json")
        rejected = await store.load()
        token = await provider("first", store).obtain(server, rejected)
        assert token.access.reveal() == f"a{number}"


async def test_a_good_stored_token_needs_no_refresh(tmp_path: Path) -> None:
    """A restart causes no renewal."""
    server = Vendor("first")
    await provider("first", FileTokenStore(tmp_path / "pair.json")).obtain(server, None)
    await provider("first", FileTokenStore(tmp_path / "pair.json")).obtain(server, None)
    assert server.renewals == 1


async def test_a_pair_that_is_due_is_renewed(store: FileTokenStore) -> None:
    """A session that asks five minutes before the expiry gets a new token, not the same one again."""
    vendor, clock = Vendor("first"), Clock()
    await provider("first", store, clock=clock).obtain(vendor, None)
    clock.now += LIFETIME - 400
    assert (await provider("first", store, clock=clock).obtain(vendor, None)).access.reveal() == "a1"
    clock.now += 100
    assert (await provider("first", store, clock=clock).obtain(vendor, None)).access.reveal() == "a2"


async def test_a_clock_set_back_only_costs_a_refusal(store: FileTokenStore) -> None:
    """A wrong clock makes an expired token look good; after the vendor's refusal it is renewed."""
    vendor, clock = Vendor("first"), Clock()
    dead = await provider("first", store, clock=clock).obtain(vendor, None)
    clock.now -= 10 * LIFETIME
    assert await provider("first", store, clock=clock).obtain(vendor, None) == dead
    assert (await provider("first", store, clock=clock).obtain(vendor, dead)).access.reveal() == "a2"


async def test_a_pair_without_an_access_token_is_renewed(tmp_path: Path) -> None:
    """An imported refresh token alone is a pair, and its first use renews it."""
    store, vendor = FileTokenStore(tmp_path / "pair.json"), Vendor("imported")
    await store.save(Token(Secret(""), None, Secret("imported")))
    assert (await provider("first", store).obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["imported"]


# Checks of the arguments.


@pytest.mark.parametrize("value", ["", " ", "a b", "a\nb", "a\r\nX: y", "tök"])
def test_impossible_tokens_are_refused_when_given(value: str) -> None:
    """A value that would break or inject a header raises `ConfigError`, which does not repeat it."""
    with pytest.raises(errors.ConfigError) as caught:
        StaticToken(value)
    assert value.strip() not in str(caught.value) or not value.strip()


def test_missing_credentials_are_named() -> None:
    """The error names each missing value."""
    for make, name in [
        (lambda: ClientCredentials("", "x"), "client_id"),
        (lambda: ClientCredentials("x", " "), "client_secret"),
        (lambda: RefreshToken("x", "x", ""), "refresh_token"),
    ]:
        with pytest.raises(errors.ConfigError, match=name):
            make()


async def test_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    """Without a stored or configured refresh token the error names the command that stores one."""
    with pytest.raises(errors.ConfigError, match="xoxo token import"):
        await RefreshToken("me", "s", store=FileTokenStore(tmp_path / "pair.json")).obtain(Vendor(), None)
    with pytest.raises(errors.ConfigError, match="refresh_token"):
        RefreshToken("me", "s")
    with pytest.raises(errors.ConfigError, match="refresh_token"):
        RefreshToken("me", "s", "", store=MemoryTokenStore())


# Reprs, pickles and copies.


def test_nothing_shows_a_secret() -> None:
    """The reprs of providers and stores mask every secret."""
    shown = [
        repr(StaticToken("static-value")),
        repr(ClientCredentials("client-0001-abcd", "the-secret")),
        repr(RefreshToken("client-0001-abcd", "the-secret", "first-value", store=FileTokenStore("/x/pair.json"))),
        repr(provider("first-value")),
    ]
    assert shown[0] == "StaticToken(***)"
    assert shown[1] == "ClientCredentials(client_id='clie…', client_secret=***)"
    assert "family='user', store=FileTokenStore('/x/pair.json')" in shown[2]
    for text in shown:
        assert not any(secret in text for secret in ("static-value", "the-secret", "first-value"))
        assert "0x" not in text
    assert repr(ClientCredentials("short", "x")) == "ClientCredentials(client_id='***', client_secret=***)"


@pytest.mark.parametrize("make", [lambda: StaticToken("t"), lambda: ClientCredentials("i", "s"), lambda: provider("r")])
def test_providers_are_never_pickled(make: object) -> None:
    """A pickle would hold the credentials in plain text, so it is refused without showing them."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(make(), protocol)  # type: ignore[operator]


async def test_a_copied_provider_is_the_same_credential() -> None:
    """A deep copy of a provider shares the pair of its original."""
    vendor, one = Vendor("first"), provider()
    await one.obtain(vendor, None)
    for copied in (copy.copy(one), copy.deepcopy(one)):
        assert (await copied.obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.renewals == 1


async def test_a_refusal_names_the_place_without_a_pair() -> None:
    """An account without this grant needs the imported pair, which a container may have lost with its file."""
    refused = Endpoint(ExchangeAnswer(400, b'{"error": "unsupported_grant_type"}'))
    with pytest.raises(
        errors.CredentialsRejectedError, match=r"because /state/pair\.json holds no pair.*import.*volume"
    ):
        await ClientCredentials("me", "s", no_pair_in="/state/pair.json").obtain(refused, None)
    with pytest.raises(errors.CredentialsRejectedError) as caught:
        await ClientCredentials("me", "s").obtain(refused, None)
    assert "pair" not in str(caught.value)
