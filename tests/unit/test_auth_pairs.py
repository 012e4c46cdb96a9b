"""`auth`: whose pair a store holds, lost answers, early renewal, sharing, kills in the middle, and what is shown."""

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import anyio
import msgspec
import pytest

from xoxo_async import ClientCredentials, FileTokenStore, MemoryTokenStore, RefreshToken, StaticToken, errors
from xoxo_async.auth import ExchangeAnswer, Token, TokenStore
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
LIFETIME = 1_296_000.0


class Vendor:
    """A strict token endpoint: a refresh token works once. It can lose the answer to a renewal, or be unreachable."""

    def __init__(self, *valid: str, lifetime: float = LIFETIME) -> None:
        self.valid = set(valid)
        self.lifetime = lifetime
        self.sent: list[str] = []
        self.renewals = 0
        self.lose: errors.XoxoError | None = None
        self.grace: set[str] = set()

    async def __call__(self, _path: str, body: bytes, _content_type: str, /) -> ExchangeAnswer:
        refresh = msgspec.json.decode(body)["refresh_token"]
        self.sent.append(refresh)
        await anyio.sleep(0)
        if isinstance(self.lose, errors.ConnectError):
            raise self.lose
        if refresh not in self.valid | self.grace:
            return ExchangeAnswer(400, b'{"error": "invalid_grant"}')
        self.valid.discard(refresh)
        self.renewals += 1
        self.valid.add(f"r{self.renewals}")
        if self.lose is not None:
            raise self.lose
        pair = {
            "access_token": f"a{self.renewals}",
            "refresh_token": f"r{self.renewals}",
            "expires_in": self.lifetime,
        }
        return ExchangeAnswer(200, msgspec.json.encode(pair))


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def provider(first: str, store: TokenStore | None = None, *, clock: Clock | None = None, **kwargs: str) -> RefreshToken:
    client_id = kwargs.get("client_id", "client-0001-abcd")
    return RefreshToken(client_id, "the-secret", first, store=store, clock=clock or Clock())


@pytest.fixture
def store(tmp_path: Path) -> FileTokenStore:
    return FileTokenStore(tmp_path / "pair.json")


@pytest.fixture
def unique() -> str:
    """A refresh token no other test has: providers without a store share their pair by it."""
    return uuid.uuid4().hex


# Whose pair a store holds.


async def test_a_new_token_in_the_configuration_wins(store: FileTokenStore) -> None:
    """A person made a new pair: the stored one, of another first token, is neither used nor renewed."""
    vendor = Vendor("first", "second")
    await provider("first", store).obtain(vendor, None)
    token = await provider("second", store).obtain(vendor, None)
    assert token.access.reveal() == "a2"
    assert vendor.sent == ["first", "second"]


async def test_an_older_configuration_goes_on_with_the_newer_pair(store: FileTokenStore) -> None:
    """In a rolling deploy the process with the old token takes the new pair, and never turns it back."""
    vendor, clock = Vendor("first", "second"), Clock()
    for first in ("first", "second"):
        await provider(first, store, clock=clock).obtain(vendor, None)
    clock.now += LIFETIME
    for first in ("first", "second", "first"):
        await provider(first, store, clock=clock).obtain(vendor, await store.load())
    assert vendor.sent == ["first", "second", "r2", "r3", "r4"]


async def test_a_file_without_an_origin_still_loads(tmp_path: Path, store: FileTokenStore) -> None:
    """A file of an earlier version goes on, and knows its origin from the next renewal on."""
    (tmp_path / "pair.json").write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"kept"}')
    vendor = Vendor("kept")
    assert (await provider("first", store).obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.sent == ["kept"]
    loaded = await store.load()
    assert loaded is not None
    assert loaded.client
    assert len(loaded.origins) == 1


async def test_a_dead_stored_pair_is_followed_by_one_look_at_the_configured_token(
    tmp_path: Path, store: FileTokenStore
) -> None:
    """Where the pair does not say where it comes from, the configured token may be the newer one."""
    (tmp_path / "pair.json").write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"dead"}')
    vendor = Vendor("first")
    assert (await provider("first", store).obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.sent == ["dead", "first"]


@pytest.mark.parametrize("other", ["client id", "family"])
async def test_another_clients_pair_is_not_written_over(store: FileTokenStore, other: str) -> None:
    """One file for two clients would lose one pair for certain: a ConfigError names the file."""
    vendor = Vendor("first", "second")
    await provider("first", store).obtain(vendor, None)
    before = await store.load()
    if other == "family":
        second = RefreshToken("client-0001-abcd", "the-secret", "second", store=store, family="company")
    else:
        second = provider("second", store, client_id="client-0002-abcd")
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*another client"):
        await second.obtain(vendor, None)
    assert await store.load() == before
    assert vendor.sent == ["first"]


# Early renewal.


async def test_a_pair_that_is_due_is_renewed_though_it_lives(store: FileTokenStore) -> None:
    """Five minutes before its end a session asks: it gets a new token, not the same one again."""
    vendor, clock = Vendor("first"), Clock()
    await provider("first", store, clock=clock).obtain(vendor, None)
    clock.now += LIFETIME - 400
    assert (await provider("first", store, clock=clock).obtain(vendor, None)).access.reveal() == "a1"
    clock.now += 100
    assert (await provider("first", store, clock=clock).obtain(vendor, None)).access.reveal() == "a2"


async def test_a_clock_set_back_only_costs_a_refusal(store: FileTokenStore) -> None:
    """By a wrong clock a dead token looks alive; once the vendor has refused it, it is renewed."""
    vendor, clock = Vendor("first"), Clock()
    dead = await provider("first", store, clock=clock).obtain(vendor, None)
    clock.now -= 10 * LIFETIME
    assert await provider("first", store, clock=clock).obtain(vendor, None) == dead
    assert (await provider("first", store, clock=clock).obtain(vendor, dead)).access.reveal() == "a2"


@pytest.mark.parametrize(("expires_in", "expires_at"), [("60", NOW + 60), (None, None), (int(NOW) - 5, None)])
async def test_a_token_that_is_expired_at_birth_means_a_wrong_clock(expires_in: object, expires_at: object) -> None:
    """With a clock weeks ahead, the stated end is past: the duration counts instead, else every call would renew."""
    reply = {"access_token": "a", "access_token_expiry": str(int((NOW - 99) * 1000)), "expires_in": expires_in}

    async def answer(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(200, msgspec.json.encode(reply))

    token = await ClientCredentials("id", "secret", clock=Clock()).obtain(answer, None)
    assert token.expires_at == expires_at


# Lost answers, dead tokens.


@pytest.mark.parametrize(
    "lost", [errors.ReplyLostError("gone"), errors.ReplyTimeoutError("silence")], ids=["broken", "silent"]
)
async def test_after_a_lost_answer_the_old_token_is_tried_again(lost: errors.XoxoError) -> None:
    """Within the vendor's grace that works; without it the error says what happened."""
    for grace in (True, False):
        vendor = Vendor("first")
        vendor.lose, vendor.grace = lost, {"first"} if grace else set()
        renewing = provider("first", MemoryTokenStore())
        with pytest.raises(type(lost)):
            await renewing.obtain(vendor, None)
        vendor.lose = None
        if grace:
            assert (await renewing.obtain(vendor, None)).access.reveal() == "a2"
            continue
        with pytest.raises(errors.RefreshTokenDeadError, match=r"dashboard.*earlier renewal was lost"):
            await renewing.obtain(vendor, None)


async def test_a_pair_that_could_not_be_stored_is_stored_later(
    store: FileTokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk must not cost the account: the pair waits in memory, unused, and no second renewal is made."""
    vendor, renewing = Vendor("first"), provider("first", store)

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for _ in range(2):
            with pytest.raises(errors.AuthError, match="No space left"):
                await renewing.obtain(vendor, None)
    assert await store.load() is None
    token = await renewing.obtain(vendor, None)
    assert (token.access.reveal(), vendor.sent) == ("a1", ["first"])
    assert await store.load() == token


async def test_an_unsaved_pair_gives_way_to_an_imported_one(
    store: FileTokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person has put into the store since is not written over."""
    vendor, renewing = Vendor("first", "imported"), provider("first", store)

    async def fail(_token: Token, /) -> None:
        raise errors.AuthError("full")

    with monkeypatch.context() as patch:
        patch.setattr(FileTokenStore, "save", lambda _self, token: fail(token))
        with pytest.raises(errors.AuthError, match="full"):
            await renewing.obtain(vendor, None)
    await store.save(Token(Secret("a"), 1.0, Secret("imported")))
    assert (await renewing.obtain(vendor, None)).access.reveal() == "a2"
    assert vendor.sent == ["first", "imported"]


@pytest.mark.parametrize(
    ("sent", "kept"), [(12345, "12345"), ("r", "r"), ("", "first"), (None, "first"), ([], "first")]
)
async def test_an_odd_refresh_token_does_not_lose_the_pair(sent: object, kept: str) -> None:
    """A number is taken as its text; where none came, the old one is kept."""

    async def answer(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(200, msgspec.json.encode({"access_token": "a", "refresh_token": sent}))

    token = await provider("first", MemoryTokenStore()).obtain(answer, None)
    assert token.refresh == Secret(kept)


async def test_a_server_never_reached_lost_nothing() -> None:
    """Then a refusal is an ordinary one."""
    vendor = Vendor()
    renewing = provider("first", MemoryTokenStore())
    vendor.lose = errors.ConnectError("down")
    with pytest.raises(errors.ConnectError):
        await renewing.obtain(vendor, None)
    vendor.lose = None
    with pytest.raises(errors.RefreshTokenDeadError) as caught:
        await renewing.obtain(vendor, None)
    assert "lost" not in str(caught.value)


async def test_a_dead_token_is_not_asked_about_again_and_again(
    store: FileTokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a minute the answer is known; a new pair in the store is used at once."""
    vendor, renewing = Vendor(), provider("first", store)
    caught = []
    for _ in range(3):
        with pytest.raises(errors.RefreshTokenDeadError) as error:
            await renewing.obtain(vendor, None)
        caught.append(error.value)
    assert vendor.sent == ["first"]
    assert len({id(error) for error in caught}) == 3  # each with a traceback of its own
    later = time.monotonic() + 61
    monkeypatch.setattr("xoxo_async.auth.providers.time.monotonic", lambda: later)
    with pytest.raises(errors.RefreshTokenDeadError):
        await renewing.obtain(vendor, None)
    assert vendor.sent == ["first", "first"]
    await store.save(Token(Secret("imported"), NOW + 9999, Secret("r")))
    assert (await renewing.obtain(vendor, None)).access.reveal() == "imported"


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "invalid_client"}',
        b'{"code": 401, "errorId": "PIPE10015", "error": "x"}',
        b'{"code": 401, "errorId": "PIPE10016", "error": "x"}',
        b'{"code": 401, "errorId": "PIPE10017", "error": "x"}',
    ],
)
async def test_a_refused_client_is_not_a_dead_refresh_token(body: bytes) -> None:
    """Wrong secret, disabled account, refused IP address: a new pair would not help."""

    async def refuse(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(401, body)

    with pytest.raises(errors.CredentialsRejectedError):
        await provider("first", MemoryTokenStore()).obtain(refuse, None)


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
async def test_the_words_for_a_dead_refresh_token_call_for_a_person(body: bytes) -> None:
    """The vendor's words for a dead refresh token, and sentences that name it."""

    async def refuse(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(401, body)

    with pytest.raises(errors.RefreshTokenDeadError, match="dashboard"):
        await provider("first", MemoryTokenStore()).obtain(refuse, None)


@pytest.mark.parametrize("body", [b'{"message": "auth.request_limit_exceeded"}', b'{"code": 429, "error": "x"}'])
async def test_a_throttle_without_a_time_lasts_a_minute(body: bytes) -> None:
    """The session remembers a failure for as long as it says, and the vendor kills tokens when hammered."""

    async def refuse(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(429, body)

    with pytest.raises(errors.RateLimitedError) as caught:
        await provider("first", MemoryTokenStore()).obtain(refuse, None)
    assert caught.value.retry_after_s == 60


# Sharing.


async def test_providers_of_one_credential_share_a_pair_without_a_store(unique: str) -> None:
    """Fifty clients of a process, one refresh token: one renewal; another token or client id is another pair."""
    vendor = Vendor(unique, f"{unique}-other")
    providers = [provider(unique) for _ in range(50)]
    tokens: set[str] = set()

    async def obtain(one: RefreshToken) -> None:
        tokens.add((await one.obtain(vendor, None)).access.reveal())

    async with anyio.create_task_group() as group:
        for one in providers:
            group.start_soon(obtain, one)
    assert tokens == {"a1"}
    assert (await provider(f"{unique}-other").obtain(vendor, None)).access.reveal() == "a2"
    with pytest.raises(errors.RefreshTokenDeadError):
        await provider(unique, client_id="another-client-id").obtain(vendor, None)


async def test_the_shared_pair_ends_with_its_last_provider(unique: str) -> None:
    """Nothing of a credential stays in the process once nobody uses it."""
    vendor = Vendor(unique)
    one = provider(unique)
    await one.obtain(vendor, None)
    del one
    gc.collect()
    with pytest.raises(errors.RefreshTokenDeadError):
        await provider(unique).obtain(vendor, None)


def test_event_loops_in_threads_share_a_pair(unique: str) -> None:
    """A client belongs to its loop; the pair belongs to all of them, and one loop renews it."""
    vendor = Vendor(unique)
    providers = [provider(unique) for _ in range(8)]
    tokens: list[str] = []

    def run(one: RefreshToken) -> None:
        async def obtain() -> None:
            tokens.append((await one.obtain(vendor, None)).access.reveal())

        anyio.run(obtain)

    threads = [threading.Thread(target=run, args=(one,)) for one in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert tokens == ["a1"] * 8
    assert vendor.renewals == 1


async def test_a_cancelled_holder_lets_go(unique: str) -> None:
    """Cancelled while the vendor is silent, a provider leaves the lock to the next one."""

    async def silence(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        await anyio.sleep_forever()
        raise AssertionError

    one, two = provider(unique), provider(unique)
    with anyio.move_on_after(0.01):
        await one.obtain(silence, None)
    with anyio.fail_after(10):
        assert (await two.obtain(Vendor(unique), None)).access.reveal() == "a1"


async def test_whoever_cancels_a_save_does_not_lose_the_pair(store: FileTokenStore) -> None:
    """Between the vendor's answer and the file, a cancellation waits."""
    vendor = Vendor("first")

    with anyio.CancelScope() as scope:

        async def renew_and_leave(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
            answer = await vendor(path, body, kind)
            scope.cancel()
            return answer

        await provider("first", store).obtain(renew_and_leave, None)
    assert (await provider("first", store).obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.renewals == 1


# Killed in the middle.

SAVER = """
import sys, anyio
from xoxo_async import FileTokenStore
from xoxo_async.auth import Token
from xoxo_async.wire import Secret

async def main(path):
    store, number = FileTokenStore(path), 0
    await store.save(Token(Secret("a0" * 4000), 1.0, Secret("r0")))
    print("ready", flush=True)
    while True:
        number += 1
        await store.save(Token(Secret(f"a{number}" * 4000), 1.0, Secret(f"r{number}")))

anyio.run(main, sys.argv[1])
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.011, 0.02, 0.05])
def test_kill_9_during_a_save_leaves_a_whole_pair(tmp_path: Path, delay_s: float) -> None:
    """Whenever it strikes, access and refresh token in the file belong together; what is left beside it is swept."""
    path = tmp_path / "pair.json"
    saver = subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
        time.sleep(delay_s)  # not for luck: it strikes somewhere else each time
    finally:
        saver.send_signal(signal.SIGKILL)
        saver.communicate()

    async def check() -> None:
        store = FileTokenStore(path)
        token = await store.load()
        assert token is not None
        assert token.refresh is not None
        assert token.access.reveal() == token.refresh.reveal().replace("r", "a") * 4000
        stale = tmp_path / ".pair.json.new-left"
        stale.write_text("a token")
        os.utime(stale, (1, 1))
        await store.save(token)
        assert not stale.exists()

    anyio.run(check)


def test_one_file_by_any_name_has_one_lock(tmp_path: Path) -> None:
    """A link to the file, or a path from another folder, leads to the same pair."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    one, two = FileTokenStore(tmp_path / "real" / "pair.json"), FileTokenStore(f"{tmp_path}/link/../link/pair.json")
    assert repr(one) == repr(two)


# What is shown.


def test_nothing_shows_a_secret() -> None:
    """Reprs of providers, stores and tokens name what they are, and mask the rest."""
    pair = Token(Secret("access"), 1.0, Secret("refresh"), 2.0)
    shown = [
        repr(StaticToken("static-value")),
        repr(ClientCredentials("client-0001-abcd", "the-secret")),
        repr(RefreshToken("client-0001-abcd", "the-secret", "first-value", store=FileTokenStore("/x/pair.json"))),
        repr(provider("first-value")),
        str(pair),
        f"{pair}",
    ]
    assert shown[0] == "StaticToken(***)"
    assert shown[1] == "ClientCredentials(client_id='clie…', client_secret=***)"
    assert "family='user', store=FileTokenStore('/x/pair.json')" in shown[2]
    for text in shown:
        assert not any(secret in text for secret in ("static-value", "the-secret", "first-value", "access=Secret(a"))
        assert "0x" not in text
    assert "'refresh'" not in shown[4]
    assert repr(ClientCredentials("short", "x")) == "ClientCredentials(client_id='***', client_secret=***)"


@pytest.mark.parametrize("make", [lambda: StaticToken("t"), lambda: ClientCredentials("i", "s"), lambda: provider("r")])
def test_providers_and_pairs_are_never_pickled(make: object) -> None:
    """A pickle would be the credentials in plain text: refused, and the refusal shows none of them."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(make(), protocol)  # type: ignore[operator]
    for value in (MemoryTokenStore(), Token(Secret("t"))):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(value)


async def test_a_copied_provider_is_the_same_credential() -> None:
    """A deep copy of a configuration must not split a pair in two."""
    vendor, one = Vendor("first"), provider("first", MemoryTokenStore())
    await one.obtain(vendor, None)
    for copied in (copy.copy(one), copy.deepcopy(one)):
        assert (await copied.obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.renewals == 1
