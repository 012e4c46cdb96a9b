"""A store that keeps a token or a rotating pair in a file, which processes share."""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec

from xoxo_async.auth.tokens import LOCK_TIMEOUT_S, Token, header_value, lock_held
from xoxo_async.config import check_number
from xoxo_async.errors import AuthError, ConfigError
from xoxo_async.private_files import MODE, create, sync_folder, write_whole
from xoxo_async.wire.secrets import Secret

__all__ = ["FileTokenStore"]

_STALE_S: Final = 60.0
_ROOM: Final = 16 * 1024
"""The size of a reserved file; a pair takes about 1 KiB."""

_NOT_REPLACEABLE: Final = frozenset({errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM})
"""A file that is mounted by itself cannot be replaced by renaming, and a read-only folder takes no new file."""


class _StoredPair(msgspec.Struct, omit_defaults=True):
    access_token: str
    expires_at: float | None = None
    refresh_token: str | None = None
    refresh_expires_at: float | None = None
    issued_at: float | None = None
    client: str = ""
    origins: tuple[str, ...] = ()


class FileTokenStore:
    """Keeps a token or a pair in a file: 0600, written whole or not at all, and locked against other processes.

    A file that cannot be replaced, because it is mounted by itself or its folder is read-only, is written in place. A
    power cut in the middle of that can damage it.

    Args:
        path: The file. Its folder must exist and allow a lock file beside it, or the file must exist; on a file system
            with working locks.
        lock_timeout_s: How long to wait for another process that renews.
    """

    __slots__ = ("_in_place", "_path", "_reserved", "_timeout_s")

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        # Resolved, so that processes which use other links or folders for the file still use the same lock.
        self._path: Final = Path(os.path.realpath(path))
        self._timeout_s: Final = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        self._reserved: str | None = None
        self._in_place: bytes | None = None

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
        """Let one client of one process renew at a time.

        Raises:
            AuthError: Another process has held it for too long; may be tried again.
            ConfigError: The lock file cannot be made, or its file system has no locks.
        """
        end = time.monotonic() + self._timeout_s
        with ExitStack() as held:
            beside = self._open_lock()
            if beside is not None:
                held.callback(os.close, beside)
                await self._locked(beside, end)
            # A file that is mounted by itself into several containers has another lock file in each of them.
            while (itself := self._open_itself()) is not None:
                held.callback(os.close, itself)
                await self._locked(itself, end)
                if self._is_at_the_path(itself):
                    break
            yield

    @asynccontextmanager
    async def reserve(self) -> AsyncGenerator[None]:
        """Reserve the room for a pair before it is requested; the caller holds the lock.

        Raises:
            AuthError: No pair could be written: no room, no right. Nothing was spent.
        """
        await anyio.to_thread.run_sync(self._reserve)
        try:
            yield
        finally:
            left, self._reserved = self._reserved, None
            if left is not None:
                _remove(left)
            before, self._in_place = self._in_place, None
            if before is not None:
                with suppress(OSError):  # only blanks after the pair are left
                    self._write_in_place(before)

    def _reserve(self) -> None:
        """Do every step of saving with the pair that is there, to prove that saving works."""
        try:
            try:
                self._reserve_beside()
            except OSError as error:
                if error.errno not in _NOT_REPLACEABLE or not self._path.exists():
                    raise
                content = self._path.read_bytes()
                self._write_in_place(content.ljust(_ROOM))  # JSON may end with blanks
                self._in_place = content
        except OSError as error:
            raise AuthError(
                f"token store {self._path} cannot be written ({error.strerror}); no new token was asked for, and a "
                "refresh token is not spent"
            ) from None

    def _reserve_beside(self) -> None:
        """Write a file as large as a pair beside the store's file, and prove that a rename can replace that file."""
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
        with suppress(PermissionError):  # it may be the file of another user who lets this one write it
            os.fchmod(descriptor, MODE)
        write_whole(descriptor, content)

    def _open_lock(self) -> int | None:
        """Open the lock file; None where there can be none, so that the store's file itself is locked."""
        try:
            return os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in _NOT_REPLACEABLE and self._path.exists():
                return None
            raise ConfigError(f"token store {self._path}: its lock file cannot be made: {error.strerror}") from None

    def _open_itself(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None  # it does not exist, or cannot be written: then nothing can be saved in it either

    def _is_at_the_path(self, descriptor: int) -> bool:
        """Return whether an open file is still the store's: the last holder of the lock may have replaced it."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except OSError:
            return False

    async def _locked(self, descriptor: int, end: float) -> None:
        while not self._try_lock(descriptor):
            if time.monotonic() >= end:
                raise lock_held(f"token store {self._path}", "another process", self._timeout_s)
            # flock cannot be awaited, and a thread blocked in it could not be cancelled.
            await anyio.sleep(0.02)

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
        if self._in_place is not None:
            self._write_in_place(content)
            self._in_place = None
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
        # Without this, the old file with the dead pair may be back after a power cut.
        sync_folder(self._path.parent)
        with suppress(OSError):
            self._sweep()

    @property
    def _prefix(self) -> str:
        return f".{self._path.name}.new-"

    def _sweep(self) -> None:
        """Remove files of a process that was killed while it saved: they hold tokens."""
        for entry in self._path.parent.iterdir():
            if entry.name.startswith(self._prefix):
                try:
                    if time.time() - entry.stat().st_mtime > _STALE_S:
                        entry.unlink()
                except OSError:
                    continue  # another process has removed it, or the next save will

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
