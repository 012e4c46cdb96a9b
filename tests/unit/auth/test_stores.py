"""`auth.stores`: a pair's file is private, whole and locked, and found unwritable before anything is spent."""

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


# What stands in the file.


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
        await provider("first", FileTokenStore(path)).obtain(Vendor("first"), None)
    assert path.read_bytes() == content


@pytest.mark.parametrize("access", ["a\r\nX: y", "a b", "é", "a\x00"])
async def test_a_stored_token_that_no_header_may_hold_names_its_file(tmp_path: Path, access: str) -> None:
    """Found when it is loaded, with the file's name and without the value; not when a request breaks over it."""
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


# A pair that cannot be kept is not asked for.


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A store in a folder that is not there is a ConfigError."""
    with pytest.raises(errors.ConfigError, match="nowhere"):
        await provider("first", FileTokenStore(tmp_path / "nowhere" / "pair.json")).obtain(Vendor("first"), None)


async def test_a_pair_that_cannot_be_stored_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be brought to disk, that is the error, and what was begun there is taken away again."""

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
    """A full or read-only disk is found before the refresh token is spent; the error names the file and says so."""
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
    """The lock file may be there already: its being open for writing says nothing of the folder."""
    (tmp_path / "pair.json.lock").touch()
    tmp_path.chmod(0o555)
    vendor = Vendor("first")
    try:
        with pytest.raises(errors.AuthError, match="not spent"):
            await provider("first", FileTokenStore(tmp_path / "pair.json")).obtain(vendor, None)
    finally:
        tmp_path.chmod(0o755)
    assert vendor.sent == []


async def test_the_room_is_taken_on_disk_and_given_back(tmp_path: Path) -> None:
    """While the vendor is asked, a file larger than any pair lies there; afterwards nothing but pair and lock."""
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


async def test_a_pair_that_could_not_be_renamed_into_place_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that takes a new file may still refuse the rename: found before the refresh token is spent."""
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
    """A token file that is mounted by itself: nothing can be renamed over it."""
    path, rename = tmp_path / "pair.json", os.replace

    def refuse(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if os.fspath(target) == os.fspath(path):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(source, target)

    path.write_bytes(b'{"access_token":"a","expires_at":1.0,"refresh_token":"first"}')
    path.chmod(0o644)
    monkeypatch.setattr(os, "replace", refuse)
    return path


async def test_a_file_that_is_mounted_by_itself_is_written_in_place(mounted: Path) -> None:
    """From renewal to renewal: the same file, 0600, whole, and nothing is left beside it."""
    vendor, inode = Vendor("first"), mounted.stat().st_ino
    for number in (1, 2, 3):
        store = FileTokenStore(mounted)
        assert (await provider("first", store).obtain(vendor, await store.load())).access == Secret(f"a{number}")
    assert (mounted.stat().st_ino, stat.S_IMODE(mounted.stat().st_mode)) == (inode, 0o600)
    assert msgspec.json.decode(mounted.read_bytes())["refresh_token"] == "r3"
    assert mounted.read_bytes().endswith(b"}")
    assert sorted(os.listdir(mounted.parent)) == ["pair.json", "pair.json.lock"]


async def test_a_pair_written_in_place_has_its_room_before_it_is_asked_for(mounted: Path) -> None:
    """While the vendor is asked, the file holds the old pair and room for any; a refusal gives the room back."""
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
async def test_a_mounted_file_that_cannot_be_written_spends_nothing(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Neither a rename nor a write in place: the error names the file before the refresh token is spent."""
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
    """`xoxo token import` saves without having asked for room first."""
    await FileTokenStore(mounted).save(Token(Secret("a"), 5.0, Secret("imported")))
    loaded = await FileTokenStore(mounted).load()
    assert loaded is not None
    assert loaded.refresh == Secret("imported")


async def test_a_mounted_file_in_a_read_only_folder_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock file can be made there, nor any other: the file itself is locked and written."""
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


async def test_containers_that_share_only_the_file_share_its_lock(tmp_path: Path) -> None:
    """Each has a lock file of its own beside it: the lock is on the file as well, also once it has been replaced."""
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


# Nobody waits for ever.


def test_one_file_by_any_name_has_one_lock(tmp_path: Path) -> None:
    """A link to the file, or a path from another folder, leads to the same pair."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    one, two = FileTokenStore(tmp_path / "real" / "pair.json"), FileTokenStore(f"{tmp_path}/link/../link/pair.json")
    assert repr(one) == repr(two)


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
        await provider("first", FileTokenStore(path, lock_timeout_s=0.05)).obtain(Vendor("first"), None)
    assert caught.value.retryable
    memory = MemoryTokenStore(lock_timeout_s=0.05)
    async with memory.lock():
        with pytest.raises(errors.AuthError, match="another client") as caught:
            await provider("first", memory).obtain(Vendor("first"), None)
    assert caught.value.retryable
    assert (await provider("first", memory).obtain(Vendor("first"), None)).access == Secret("a1")


@pytest.mark.parametrize("timeouts", [Timeouts(token_s=0.3), Timeouts(call_s=0.5)], ids=["token_s", "call_s"])
async def test_a_call_waits_for_a_token_within_its_own_time(tmp_path: Path, timeouts: Timeouts) -> None:
    """With the lock held elsewhere, twenty callers end together, in time; once it is free, the client works."""
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

                with anyio.fail_after(30):  # the store would wait for the lock for a minute
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
    """Whatever flock fails with ends as a ConfigError that names the file; nothing is spent."""

    def fail(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    vendor = Vendor("first")
    monkeypatch.setattr("xoxo_async.auth.stores.fcntl.flock", fail)
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*lock"):
        await provider("first", FileTokenStore(tmp_path / "pair.json")).obtain(vendor, None)
    assert vendor.sent == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "60", True], ids=repr)
def test_a_senseless_lock_timeout_is_refused(tmp_path: Path, seconds: Any) -> None:
    """A renewal that waits for another one must end."""
    with pytest.raises(errors.ConfigError, match="lock_timeout_s"):
        MemoryTokenStore(lock_timeout_s=seconds)
    with pytest.raises(errors.ConfigError, match="lock_timeout_s"):
        FileTokenStore(tmp_path / "token.json", lock_timeout_s=seconds)
