"""An allowance in Redis, for any number of machines."""

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from xoxo_async.allowance.protocol import LATE_S, MEMBER_S, AwayError, Grant
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisAllowance"]

_CONNECT_S: Final = 3.0
_LONGEST_S: Final = 1e7

# All times are whole microseconds: as texts of floats they would lose their last digits.
_TAKE: Final = f"""
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local lane = redis.call('HMGET', KEYS[1], 'tat', 'held')
local tat, held = tonumber(lane[1] or 0), tonumber(lane[2] or 0)
local interval, count, within = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first = tat
if tat < now - {LATE_S * 1e6:.0f} then first = now end
first = math.max(first, held)
if first > now + within then count = 0 end
if count > 0 then
    tat = first + math.floor(count * interval + 0.5)
    redis.call('HSET', KEYS[1], 'tat', string.format('%.0f', tat))
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (math.max(tat, held) - now) / 1000 + 60000))
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - {MEMBER_S * 1e6:.0f}))
redis.call('PEXPIRE', KEYS[2], '{MEMBER_S * 1e3:.0f}')
return {{string.format('%.0f', first - now), count, string.format('%.0f', math.max(held - now, 0)),
    redis.call('ZCARD', KEYS[2])}}
"""
_HOLD: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local held = math.max(tonumber(redis.call('HGET', KEYS[1], 'held') or 0), now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'held', string.format('%.0f', held))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (held - now) / 1000 + 60000))
return 1
"""
_PASSING: Final = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "NOREPLICAS")
"""How the answers of a server begin that is starting, in a fail-over, or full."""
_PASSING_ERRORS: Final = frozenset(
    {"ReadOnlyError", "MasterDownError", "ClusterDownError", "TryAgainError", "OutOfMemoryError"}
)
"""The classes that redis-py makes of some of these answers, without their first word."""


class RedisAllowance:
    """Share an allowance in Redis, by a script that runs at the server and uses its clock.

    It has one connection for each event loop, opened with the first slot. Run the server with `appendonly yes` and
    `maxmemory-policy noeviction`. A server that forgets its keys gives slots again that processes wait for already, and
    forgets penalties: at low rates that may cost one penalty of the vendor. It needs the extra `redis`:
    pip install 'xoxo-async[redis]'.

    Args:
        url: The server's URL, `redis://user:password@host:6379/0` or `rediss://…` for TLS. No message shows its
            password.

    Raises:
        ConfigError: The URL is wrong, or redis-py is missing.

    Example:
        ```python
        from xoxo_async.allowance import RedisAllowance

        allowance = RedisAllowance("redis://cache.example.com:6379/0")
        ```
    """

    def __init__(self, url: str) -> None:
        url = url.strip()
        self._name: Final = _name_of(url)
        self._url: Final = url
        try:
            from redis.asyncio.connection import parse_url  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("RedisAllowance needs redis-py: pip install 'xoxo-async[redis]'") from None
        try:
            parse_url(url)
        except ValueError:
            raise ConfigError(f"the URL {self._name} of the allowance has a part that cannot be read") from None
        self._clients: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Redis]] = WeakKeyDictionary()

    async def take(
        self, account: str, operation: str, *, member: str, interval_s: float, count: int, within_s: float
    ) -> Grant:
        """Take the next slots of an operation; see `Allowance.take`."""
        within_us = round(min(max(within_s, 0.0), _LONGEST_S) * 1e6)
        keys = [f"xoxo:{{{account}}}:{operation}", f"xoxo:{{{account}}}:{operation}:members"]
        answer = await self._run(_TAKE, keys, [repr(interval_s * 1e6), count, within_us, member])
        try:
            first_us, granted, held_us, members = (int(value) for value in answer)
        except (TypeError, ValueError):
            raise AwayError(f"{self._name} gave an answer that cannot be read") from None
        return Grant(first_s=first_us / 1e6, count=granted, held_s=held_us / 1e6, members=members)

    async def hold(self, account: str, operation: str, seconds: float) -> None:
        """Grant no slot of an operation until a penalty has ended; see `Allowance.hold`."""
        await self._run(_HOLD, [f"xoxo:{{{account}}}:{operation}"], [round(min(seconds, _LONGEST_S) * 1e6)])

    async def aclose(self) -> None:
        """Close this event loop's connection. The next call opens another one."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def __repr__(self) -> str:
        return f"RedisAllowance({self._name!r})"

    def _client(self) -> "Redis":
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = Redis.from_url(
                self._url,
                max_connections=2,
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_CONNECT_S,
                retry=Retry(NoBackoff(), 0),  # whoever asks decides whether to ask again
            )
        return client

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        from redis import exceptions  # noqa: PLC0415 - an extra

        try:
            # The whole script each time, some 1 kB: a server that was restarted has forgotten a loaded one.
            return await self._client().eval(script, len(keys), *keys, *arguments)
        except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
            raise ConfigError(f"{self._name} refuses the user or the password ({type(error).__name__})") from None
        except exceptions.ResponseError as error:
            said = str(error)
            if said.startswith(_PASSING) or type(error).__name__ in _PASSING_ERRORS:
                raise AwayError(f"{self._name} refused: {said[:80]}") from None
            raise ConfigError(f"{self._name} refuses the allowance's script: {said[:80]}") from None
        except exceptions.InvalidResponse:
            raise ConfigError(f"{self._name} is no Redis server: its answer cannot be read") from None
        except (exceptions.RedisError, OSError, EOFError) as error:
            raise AwayError(f"{self._name} cannot be reached ({type(error).__name__})") from None


def _name_of(url: str) -> str:
    """Return a URL without its password and options, for messages."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        number = parts.port  # raises where it is none
    except ValueError:
        raise ConfigError(_WRONG) from None
    database = parts.path.strip("/")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or number == 0 or not _is_database(database):
        raise ConfigError(_WRONG)
    return f"{parts.scheme}://{host}{parts.path}"


def _is_database(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())


_WRONG: Final = "the address of the allowance must be a URL such as redis://user:password@host:6379/0"
