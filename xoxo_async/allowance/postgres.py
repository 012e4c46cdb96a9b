"""An allowance in PostgreSQL, for any number of machines."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from xoxo_async.allowance.protocol import LATE_S, MEMBER_S, AwayError, Grant
from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress

if TYPE_CHECKING:
    from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["PostgresAllowance"]

_CONNECT_S: Final = 3.0
_LONGEST_S: Final = 1e7
_BEAT_S: Final = MEMBER_S / 4

# A row with the name of a process after `#` says when that process took a slot last. Greater and less would depend on
# the order in which the database sorts texts: a language's order leaves marks such as `#` aside at first.
_MEMBERS: Final = f"""(
    SELECT count(*) FROM xoxo.allowance m
    WHERE m.account = $1 AND starts_with(m.operation, $2 || '#')
        AND m.tat > clock_timestamp() - interval '{MEMBER_S} s'
) AS members"""  # noqa: S608 - constants
_HELD: Final = "greatest(extract(epoch FROM held_until - clock_timestamp()), 0)::float8 AS held_s"
# A commit that does not wait for the disk may be lost in a crash of the server. The setting holds for one statement,
# also behind a pgbouncer, and counts when that is committed.
_NO_WAIT: Final = "set_config('synchronous_commit', 'off', true)"
_SOON_S: Final = 1.0

# A grant that is lost is no fault where the slot after it lies in the past when the server is back. At low rates it
# lies further ahead, and others would get the same slots again, so those grants wait for the disk; they are few.
_TAKE: Final = f"""
WITH granted AS (
    INSERT INTO xoxo.allowance AS lane (account, operation, tat)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3::float8 * $4::int))
    ON CONFLICT (account, operation) DO UPDATE SET tat =
        greatest(
            CASE WHEN lane.tat >= clock_timestamp() - interval '{LATE_S} s' THEN lane.tat ELSE clock_timestamp() END,
            lane.held_until
        ) + make_interval(secs => $3::float8 * $4::int)
    WHERE greatest(lane.tat, lane.held_until) <= clock_timestamp() + make_interval(secs => $5::float8)
    RETURNING extract(epoch FROM tat - clock_timestamp())::float8 AS next_s, {_HELD}, {_MEMBERS}
)
SELECT next_s - $3::float8 * $4::int AS first_s, held_s, members,
    CASE WHEN next_s <= {_SOON_S} THEN {_NO_WAIT} END AS commits
FROM granted
"""  # noqa: S608 - constants
_LOOK: Final = f"""
SELECT greatest(extract(epoch FROM greatest(tat, held_until) - clock_timestamp()), 0)::float8 AS first_s,
    {_HELD}, {_MEMBERS}
FROM xoxo.allowance WHERE account = $1 AND operation = $2
"""  # noqa: S608 - constants
_HOLD: Final = """
INSERT INTO xoxo.allowance AS lane (account, operation, held_until)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3::float8))
ON CONFLICT (account, operation) DO UPDATE SET held_until = greatest(lane.held_until, excluded.held_until)
"""
_BEAT: Final = f"""
WITH off AS MATERIALIZED (SELECT {_NO_WAIT}), gone AS (
    DELETE FROM xoxo.allowance WHERE account = $1 AND operation LIKE '%#%' AND operation <> $2 || '#' || $3
        AND tat < clock_timestamp() - interval '1 h'
)
INSERT INTO xoxo.allowance (account, operation, tat)
SELECT $1, $2 || '#' || $3, clock_timestamp() FROM off
ON CONFLICT (account, operation) DO UPDATE SET tat = excluded.tat
"""  # noqa: S608 - constants


class _Link:
    """The connection of one event loop."""

    def __init__(self) -> None:
        self.lock: Final = asyncio.Lock()
        self.connection: DatabaseConnection | None = None
        self.beats: Final[dict[tuple[str, str], float]] = {}


class PostgresAllowance:
    """Share an allowance in the table `xoxo.allowance` of a PostgreSQL database. `xoxo ledger migrate` makes the table.

    It has one connection of its own for each event loop, opened with the first slot. A grant is one statement, by the
    database's clock. It needs the extra `postgres`: pip install 'xoxo-async[postgres]'.

    Args:
        dsn: The database's URL, `postgresql://user:password@host/database`. No message shows its password. A
            pgbouncer in session or in transaction mode will do.

    Raises:
        ConfigError: The URL is wrong, or asyncpg is missing.

    Example:
        ```python
        from xoxo_async.allowance import PostgresAllowance

        allowance = PostgresAllowance("postgresql://shop@db.example.com/shop")
        ```
    """

    def __init__(self, dsn: str) -> None:
        self._address: Final = DatabaseAddress.read(dsn)
        try:
            import_module("asyncpg")
        except ImportError:
            raise ConfigError("PostgresAllowance needs asyncpg: pip install 'xoxo-async[postgres]'") from None
        self._links: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Link]] = WeakKeyDictionary()

    async def take(
        self, account: str, operation: str, *, member: str, interval_s: float, count: int, within_s: float
    ) -> Grant:
        """Take the next slots of an operation; see `Allowance.take`."""
        async with self._connected() as (link, connection):
            await self._beat(link, connection, account, operation, member)
            row = None
            if count:
                bound_s = min(max(within_s, 0.0), _LONGEST_S)
                row = await connection.fetchrow(_TAKE, account, operation, interval_s, count, bound_s)
            granted = count if row is not None else 0
            if row is None:
                row = await connection.fetchrow(_LOOK, account, operation)
        if row is None:
            return Grant(first_s=0.0, count=0, held_s=0.0, members=1)
        return Grant(first_s=row["first_s"], count=granted, held_s=row["held_s"], members=row["members"])

    async def hold(self, account: str, operation: str, seconds: float) -> None:
        """Grant no slot of an operation until a penalty has ended; see `Allowance.hold`."""
        async with self._connected() as (_, connection):
            await connection.execute(_HOLD, account, operation, seconds)

    async def aclose(self) -> None:
        """Close this event loop's connection. The next call opens another one."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            async with link.lock:
                if link.connection is not None:
                    link.connection.terminate()
                    link.connection = None

    def __repr__(self) -> str:
        return f"PostgresAllowance({self._address.name!r})"

    async def _beat(
        self, link: _Link, connection: "DatabaseConnection", account: str, operation: str, member: str
    ) -> None:
        """Say now and then that this process takes slots, so that the others know with how many they share."""
        now = asyncio.get_running_loop().time()
        key = account, operation
        if now - link.beats.get(key, now - _BEAT_S) >= _BEAT_S:
            await connection.execute(_BEAT, account, operation, member)
            link.beats[key] = now

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[tuple[_Link, "DatabaseConnection"]]:
        """Yield the connection, one statement at a time. After any failure the next call opens another one."""
        from xoxo_async.postgres.connecting import connect  # noqa: PLC0415 - needs the extra
        from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain  # noqa: PLC0415

        link = self._links.setdefault(asyncio.get_running_loop(), _Link())
        foreign: tuple[Any, ...] = (*FOREIGN, DatabaseError)
        async with link.lock:
            try:
                if link.connection is None or link.connection.is_closed():
                    link.connection = None
                    link.connection = await connect(
                        self._address, purpose="allowance", timeout_s=_CONNECT_S, statement_s=_CONNECT_S
                    )
                yield link, link.connection
            except BaseException as error:
                # Its answer may still be on the way, and would be read as the next one's.
                if link.connection is not None:
                    link.connection.terminate()
                    link.connection = None
                if isinstance(error, foreign):
                    fault = explain(error, self._address)
                    raise (ConfigError if fault.final else AwayError)(fault.message) from None
                raise
