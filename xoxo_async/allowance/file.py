"""An allowance in a file, for the processes of one host: no server, no database."""

import asyncio
import errno
import os
import stat
import struct
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.allowance.protocol import LATE_S, MEMBER_S, AwayError, Grant
from xoxo_async.errors import ConfigError
from xoxo_async.file_locks import CLOSED_ON_EXEC, NO_LINK, NO_WAIT, lock_now, unlock
from xoxo_async.file_names import address_in, way_out
from xoxo_async.private_files import MODE

__all__ = ["FileAllowance"]

_MAGIC: Final = b"xoxo-allowance-1"
_HEAD: Final = struct.Struct(">16sQII")  # the magic, a number that grows, the length of the contents, their checksum
_AREA: Final = 16384
_SIZE: Final = 2 * _AREA
_LOCK_S: Final = 0.2
_RETRY_S: Final = 0.002
_WRONG: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO}
)
"""What a person has to put right. Anything else, such as a full disk, may pass."""
_OPEN: Final = os.O_RDWR | os.O_CREAT | CLOSED_ON_EXEC | NO_LINK | NO_WAIT


class _LaneState(msgspec.Struct):
    """One operation of one account. Times are the host's monotonic clock, which all its processes share."""

    tat: float = 0.0
    held_until: float = 0.0
    members: dict[str, float] = {}


class _State(msgspec.Struct):
    """The contents of the file.

    Attributes:
        at: When they were written. A later clock that shows less was started again, with the machine.
        lanes: By account and operation.
    """

    at: float = 0.0
    lanes: dict[str, _LaneState] = {}


_decode: Final = msgspec.msgpack.Decoder(_State).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class FileAllowance:
    """Share an allowance between the processes of one host, in a file: `gunicorn -w 4` and a nightly run, for example.

    The file is made with rights 0600 where it does not exist. It holds hashes and times, no secret. All processes that
    share need the same path on a local file system, and the right to write to it. A file that an administrator has made
    before, empty, with the group's rights, can be shared by several users.

    A call takes less than 0.1 ms of CPU time. A process that is killed at any moment leaves the file usable. The file
    need not survive a restart of the machine.

    Args:
        path: The file. Its folder must exist.

    Raises:
        ConfigError: The path is empty, or the address of a database or a server.

    Example:
        ```python
        from xoxo_async.allowance import FileAllowance

        xoxo = XoxoClient.from_env(allowance=FileAllowance("/run/shop/allowance"))
        ```
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        if not os.fspath(path):
            raise ConfigError("FileAllowance needs the path of a file")
        kind = address_in(path)
        if kind:
            raise ConfigError(f"FileAllowance needs the path of a file, not {kind}; {way_out(path)}")
        # Absolute, because a daemon may change its folder after this.
        self._path: Final = Path(path).absolute()
        self._clock: Final = clock

    async def take(
        self, account: str, operation: str, *, member: str, interval_s: float, count: int, within_s: float
    ) -> Grant:
        """Take the next slots of an operation; see `Allowance.take`."""
        with await self._opened() as (descriptor, state, number):
            now = self._clock()
            lane = state.lanes.setdefault(f"{account} {operation}", _LaneState())
            lane.members[member] = now
            first = max(lane.tat if lane.tat >= now - LATE_S else now, lane.held_until)
            granted = count if first <= now + within_s else 0
            if granted:
                lane.tat = first + granted * interval_s
            self._write(descriptor, state, number, now)
            live = sum(seen > now - MEMBER_S for seen in lane.members.values())
            held_s = max(lane.held_until - now, 0.0)
        return Grant(first_s=first - now, count=granted, held_s=held_s, members=live)

    async def hold(self, account: str, operation: str, seconds: float) -> None:
        """Grant no slot of an operation until a penalty has ended; see `Allowance.hold`."""
        with await self._opened() as (descriptor, state, number):
            now = self._clock()
            lane = state.lanes.setdefault(f"{account} {operation}", _LaneState())
            lane.held_until = max(lane.held_until, now + seconds)
            self._write(descriptor, state, number, now)

    def __repr__(self) -> str:
        return f"FileAllowance({str(self._path)!r})"

    async def _opened(self) -> AbstractContextManager[tuple[int, _State, int]]:
        """Open and lock the file. A fork, another file of that name or an exit need no care: it is opened each time."""
        try:
            descriptor = os.open(self._path, _OPEN, MODE)
        except (OSError, ValueError) as error:
            raise self._failure(error) from None
        try:
            self._check_kind(descriptor)
            await self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return self._locked(descriptor)

    def _check_kind(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"the allowance {self._path} is no regular file")

    async def _lock(self, descriptor: int) -> None:
        """Lock the file. The holder may be a process that is stopped, so the wait ends soon."""
        ends = time.monotonic() + _LOCK_S
        while True:
            try:
                lock_now(descriptor)
            except BlockingIOError:
                if time.monotonic() > ends:
                    raise AwayError(f"another process has held its lock for {_LOCK_S:g} s") from None
                await asyncio.sleep(_RETRY_S)
            except OSError as error:
                raise self._failure(error) from None
            else:
                return

    @contextmanager
    def _locked(self, descriptor: int) -> Generator[tuple[int, _State, int]]:
        try:
            yield (descriptor, *self._read(descriptor))
        except OSError as error:
            raise self._failure(error) from None
        finally:
            # A child that was forked meanwhile has the same open file; closing ours would not release the lock.
            unlock(descriptor)
            os.close(descriptor)

    def _read(self, descriptor: int) -> tuple[_State, int]:
        """Return the contents and their number.

        They are written alternately to two areas, so that a process which is killed while it writes spoils only the
        older one.
        """
        content = _read_at(descriptor, _SIZE + 1, 0)
        if not content:
            # All room is taken now: a disk that is full later must not stop what works.
            _write_at(descriptor, _HEAD.pack(_MAGIC, 0, 0, 0).ljust(_AREA, b"\0") * 2, 0)
            return _State(), 0
        # A crash of the machine may leave zeros.
        if len(content) > _SIZE or not (content.startswith(_MAGIC) or not content.strip(b"\0")):
            raise ConfigError(f"the file {self._path} is not an allowance: give another path")
        found = [area for start in (0, _AREA) if (area := _area(content[start : start + _AREA])) is not None]
        number, state = max(found, key=lambda area: area[0], default=(0, _State()))
        return (_State() if state.at > self._clock() else state), number

    def _write(self, descriptor: int, state: _State, number: int, now: float) -> None:
        state.at = now
        body = _encode(state)
        if len(body) > _AREA - _HEAD.size or number % 256 == 0:
            _forget_old(state, now)
            body = _encode(state)
        if len(body) > _AREA - _HEAD.size:
            raise ConfigError(f"the allowance {self._path} is full: too many accounts or processes share it")
        head = _HEAD.pack(_MAGIC, number + 1, len(body), _checksum(number + 1, body))
        _write_at(descriptor, head + body, _AREA * ((number + 1) % 2))

    def _failure(self, error: OSError | ValueError) -> Exception:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, ValueError) or error.errno in _WRONG:
            return ConfigError(f"the allowance {self._path} cannot be opened: {reason}")
        return AwayError(f"{self._path}: {reason}")


def _area(content: bytes) -> tuple[int, _State] | None:
    """Return the number and the contents of an area; None for one that is empty or was not written to its end."""
    if len(content) < _HEAD.size:
        return None
    magic, number, length, checksum = _HEAD.unpack_from(content)
    body = content[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or not length or len(body) != length or _checksum(number, body) != checksum:
        return None
    try:
        return number, _decode(body)
    except msgspec.MsgspecError:
        return None


def _checksum(number: int, body: bytes) -> int:
    """Return a checksum of the number too: a new one before old contents would make them the newest."""
    return zlib.crc32(body, number & 0xFFFFFFFF)


def _forget_old(state: _State, now: float) -> None:
    """Forget processes that take no slots any more, and lanes that a new one would equal."""
    for name, lane in list(state.lanes.items()):
        lane.members = {member: seen for member, seen in lane.members.items() if seen > now - MEMBER_S}
        if not lane.members and max(lane.tat, lane.held_until) <= now:
            del state.lanes[name]


def _read_at(descriptor: int, size: int, place: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, place)
    # Windows has none. The file is locked, so nobody else moves the position of this descriptor.
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, size)


def _write_at(descriptor: int, content: bytes, place: int) -> None:
    if hasattr(os, "pwrite"):
        os.pwrite(descriptor, content, place)
        return
    os.lseek(descriptor, place, os.SEEK_SET)
    os.write(descriptor, content)
