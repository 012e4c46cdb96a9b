"""`auth.stored`: the pair of a shared store where it holds one, and client credentials where it holds none."""

import pytest

from tests.unit.auth.endpoints import CLIENT, LIFETIME, Clock, Endpoint, Vendor
from xoxo_async import PostgresTokenStore, RefreshToken, errors
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.auth.naming import client_digest, pair_account
from xoxo_async.auth.stored import StoredCredentials
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


def stored_on(database: str) -> StoredCredentials:
    return StoredCredentials(CLIENT, "the-secret", store=PostgresTokenStore(database, key=""), clock=Clock())


async def imported(database: str) -> None:
    account = pair_account("", client_digest("user", CLIENT))
    await PostgresTokenStore(database, key="").of_account(account).save(Token(Secret(""), refresh=Secret("first")))


async def test_without_a_pair_credentials_are_granted(database: str) -> None:
    """Two processes share the granted token."""
    endpoint = Endpoint({"access_token": "granted", "expires_in": LIFETIME})
    for _ in range(2):
        assert (await stored_on(database).obtain(endpoint, None)).access == Secret("granted")
    assert [path for path, _body, _kind in endpoint.asked] == ["/v1/oauth/token"]


async def test_an_imported_pair_is_used_from_then_on(database: str) -> None:
    """A process that runs finds the pair when it needs the next token; so does `RefreshToken` of the same client."""
    vendor, running = Vendor("first"), stored_on(database)
    granted = await running.obtain(Endpoint({"access_token": "granted", "expires_in": LIFETIME}), None)
    await imported(database)
    assert (await running.obtain(vendor, granted)).access == Secret("a1")
    store = PostgresTokenStore(database, key="")
    same = RefreshToken(CLIENT, "the-secret", "first", store=store, clock=Clock())
    assert (await same.obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["first"]


async def test_a_refused_grant_names_the_store(database: str) -> None:
    """An account without the grant needs a pair, and the error says where it was looked for."""
    refusal = Endpoint(ExchangeAnswer(400, b'{"error": "unsupported_grant_type"}'))
    with pytest.raises(errors.CredentialsRejectedError, match=r"PostgresTokenStore\(.*holds no pair.*token import"):
        await stored_on(database).obtain(refusal, None)


async def test_the_account_is_the_clients(database: str) -> None:
    """It shares its allowance with the other providers of the client, and shows no secret."""
    store = PostgresTokenStore(database, key="")
    provider = stored_on(database)
    assert provider.account == RefreshToken(CLIENT, "the-secret", "first", store=store).account
    assert provider.rotates
    assert "the-secret" not in repr(provider)
    assert repr(provider).startswith("StoredCredentials(client_id='clie…'")
    assert Secret("the-secret") in provider.secrets
