"""Where a rotating pair rests: in memory, or in a file that processes share."""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn, Self
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
import msgspec

from xoxo_async.auth.tokens import Token, header_value
from xoxo_async.config import check_number
from xoxo_async.errors import AuthError, ConfigError
from xoxo_async.wire import Secret

__all__ = ["FileTokenStore", "MemoryTokenStore", "shared_memory"]

_STALE_S: Final = 60.0
_LOCK_TIMEOUT_S: Final = 60.0
_ROOM: Final = 16 * 1024
"""What a reserved file takes; a pair has about 1 KiB."""


class MemoryTokenStore:
    """Keeps a pair in memory, for any number of clients, threads and event loops of this process.

    `RefreshToken` without a store finds the one of its credential by itself. At exit the pair is lost.

    Args:
        lock_timeout_s: How long to wait for another client's renewal.
    """

    __slots__ = ("__weakref__", "_lock", "_timeout_s", "_token")

    def __init__(self, *, lock_timeout_s: float = _LOCK_TIMEOUT_S) -> None:
        self._timeout_s: Final = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        # Not an anyio lock: clients of several event loops, in several threads, may share this.
        self._lock: Final = threading.Lock()
        self._token: Token | None = None

    async def load(self) -> Token | None:
        """Return the pair."""
        return self._token

    async def save(self, token: Token, /) -> None:
        """Keep the pair."""
        self._token = token

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one renew at a time.

        Raises:
            AuthError: Another one has been at it for too long; may be tried again.
        """
        end = time.monotonic() + self._timeout_s
        while not self._lock.acquire(blocking=False):
            if time.monotonic() >= end:
                raise _held(repr(self), "another client of this process", self._timeout_s)
            await anyio.sleep(0.005)
        try:
            yield
        finally:
            self._lock.release()

    def __repr__(self) -> str:
        return f"MemoryTokenStore(<{'empty' if self._token is None else 'one pair'}>)"

    def __copy__(self) -> Self:
        return self  # of a copied pair, one would be renewed and the other one dead

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token store cannot be pickled: it holds the pair itself")


# The one piece of module state. A rotating pair belongs to the account, not to a client object: two providers made
# from one refresh token would each spend it, and the second would find it dead. Weak: it ends with the last provider.
_SHARED: Final["WeakValueDictionary[str, MemoryTokenStore]"] = WeakValueDictionary()
_SHARED_LOCK: Final = threading.Lock()


def shared_memory(credential: str) -> MemoryTokenStore:
    """Return the store that all providers of one credential in this process share.

    Args:
        credential: A hash of family, client id and first refresh token.
    """
    with _SHARED_LOCK:
        store = _SHARED.get(credential)
        if store is None:
            store = _SHARED[credential] = MemoryTokenStore()
        return store


class _StoredPair(msgspec.Struct, omit_defaults=True):
    access_token: str
    expires_at: float | None = None
    refresh_token: str | None = None
    refresh_expires_at: float | None = None
    issued_at: float | None = None
    client: str = ""
    origins: tuple[str, ...] = ()


class FileTokenStore:
    """Keeps a pair in a file: 0600, written whole or not at all, and locked against other processes.

    Args:
        path: The file. Its folder must exist and allow a lock file beside it, on a file system with working locks.
        lock_timeout_s: How long to wait for another process that renews.
    """

    __slots__ = ("_path", "_reserved", "_timeout_s")

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout_s: float = _LOCK_TIMEOUT_S) -> None:
        # Resolved: by whatever link and from whatever folder a process comes, it must meet the same lock.
        self._path: Final = Path(os.path.realpath(path))
        self._timeout_s: Final = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        self._reserved: str | None = None

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"

    async def load(self) -> Token | None:
        """Return the stored pair, None when there is no file yet.

        Raises:
            ConfigError: When the file cannot be read or is no token file.
        """
        return await anyio.to_thread.run_sync(self._load)

    async def save(self, token: Token, /) -> None:
        """Replace the file durably.

        Raises:
            AuthError: When it cannot be written.
        """
        await anyio.to_thread.run_sync(self._save, token)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one process and one client renew at a time.

        Raises:
            AuthError: Another process has held it for too long; may be tried again.
            ConfigError: The lock file cannot be made, or its file system has no locks.
        """
        descriptor = self._open_lock()
        try:
            end = time.monotonic() + self._timeout_s
            while not self._try_lock(descriptor):
                if time.monotonic() >= end:
                    raise _held(f"token store {self._path}", "another process", self._timeout_s)
                # flock cannot be awaited, and a thread blocked in it could not be cancelled.
                await anyio.sleep(0.02)
            yield
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def reserve(self) -> AsyncGenerator[None]:
        """Take the room for a pair before it is asked for; called with the lock held.

        Raises:
            AuthError: No pair could be written: no room, no right. Nothing was spent.
        """
        self._reserved = await anyio.to_thread.run_sync(self._reserve)
        try:
            yield
        finally:
            left, self._reserved = self._reserved, None
            if left is not None:
                _remove(left)

    def _reserve(self) -> str:
        """Write a file as large as a pair beside the store's, in every step that saving one will take."""
        try:
            # mkstemp makes the file 0600 whatever the umask.
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._prefix)
            try:
                _write(descriptor, bytes(_ROOM))
                _sync_folder(self._path.parent)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise AuthError(
                f"token store {self._path} cannot be written ({error.strerror}); no new pair was asked for, and the "
                "refresh token is not spent"
            ) from None
        return name

    def _open_lock(self) -> int:
        try:
            return os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"token store {self._path}: its lock file cannot be made: {error.strerror}") from None

    def _load(self) -> Token | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"token store {self._path} cannot be read: {error.strerror}") from None
        try:
            pair = msgspec.json.decode(content, type=_StoredPair)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ConfigError(f"token store {self._path} is no token file") from None
        if pair.access_token:  # a pair that a person has imported may have none yet
            header_value(f"token store {self._path}: its access_token", pair.access_token)
        refresh = Secret(pair.refresh_token) if pair.refresh_token else None
        return Token(
            Secret(pair.access_token),
            pair.expires_at,
            refresh,
            pair.refresh_expires_at,
            pair.issued_at,
            pair.client,
            pair.origins,
        )

    def _save(self, token: Token) -> None:
        pair = _StoredPair(
            token.access.reveal(),
            token.expires_at,
            token.refresh.reveal() if token.refresh is not None else None,
            token.refresh_expires_at,
            token.issued_at,
            token.client,
            token.origins,
        )
        try:
            self._replace(msgspec.json.encode(pair))
        except OSError as error:
            raise AuthError(
                f"token store {self._path} cannot be written ({error.strerror}); the renewed pair was not used"
            ) from None

    def _replace(self, content: bytes) -> None:
        name, self._reserved = self._reserved, None
        if name is None:
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._prefix)
        else:
            descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _write(descriptor, content)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        # Without this, a power cut may bring back the old name's old file: the dead pair.
        _sync_folder(self._path.parent)
        with suppress(OSError):
            self._sweep()

    @property
    def _prefix(self) -> str:
        return f".{self._path.name}.new-"

    def _sweep(self) -> None:
        """Remove what a process killed in the middle of a save has left: it holds tokens."""
        for entry in self._path.parent.iterdir():
            if entry.name.startswith(self._prefix):
                try:
                    if time.time() - entry.stat().st_mtime > _STALE_S:
                        entry.unlink()
                except OSError:
                    continue  # another process swept it; or the next save will

    def _try_lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ConfigError(
                f"token store {self._path}: its lock cannot be taken ({error.strerror}); it must be on a file system "
                "with working locks"
            ) from None
        return True


def _remove(name: str) -> None:
    with suppress(OSError):
        Path(name).unlink()


def _write(descriptor: int, content: bytes) -> None:
    """Write a file whole, over whatever room was taken for it, and close it."""
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        file.truncate()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _held(store: str, holder: str, timeout_s: float) -> AuthError:
    return AuthError(f"{store}: {holder} has held its lock for {timeout_s:g} s; no token could be had", retryable=True)
