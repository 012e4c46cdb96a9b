"""`auth.stores`: a private, whole and locked file, found unwritable before a refresh token is spent."""

# ruff: noqa: ASYNC240 - a temporary folder is looked at, nobody else waits

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.auth.endpoints import NOW, Vendor, provider
from xoxo_async import (
    FileTokenStore,
    MemoryTokenStore,
    RateLimits,
    RefreshToken,
    RetryPolicy,
    Timeouts,
    XoxoClient,
    errors,
)
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


# The contents of the file.


async def test_a_stored_pair_is_private_and_whole(tmp_path: Path) -> None:
    """The file is 0600 under any umask, and loads as it was saved."""
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
    """A file that holds no pair raises a `ConfigError` that names it, and is not overwritten."""
    path = tmp_path / "pair.json"
    path.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=r"pair\.json"):
        await provider("first", FileTokenStore(path)).obtain(Vendor("first"), None)
    assert path.read_bytes() == content


@pytest.mark.parametrize("access", ["a\r\nX: y", "a b", "é", "a\x00"])
async def test_an_impossible_stored_token_names_its_file(tmp_path: Path, access: str) -> None:
    """`load` finds the token and names the file without the value, before a request breaks over it."""
    path = tmp_path / "pair.json"
    path.write_bytes(msgspec.json.encode({"access_token": access, "expires_at": NOW + 9999, "refresh_token": "r"}))
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*access_token") as caught:
        await provider("first", FileTokenStore(path)).obtain(Vendor("first"), None)
    assert access not in str(caught.value)


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
def test_a_kill_during_a_save_leaves_a_pair(tmp_path: Path, delay_s: float) -> None:
    """Access and refresh token in the file belong together, and the next save removes the files left beside it."""
    path = tmp_path / "pair.json"
    saver = subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
        time.sleep(delay_s)  # each run kills the process at another point of the save
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


# Room for a pair, before it is requested.


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A store in a folder that does not exist raises `ConfigError`."""
    with pytest.raises(errors.ConfigError, match="nowhere"):
        await provider("first", FileTokenStore(tmp_path / "nowhere" / "pair.json")).obtain(Vendor("first"), None)


async def test_a_pair_not_stored_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where saving fails, the error is raised and the draft is removed."""

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    store = FileTokenStore(tmp_path / "pair.json")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(errors.AuthError, match="No space left"):
        await provider("first", store).obtain(Vendor("first"), None)
    assert os.listdir(tmp_path) == ["pair.json.lock"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EFBIG])
async def test_a_store_without_room_spends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full or read-only disk is found before the refresh token is spent, and the error names the file."""
    vendor, store = Vendor("first"), FileTokenStore(tmp_path / "pair.json")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("xoxo_async.auth.stores.create", fail)
        with pytest.raises(errors.AuthError, match=r"pair\.json.*not spent"):
            await provider("first", store).obtain(vendor, None)
    assert vendor.sent == []
    assert (await provider("first", store).obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["first"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_is_read_only_spends_nothing(tmp_path: Path) -> None:
    """A lock file that can be opened does not prove that the folder takes a new file."""
    (tmp_path / "pair.json.lock").touch()
    tmp_path.chmod(0o555)
    vendor = Vendor("first")
    try:
        with pytest.raises(errors.AuthError, match="not spent"):
            await provider("first", FileTokenStore(tmp_path / "pair.json")).obtain(vendor, None)
    finally:
        tmp_path.chmod(0o755)
    assert vendor.sent == []


async def test_room_is_reserved_and_released(tmp_path: Path) -> None:
    """During the request a file larger than any pair exists; after it only the pair and the lock."""
    seen: list[int] = []
    vendor = Vendor("first", answers=(ExchangeAnswer(400, b'{"error": "invalid_grant"}'),))

    async def look(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
        seen.extend(p.stat().st_size for p in tmp_path.iterdir() if ".new-" in p.name)
        return await vendor(path, body, kind)

    store = FileTokenStore(tmp_path / "pair.json")
    with pytest.raises(errors.RefreshTokenDeadError):
        await provider("first", store).obtain(look, None)
    assert sorted(os.listdir(tmp_path)) == ["pair.json.lock"]
    await provider("first", store).obtain(look, None)
    assert all(size >= 16_384 for size in seen)
    assert len(seen) == 2
    assert sorted(os.listdir(tmp_path)) == ["pair.json", "pair.json.lock"]
    assert (tmp_path / "pair.json").stat().st_mode & 0o777 == 0o600
    assert (await store.load()) is not None


async def test_a_refused_rename_spends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may take a new file and refuse the rename; that is found before the token is spent."""
    vendor, store = Vendor("first", "second"), FileTokenStore(tmp_path / "pair.json")

    def fail(*_paths: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for first in ("first", "second"):  # without a file, and with one
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail)
            with pytest.raises(errors.AuthError, match=r"pair\.json.*not spent"):
                await provider(first, store).obtain(vendor, None)
        assert first not in vendor.sent
        assert [name for name in os.listdir(tmp_path) if ".new-" in name] == []
        await provider(first, store).obtain(vendor, None)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token file that is mounted by itself, so that no rename can replace it."""
    path, rename = tmp_path / "pair.json", os.replace

    def refuse(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if os.fspath(target) == os.fspath(path):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(source, target)

    path.write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"first"}')
    path.chmod(0o644)
    monkeypatch.setattr(os, "replace", refuse)
    return path


async def test_a_mounted_file_is_written_in_place(mounted: Path) -> None:
    """After each renewal it is the same file, 0600 and whole, and no other file is beside it."""
    vendor, inode = Vendor("first"), mounted.stat().st_ino
    for number in (1, 2, 3):
        store = FileTokenStore(mounted)
        assert (await provider("first", store).obtain(vendor, await store.load())).access == Secret(f"a{number}")
    assert (mounted.stat().st_ino, stat.S_IMODE(mounted.stat().st_mode)) == (inode, 0o600)
    assert msgspec.json.decode(mounted.read_bytes())["refresh_token"] == "r3"
    assert mounted.read_bytes().endswith(b"}")
    assert sorted(os.listdir(mounted.parent)) == ["pair.json", "pair.json.lock"]


async def test_a_mounted_file_reserves_its_room(mounted: Path) -> None:
    """During the request the file holds the old pair and room for a new one; a refusal releases the room."""
    before, seen = mounted.read_bytes(), list[bytes]()
    vendor = Vendor("first", answers=(ExchangeAnswer(400, b'{"error": "invalid_grant"}'),))

    async def look(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
        seen.append(mounted.read_bytes())
        assert await FileTokenStore(mounted).load() is not None
        return await vendor(path, body, kind)

    with pytest.raises(errors.RefreshTokenDeadError):
        await provider("first", FileTokenStore(mounted)).obtain(look, None)
    assert (len(seen[0]), seen[0].rstrip()) == (16_384, before)
    assert mounted.read_bytes() == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
async def test_an_unwritable_mounted_file_spends_nothing(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where neither rename nor write works, the error names the file before the refresh token is spent."""
    vendor, real = Vendor("first"), os.open

    def refuse(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if os.fspath(path) == os.fspath(mounted) and flags & os.O_WRONLY:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(errors.AuthError, match=r"pair\.json.*not spent"):
        await provider("first", FileTokenStore(mounted)).obtain(vendor, None)
    assert vendor.sent == []


async def test_an_imported_pair_is_saved_in_place_too(mounted: Path) -> None:
    """`xoxo token import` saves without reserving room first."""
    await FileTokenStore(mounted).save(Token(Secret("a"), 5.0, Secret("imported")))
    loaded = await FileTokenStore(mounted).load()
    assert loaded is not None
    assert loaded.refresh == Secret("imported")


async def test_a_mounted_file_needs_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a read-only folder there is no lock file, so the token file itself is locked and written."""
    path, real, vendor = tmp_path / "pair.json", os.open, Vendor("first")
    path.write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"first"}')

    def refuse(name: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(name, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    one, two = FileTokenStore(path), FileTokenStore(path, lock_timeout_s=0.05)
    async with one.lock():
        with pytest.raises(errors.AuthError, match="another process"):
            async with two.lock():
                pass
    assert (await provider("first", one).obtain(vendor, None)).access == Secret("a1")
    assert os.listdir(tmp_path) == ["pair.json"]


async def test_containers_share_the_lock_of_the_file(tmp_path: Path) -> None:
    """Each container has its own lock file, so the token file is locked as well, also after it was replaced."""
    (tmp_path / "pair.json").write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"first"}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "pair.json").hardlink_to(tmp_path / "pair.json")
    one = FileTokenStore(tmp_path / "pair.json")
    two = FileTokenStore(tmp_path / "other" / "pair.json", lock_timeout_s=0.05)
    async with one.lock():
        with pytest.raises(errors.AuthError, match="another process"):
            async with two.lock():
                pass
    async with two.lock():
        pass


# Locks and timeouts.


def test_one_file_by_any_name_has_one_lock(tmp_path: Path) -> None:
    """A link to the file, or a relative path, leads to the same lock."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    one, two = FileTokenStore(tmp_path / "real" / "pair.json"), FileTokenStore(f"{tmp_path}/link/../link/pair.json")
    assert repr(one) == repr(two)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a store's lock as another process does."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


async def test_a_held_lock_ends_the_wait(tmp_path: Path) -> None:
    """Both stores give up after their timeout with a retryable error that names the holder."""
    path = tmp_path / "pair.json"
    with held(path), pytest.raises(errors.AuthError, match=r"pair\.json.*another process") as caught:
        await provider("first", FileTokenStore(path, lock_timeout_s=0.05)).obtain(Vendor("first"), None)
    assert caught.value.retryable
    memory = MemoryTokenStore(lock_timeout_s=0.05)
    async with memory.lock():
        with pytest.raises(errors.AuthError, match="another client") as caught:
            await provider("first", memory).obtain(Vendor("first"), None)
    assert caught.value.retryable
    assert (await provider("first", memory).obtain(Vendor("first"), None)).access == Secret("a1")


@pytest.mark.parametrize("timeouts", [Timeouts(token_s=0.3), Timeouts(call_s=0.5)], ids=["token_s", "call_s"])
async def test_a_call_waits_no_longer_than_allowed(tmp_path: Path, timeouts: Timeouts) -> None:
    """While another process holds the lock, twenty callers end in time; once it is free, the client works."""
    path = tmp_path / "pair.json"
    async with Sandbox() as sandbox:
        credentials = RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=FileTokenStore(path))
        settings: dict[str, Any] = {"rate_limits": RateLimits.unlimited(), "retry": RetryPolicy(attempts=1)}
        async with XoxoClient(credentials, base_url=sandbox.base_url, timeouts=timeouts, **settings) as xoxo:
            with held(path):

                async def call() -> None:
                    with pytest.raises(errors.AuthError, match="token") as caught:
                        await xoxo.account.get_balance()
                    assert caught.value.retryable
                    assert caught.value.effect == "none"

                with anyio.fail_after(30):  # the store waits for the lock for a minute
                    async with anyio.create_task_group() as group:
                        for _ in range(20):
                            group.start_soon(call)
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
    """Any failure of flock raises a `ConfigError` that names the file, and nothing is spent."""

    def fail(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    vendor = Vendor("first")
    monkeypatch.setattr("xoxo_async.auth.stores.fcntl.flock", fail)
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*lock"):
        await provider("first", FileTokenStore(tmp_path / "pair.json")).obtain(vendor, None)
    assert vendor.sent == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "60", True], ids=repr)
def test_a_senseless_lock_timeout_is_refused(tmp_path: Path, seconds: Any) -> None:
    """A lock timeout that is no finite number raises `ConfigError`."""
    with pytest.raises(errors.ConfigError, match="lock_timeout_s"):
        MemoryTokenStore(lock_timeout_s=seconds)
    with pytest.raises(errors.ConfigError, match="lock_timeout_s"):
        FileTokenStore(tmp_path / "token.json", lock_timeout_s=seconds)
