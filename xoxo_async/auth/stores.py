"""A store in a file for a token or a rotating pair. Several processes may share the file."""

import errno
import os
import re
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from xoxo_async.auth.pairs import packed, unpacked
from xoxo_async.auth.tokens import LOCK_TIMEOUT_S, Token, lock_timed_out
from xoxo_async.config import check_number
from xoxo_async.errors import ConfigError, TokenStoreError
from xoxo_async.file_locks import POSIX, fcntl
from xoxo_async.file_names import address_in, way_out
from xoxo_async.private_files import MODE, create, remove_stale, sync_folder, write_whole

__all__ = ["FileTokenStore"]

_STALE_S: Final = 60.0
"""The age from which a draft beside the file belongs to a dead process. A save takes far less."""

_ROOM: Final = 16 * 1024
"""The size of a reserved file, in bytes. A pair takes about 1 KiB."""

_NOT_REPLACEABLE: Final = frozenset({errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM})
"""The errors of a file that a rename cannot replace: it is mounted by itself, or its folder is read-only."""


class FileTokenStore:
    """Keep a token or a pair in a file that is 0600, whole or absent, and locked against other processes.

    Where a rename cannot replace the file, because it is mounted by itself or its folder is read-only, the store writes
    in place. A power cut during that write can damage the file.

    Args:
        path: The file, on a file system with working locks. Either the file exists, or its folder exists and takes a
            lock file.
        lock_timeout_s: How many seconds to wait for another process that renews.

    Raises:
        ConfigError: The path is the address of a database or a server, or this system has no file locks.
    """

    __slots__ = ("_content_before", "_path", "_reserved", "_timeout_s")

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        if not POSIX:
            raise ConfigError(
                "a token file needs the file locks of POSIX, which this system does not have: use ClientCredentials, "
                "or PostgresTokenStore"
            )
        kind = address_in(path)
        if kind:
            raise ConfigError(
                f"FileTokenStore needs the path of a file, not {kind}: PostgresTokenStore is for a database;"
                f" {way_out(path)}"
            )
        # The real path, so that processes which reach the file by other links or folders use the same lock.
        self._path: Final = Path(os.path.realpath(path))
        self._timeout_s: Final = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        self._reserved: str | None = None
        self._content_before: bytes | None = None

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"

    async def load(self) -> Token | None:
        """Return the stored pair, or None where there is no file yet.

        Raises:
            ConfigError: The file cannot be read, or is no token file.
        """
        return await anyio.to_thread.run_sync(self._load)

    async def save(self, token: Token, /) -> None:
        """Replace the file, and wait until the new one is on disk.

        Raises:
            TokenStoreError: The file cannot be written.
        """
        await anyio.to_thread.run_sync(self._save, token)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one client of one process renew at a time.

        Raises:
            TokenStoreError: Another process has held the lock for too long. The error is retryable.
            ConfigError: The lock file cannot be made, or its file system has no locks.
        """
        end = time.monotonic() + self._timeout_s
        with ExitStack() as held:
            lock_file = self._open_lock()
            if lock_file is not None:
                held.callback(os.close, lock_file)
                await self._wait_for_lock(lock_file, end)
            # A file that is mounted by itself into several containers has another lock file in each of them, so the
            # file itself is locked too. The last holder may have replaced it, so the new one is locked again.
            while (token_file := self._open_file()) is not None:
                held.callback(os.close, token_file)
                await self._wait_for_lock(token_file, end)
                if self._is_at_the_path(token_file):
                    break
            yield

    @asynccontextmanager
    async def reserve(self) -> AsyncGenerator[None]:
        """Reserve the room for a pair before it is requested. The caller holds the lock.

        Raises:
            TokenStoreError: The store cannot write a pair, for want of room or rights. No refresh token was spent.
        """
        await anyio.to_thread.run_sync(self._reserve)
        try:
            yield
        finally:
            left, self._reserved = self._reserved, None
            if left is not None:
                _remove(left)
            before, self._content_before = self._content_before, None
            if before is not None:
                with suppress(OSError):  # a failure leaves blanks after the pair
                    self._write_in_place(before)

    def _reserve(self) -> None:
        """Take every step of a save with the present pair, which proves that the save of the next one works."""
        try:
            try:
                self._reserve_beside()
            except OSError as error:
                if error.errno not in _NOT_REPLACEABLE or not self._path.exists():
                    raise
                content = self._path.read_bytes()
                self._write_in_place(content.ljust(_ROOM))  # JSON may end with blanks
                self._content_before = content
        except OSError as error:
            raise TokenStoreError(
                f"token store {self._path} cannot be written ({error.strerror}); no new token was requested, and a "
                "refresh token is not spent"
            ) from None

    def _reserve_beside(self) -> None:
        """Write a draft with room for any pair beside the file, and prove that a rename can replace the file."""
        name = self._new_file(bytes(_ROOM))
        try:
            if self._path.exists():
                self._replace_by_a_copy()
            else:
                name = str(Path(name).replace(f"{name}-renamed"))
            sync_folder(self._path.parent)
        except BaseException:
            _remove(name)
            raise
        self._reserved = name

    def _replace_by_a_copy(self) -> None:
        copy = self._new_file(self._path.read_bytes())
        try:
            Path(copy).replace(self._path)
        except BaseException:
            _remove(copy)
            raise

    def _new_file(self, content: bytes) -> str:
        name = str(self._path.with_name(f"{self._prefix}{secrets.token_hex(8)}"))
        descriptor = create(Path(name))
        try:
            write_whole(descriptor, content)
        except BaseException:
            _remove(name)
            raise
        return name

    def _write_in_place(self, content: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with suppress(PermissionError):  # the file may belong to another user who allows this one to write
            os.fchmod(descriptor, MODE)
        # Blanks go over the rest of longer contents in the same write. A process may be killed before the file is cut
        # off: then it holds a pair and blanks, which `load` accepts, and not a pair and the end of another one.
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.ljust(os.fstat(descriptor).st_size))
            file.flush()
            with suppress(OSError):
                file.truncate(len(content))
            os.fsync(descriptor)

    def _open_lock(self) -> int | None:
        """Open the lock file. Return None where it cannot be made; then the token file itself is locked."""
        try:
            return os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in _NOT_REPLACEABLE and self._path.exists():
                return None
            raise ConfigError(
                f"token store {self._path}: its lock file cannot be made: {error.strerror}; its folder must "
                "exist and be writable (in a container: a volume that its user may write)"
            ) from None

    def _open_file(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None  # the file does not exist or cannot be written, so no process saves in it

    def _is_at_the_path(self, descriptor: int) -> bool:
        """Return whether an open file is still at the path. The last holder of the lock may have replaced it."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except OSError:
            return False

    async def _wait_for_lock(self, descriptor: int, end: float) -> None:
        while not self._try_lock(descriptor):
            if time.monotonic() >= end:
                raise lock_timed_out(f"token store {self._path}", "another process", self._timeout_s)
            # flock cannot be awaited, and a thread that waits in it cannot be cancelled.
            await anyio.sleep(0.02)

    def _load(self) -> Token | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"token store {self._path} cannot be read: {error.strerror}") from None
        return unpacked(content, f"token store {self._path}", otherwise="is no token file")

    def _save(self, token: Token) -> None:
        try:
            self._replace(packed(token))
        except OSError as error:
            raise TokenStoreError(
                f"token store {self._path} cannot be written ({error.strerror}); the renewed pair was not used"
            ) from None

    def _replace(self, content: bytes) -> None:
        if self._content_before is not None:
            self._write_in_place(content)
            self._content_before = None
            return
        name, self._reserved = self._reserved, None
        try:
            if name is None:
                name = self._new_file(content)
            else:
                write_whole(os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW), content)
            Path(name).replace(self._path)
        except BaseException as error:
            if name is not None:
                _remove(name)
            if isinstance(error, OSError) and error.errno in _NOT_REPLACEABLE and self._path.exists():
                self._write_in_place(content)
                return
            raise
        # Without this, the old file with its dead refresh token may be back after a power cut.
        sync_folder(self._path.parent)
        with suppress(OSError):
            remove_stale(self._path.parent, re.compile(f"{re.escape(self._prefix)}.*"), _STALE_S)

    @property
    def _prefix(self) -> str:
        return f".{self._path.name}.new-"

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
