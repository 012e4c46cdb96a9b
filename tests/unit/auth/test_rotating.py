"""`auth.rotating`: whose pair a store holds, lost answers, dead tokens, and stores that fail."""

import errno
import os
import time
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from tests.unit.auth.endpoints import CLIENT, LIFETIME, NOW, Clock, Vendor, provider
from xoxo_async import FileTokenStore, RefreshToken, errors
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


# Whose pair a store holds.


async def test_a_new_token_in_the_configuration_wins(store: FileTokenStore) -> None:
    """A person made a new pair, so the stored pair of another first token is neither used nor renewed."""
    vendor = Vendor("first", "second")
    await provider("first", store).obtain(vendor, None)
    token = await provider("second", store).obtain(vendor, None)
    assert token.access.reveal() == "a2"
    assert vendor.sent == ["first", "second"]


async def test_an_older_configuration_uses_the_newer_pair(store: FileTokenStore) -> None:
    """In a rolling deploy the process with the old token uses the new pair, and never restores the old one."""
    vendor, clock = Vendor("first", "second"), Clock()
    for first in ("first", "second"):
        await provider(first, store, clock=clock).obtain(vendor, None)
    clock.now += LIFETIME
    for first in ("first", "second", "first"):
        await provider(first, store, clock=clock).obtain(vendor, await store.load())
    assert vendor.sent == ["first", "second", "r2", "r3", "r4"]


async def test_a_file_without_an_origin_still_loads(tmp_path: Path, store: FileTokenStore) -> None:
    """A file of an earlier version still works, and has its origin after the next renewal."""
    (tmp_path / "pair.json").write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"kept"}')
    vendor = Vendor("kept")
    assert (await provider("first", store).obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.sent == ["kept"]
    loaded = await store.load()
    assert loaded is not None
    assert loaded.client
    assert len(loaded.origins) == 1


async def test_a_dead_pair_tries_the_configured_token(tmp_path: Path, store: FileTokenStore) -> None:
    """Where the pair names no origin, the configured token may be newer, so it is tried once."""
    (tmp_path / "pair.json").write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"dead"}')
    vendor = Vendor("first")
    assert (await provider("first", store).obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.sent == ["dead", "first"]


@pytest.mark.parametrize("other", ["client id", "family"])
async def test_another_clients_pair_is_not_written_over(store: FileTokenStore, other: str) -> None:
    """One file for two clients would lose one pair, so a `ConfigError` names the file."""
    vendor = Vendor("first", "second")
    await provider("first", store).obtain(vendor, None)
    before = await store.load()
    if other == "family":
        second = RefreshToken(CLIENT, "the-secret", "second", store=store, family="company")
    else:
        second = provider("second", store, client_id="client-0002-abcd")
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*another client"):
        await second.obtain(vendor, None)
    assert await store.load() == before
    assert vendor.sent == ["first"]


async def test_a_stored_pair_needs_no_configured_token(tmp_path: Path) -> None:
    """After an import the store alone is enough, over renewals and restarts."""
    path, vendor = tmp_path / "pair.json", Vendor("imported")
    await FileTokenStore(path).save(Token(Secret(""), None, Secret("imported")))
    for _ in range(2):
        assert (await RefreshToken("me", "s", store=FileTokenStore(path)).obtain(vendor, None)).access == Secret("a1")
    stored = await FileTokenStore(path).load()
    token = await RefreshToken("me", "s", store=FileTokenStore(path)).obtain(vendor, stored)
    assert (token.access, vendor.sent) == (Secret("a2"), ["imported", "r1"])


async def test_an_imported_pair_goes_before_an_older_configuration(tmp_path: Path) -> None:
    """A process with the old refresh token in its environment uses the pair that a person imported later."""
    path, vendor = tmp_path / "pair.json", Vendor("old", "imported")
    await RefreshToken("me", "s", "old", store=FileTokenStore(path)).obtain(vendor, None)
    await FileTokenStore(path).save(Token(Secret(""), None, Secret("imported")))
    await RefreshToken("me", "s", "old", store=FileTokenStore(path)).obtain(vendor, None)
    assert vendor.sent == ["old", "imported"]


# Lost answers, dead tokens.


@pytest.mark.parametrize(
    "lost", [errors.ReplyLostError("gone"), errors.ReplyTimeoutError("silence")], ids=["broken", "silent"]
)
async def test_a_lost_answer_repeats_the_old_token(lost: errors.XoxoError) -> None:
    """Within the vendor's grace the old token works; without it the error says what happened."""
    for grace in (True, False):
        vendor = Vendor("first")
        vendor.lose, vendor.grace = lost, {"first"} if grace else set()
        renewing = provider()
        with pytest.raises(type(lost)):
            await renewing.obtain(vendor, None)
        vendor.lose = None
        if grace:
            assert (await renewing.obtain(vendor, None)).access.reveal() == "a2"
            continue
        with pytest.raises(errors.RefreshTokenDeadError, match=r"dashboard.*earlier renewal was lost"):
            await renewing.obtain(vendor, None)


async def test_a_server_never_reached_lost_nothing() -> None:
    """After a request that never left, a refusal is an ordinary one."""
    vendor = Vendor()
    renewing = provider()
    vendor.lose = errors.ConnectError("down")
    with pytest.raises(errors.ConnectError):
        await renewing.obtain(vendor, None)
    vendor.lose = None
    with pytest.raises(errors.RefreshTokenDeadError) as caught:
        await renewing.obtain(vendor, None)
    assert "lost" not in str(caught.value)


async def test_a_dead_first_token_names_the_empty_store(tmp_path: Path) -> None:
    """A container without a volume loses its pair: its second start names the place that held none, and what helps."""
    vendor, path = Vendor("first"), tmp_path / "pair.json"
    await provider("first", FileTokenStore(path)).obtain(vendor, None)
    path.unlink()  # the container's file system ends with it
    for _ in range(2):  # the error that is remembered says it, too
        with pytest.raises(
            errors.RefreshTokenDeadError, match=r"dashboard.*pair\.json.*held no pair.*volume"
        ) as caught:
            await provider("first", FileTokenStore(path)).obtain(vendor, None)
        assert "XOXO_TOKEN_FILE" in str(caught.value)
        assert "XOXO_SHARED" in str(caught.value)
        assert "PostgresTokenStore" in str(caught.value)


async def test_a_dead_token_without_a_store_says_so() -> None:
    """The pair in memory ended with its process: the error says that a store would have kept it."""
    with pytest.raises(errors.RefreshTokenDeadError, match=r"dashboard.*no store kept it.*FileTokenStore on a volume"):
        await provider("first").obtain(Vendor(), None)


async def test_a_dead_stored_token_blames_no_volume(store: FileTokenStore) -> None:
    """Where the store held a pair, its file was not lost."""
    await store.save(Token(Secret("a"), NOW - 1, Secret("stored")))
    with pytest.raises(errors.RefreshTokenDeadError) as caught:
        await provider("first", store).obtain(Vendor(), None)
    assert "volume" not in str(caught.value)


async def test_a_dead_token_is_remembered_a_minute(store: FileTokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a minute no request is made with a dead token; a new pair in the store is used at once."""
    vendor, renewing = Vendor(), provider("first", store)
    caught = []
    for _ in range(3):
        with pytest.raises(errors.RefreshTokenDeadError) as error:
            await renewing.obtain(vendor, None)
        caught.append(error.value)
    assert vendor.sent == ["first"]
    assert len({id(error) for error in caught}) == 3  # each with a traceback of its own
    later = time.monotonic() + 61
    monkeypatch.setattr("xoxo_async.auth.rotating.time", SimpleNamespace(monotonic=lambda: later))
    with pytest.raises(errors.RefreshTokenDeadError):
        await renewing.obtain(vendor, None)
    assert vendor.sent == ["first", "first"]
    await store.save(Token(Secret("imported"), NOW + 9999, Secret("r")))
    assert (await renewing.obtain(vendor, None)).access.reveal() == "imported"


# A pair that cannot be saved.


async def test_without_room_no_pair_is_requested(store: FileTokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the refresh token is not spent until the new pair can be stored."""
    vendor, renewing = Vendor("first"), provider("first", store)

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for _ in range(2):
            with pytest.raises(errors.AuthError, match="No space left"):
                await renewing.obtain(vendor, None)
    assert (await store.load(), vendor.sent) == (None, [])
    token = await renewing.obtain(vendor, None)
    assert (token.access.reveal(), vendor.sent) == ("a1", ["first"])
    assert await store.load() == token


async def test_an_unsaved_pair_waits_for_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where saving fails, the pair stays in memory, unused, and no second pair is requested."""
    vendor, store = Vendor("first"), FileTokenStore(tmp_path / "pair.json")
    one = provider("first", store)

    rename = os.replace

    def fail_once_it_is_paid(*paths: Path) -> None:
        if vendor.sent:
            raise OSError(errno.EIO, "Input/output error")
        rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail_once_it_is_paid)
        for _ in range(2):
            with pytest.raises(errors.AuthError, match="Input/output"):
                await one.obtain(vendor, None)
    assert (await one.obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["first"]


async def test_an_imported_pair_replaces_an_unsaved_one(store: FileTokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair that a person has put into the store since is not overwritten."""
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


async def test_a_cancelled_save_keeps_the_pair(store: FileTokenStore) -> None:
    """A cancellation after the vendor's answer waits until the pair is stored."""
    vendor = Vendor("first")

    with anyio.CancelScope() as scope:

        async def renew_and_leave(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
            answer = await vendor(path, body, kind)
            scope.cancel()
            return answer

        await provider("first", store).obtain(renew_and_leave, None)
    assert (await provider("first", store).obtain(vendor, None)).access.reveal() == "a1"
    assert vendor.renewals == 1
