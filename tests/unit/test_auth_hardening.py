"""`auth`: stores that cannot be written, endpoints that talk rubbish, locks that are held, clocks that are wrong."""

# ruff: noqa: ASYNC240 - a temporary folder is looked at, nobody else waits

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from xoxo_async import (
    ClientCredentials,
    FileTokenStore,
    MemoryTokenStore,
    RateLimits,
    RefreshToken,
    RetryPolicy,
    StaticToken,
    Timeouts,
    XoxoClient,
    errors,
)
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
LIFETIME = 1_296_000.0


class Vendor:
    """A strict token endpoint that gives one answer, or the next pair."""

    def __init__(self, *answers: ExchangeAnswer) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []

    async def __call__(self, _path: str, body: bytes, _type: str, /) -> ExchangeAnswer:
        self.sent.append(msgspec.json.decode(body)["refresh_token"])
        if self.answers:
            return self.answers.pop(0)
        number = len(self.sent)
        pair = {"access_token": f"a{number}", "refresh_token": f"r{number}", "expires_in": LIFETIME}
        return ExchangeAnswer(200, msgspec.json.encode(pair))


def provider(store: Any = None) -> RefreshToken:
    return RefreshToken("me", "secret", "first", store=store or MemoryTokenStore(), clock=lambda: NOW)


# A pair that cannot be kept is not asked for.


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EFBIG])
async def test_a_store_without_room_spends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full or read-only disk is found before the refresh token is spent; the error names the file and says so."""
    vendor, store = Vendor(), FileTokenStore(tmp_path / "pair.json")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("xoxo_async.auth.stores.tempfile.mkstemp", fail)
        with pytest.raises(errors.AuthError, match=r"pair\.json.*not spent"):
            await provider(store).obtain(vendor, None)
    assert vendor.sent == []
    assert (await provider(store).obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["first"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_is_read_only_spends_nothing(tmp_path: Path) -> None:
    """The lock file may be there already: its being open for writing says nothing of the folder."""
    (tmp_path / "pair.json.lock").touch()
    tmp_path.chmod(0o555)
    vendor = Vendor()
    try:
        with pytest.raises(errors.AuthError, match="not spent"):
            await provider(FileTokenStore(tmp_path / "pair.json")).obtain(vendor, None)
    finally:
        tmp_path.chmod(0o755)
    assert vendor.sent == []


async def test_the_room_is_taken_on_disk_and_given_back(tmp_path: Path) -> None:
    """While the vendor is asked, a file larger than any pair lies there; afterwards nothing but pair and lock."""
    seen: list[int] = []

    async def look(_path: str, _body: bytes, _type: str, /) -> ExchangeAnswer:
        seen.extend(p.stat().st_size for p in tmp_path.iterdir() if ".new-" in p.name)
        return (
            ExchangeAnswer(400, b'{"error": "invalid_grant"}') if len(seen) == 1 else await Vendor()(_path, _body, "")
        )

    store = FileTokenStore(tmp_path / "pair.json")
    with pytest.raises(errors.RefreshTokenDeadError):
        await provider(store).obtain(look, None)
    assert sorted(os.listdir(tmp_path)) == ["pair.json.lock"]
    await provider(store).obtain(look, None)
    assert all(size >= 16_384 for size in seen)
    assert len(seen) == 2
    assert sorted(os.listdir(tmp_path)) == ["pair.json", "pair.json.lock"]
    assert (tmp_path / "pair.json").stat().st_mode & 0o777 == 0o600
    assert (await store.load()) is not None


async def test_a_pair_that_was_paid_for_waits_for_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where saving fails in spite of the room, the pair waits in memory, unused, and no second one is asked for."""
    vendor, store = Vendor(), FileTokenStore(tmp_path / "pair.json")
    one = provider(store)

    def fail(*_args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        for _ in range(2):
            with pytest.raises(errors.AuthError, match="Input/output"):
                await one.obtain(vendor, None)
    assert (await one.obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["first"]


# Rubbish is no death.

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
async def test_rubbish_from_the_token_endpoint_is_no_dead_token(status: int, body: bytes) -> None:
    """Only the vendor's token words mean that a person must act: anything else may be tried again, and works then."""
    vendor = Vendor(ExchangeAnswer(status, body))
    one = provider()
    with pytest.raises(errors.XoxoError) as caught:
        await one.obtain(vendor, None)
    assert not isinstance(caught.value, errors.RefreshTokenDeadError | errors.CredentialsRejectedError)
    assert caught.value.effect == "none"
    assert (await one.obtain(vendor, None)).access == Secret("a2")


@pytest.mark.parametrize("body", [b'{"error":"invalid_client"}', b'{"error":"unsupported_grant_type"}'])
@pytest.mark.parametrize("status", [200, 400, 401])
async def test_a_refused_client_is_told_as_such(status: int, body: bytes) -> None:
    """Whatever the status, a new refresh token would not help: the id, the secret or the grant is wrong."""
    with pytest.raises(errors.CredentialsRejectedError):
        await provider().obtain(Vendor(ExchangeAnswer(status, body)), None)


@pytest.mark.parametrize(
    ("status", "body"), [(403, b"<html>"), (302, b""), (404, b'{"code":404,"error":"x"}'), (400, b"")]
)
async def test_rubbish_is_no_refusal_of_client_credentials(status: int, body: bytes) -> None:
    """An edge server's page says nothing about the client id."""

    async def answer(_path: str, _body: bytes, _type: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(status, body)

    with pytest.raises(errors.AuthError) as caught:
        await ClientCredentials("me", "secret").obtain(answer, None)
    assert type(caught.value) is errors.AuthError
    assert caught.value.retryable


async def test_a_client_recovers_from_an_edge_servers_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page in the way of one renewal costs no more than that call's retry."""
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


# Nobody waits for ever.


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a store's lock as another process would."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


async def test_a_held_lock_ends_the_wait(tmp_path: Path) -> None:
    """Both stores give up after their time, with an error that says who is in the way and that may be tried again."""
    path = tmp_path / "pair.json"
    with held(path), pytest.raises(errors.AuthError, match=r"pair\.json.*another process") as caught:
        await provider(FileTokenStore(path, lock_timeout_s=0.05)).obtain(Vendor(), None)
    assert caught.value.retryable
    memory = MemoryTokenStore(lock_timeout_s=0.05)
    async with memory.lock():
        with pytest.raises(errors.AuthError, match="another client") as caught:
            await provider(memory).obtain(Vendor(), None)
    assert caught.value.retryable
    assert (await provider(memory).obtain(Vendor(), None)).access == Secret("a1")


@pytest.mark.parametrize("timeouts", [Timeouts(token_s=0.3), Timeouts(call_s=0.5)], ids=["token_s", "call_s"])
async def test_a_call_waits_for_a_token_within_its_own_time(tmp_path: Path, timeouts: Timeouts) -> None:
    """With the lock held elsewhere, twenty callers end together, in time; once it is free, the client works."""
    path = tmp_path / "pair.json"
    async with Sandbox() as sandbox:
        credentials = RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=FileTokenStore(path))
        settings: dict[str, Any] = {"rate_limits": RateLimits.unlimited(), "retry": RetryPolicy(attempts=1)}
        async with XoxoClient(credentials, base_url=sandbox.base_url, timeouts=timeouts, **settings) as xoxo:
            with held(path):
                started = time.monotonic()

                async def call() -> None:
                    with pytest.raises(errors.AuthError, match="token") as caught:
                        await xoxo.account.get_balance()
                    assert caught.value.retryable
                    assert caught.value.effect == "none"

                async with anyio.create_task_group() as group:
                    for _ in range(20):
                        group.start_soon(call)
                assert time.monotonic() - started < 5
            with anyio.fail_after(10):
                while True:
                    try:
                        await xoxo.account.get_balance()
                        break
                    except errors.AuthError:
                        await anyio.sleep(0.05)
            assert sandbox.books().requests["token"] == 1


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
async def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whatever flock fails with ends as a ConfigError that names the file; nothing is spent."""

    def fail(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    vendor = Vendor()
    monkeypatch.setattr("xoxo_async.auth.stores.fcntl.flock", fail)
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*lock"):
        await provider(FileTokenStore(tmp_path / "pair.json")).obtain(vendor, None)
    assert vendor.sent == []


# Clocks and what stands in the file.


@pytest.mark.parametrize("ahead_s", [LIFETIME - 60, LIFETIME - 3600, LIFETIME * 0.6, LIFETIME + 5, LIFETIME * 3])
async def test_a_clock_far_ahead_believes_the_duration(ahead_s: float) -> None:
    """Hours before a stated end that our clock has all but reached, the token was made: it lives as long as it says."""
    reply = {
        "access_token": "a",
        "expires_in": int(LIFETIME),
        "access_token_expiry": str(int((NOW - ahead_s + LIFETIME) * 1000)),
    }

    async def answer(_path: str, _body: bytes, _type: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(200, msgspec.json.encode(reply))

    token = await ClientCredentials("me", "secret", clock=lambda: NOW).obtain(answer, None)
    assert token.expires_at == NOW + LIFETIME


async def test_a_stated_end_later_than_the_duration_is_preferred() -> None:
    """Company tokens live 30 days where `expires_in` still says 15: the stated end counts."""
    reply = {"access_token": "a", "expires_in": int(LIFETIME), "access_token_expiry": int((NOW + 2 * LIFETIME) * 1000)}

    async def answer(_path: str, _body: bytes, _type: str, /) -> ExchangeAnswer:
        return ExchangeAnswer(200, msgspec.json.encode(reply))

    token = await ClientCredentials("me", "secret", clock=lambda: NOW).obtain(answer, None)
    assert token.expires_at == NOW + 2 * LIFETIME


@pytest.mark.parametrize("access", ["a\r\nX: y", "a b", "é", "a\x00"])
async def test_a_stored_token_that_no_header_may_hold_names_its_file(tmp_path: Path, access: str) -> None:
    """Found when it is loaded, with the file's name and without the value; not when a request breaks over it."""
    path = tmp_path / "pair.json"
    path.write_bytes(msgspec.json.encode({"access_token": access, "expires_at": NOW + 9999, "refresh_token": "r"}))
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*access_token") as caught:
        await provider(FileTokenStore(path)).obtain(Vendor(), None)
    assert access not in str(caught.value)


async def test_a_pair_without_an_access_token_is_renewed(tmp_path: Path) -> None:
    """An imported refresh token alone is a pair whose access token has yet to come."""
    store, vendor = FileTokenStore(tmp_path / "pair.json"), Vendor()
    await store.save(Token(Secret(""), None, Secret("imported")))
    assert (await provider(store).obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["imported"]


def test_a_static_token_is_checked_too() -> None:
    """The same check, at the same early moment."""
    with pytest.raises(errors.ConfigError):
        StaticToken("a\nb")
