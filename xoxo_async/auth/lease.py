"""The row of an account in `xoxo.token`, and the lease on it, which one process holds at a time.

Every statement commits by itself, so a process that is stopped holds no lock of the database. Times are the database's.
This module needs asyncpg.
"""

import os
import secrets
import socket
from contextlib import suppress
from typing import Any, Final, NamedTuple

import anyio

from xoxo_async.errors import ConfigError, TokenStoreError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain

__all__ = ["Lease", "Row", "TokenRow"]

_PATIENCE_S: Final = 5.0
"""Seconds to connect, and for a statement. Each of them touches one row."""

_FAREWELL_S: Final = 2.0
_READ_ONLY: Final = "25006"

_READ: Final = "SELECT gen, pair FROM xoxo.token WHERE account = $1"
# The last condition: the lease may be this holder's own already, where the answer to an earlier attempt was lost.
_TAKE: Final = """
WITH before AS (SELECT owner FROM xoxo.token WHERE account = $1)  -- for people: it may be the owner of a moment ago
INSERT INTO xoxo.token AS t (account, owner, owned_until)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (account) DO UPDATE
   SET owner = $2, owned_until = clock_timestamp() + make_interval(secs => $3)
 WHERE t.owned_until <= clock_timestamp() OR t.owner = $2
RETURNING t.gen, t.pair, coalesce((SELECT owner FROM before), '') AS before"""
_HOLDER: Final = "SELECT owner FROM xoxo.token WHERE account = $1"
_EXTEND: Final = """
UPDATE xoxo.token SET owned_until = clock_timestamp() + make_interval(secs => $3)
 WHERE account = $1 AND owner = $2 RETURNING gen"""
# It writes `pair` and `gen` too, so that it fails where the save of a pair would fail: for want of rights or room.
_PROVE: Final = """
UPDATE xoxo.token SET owned_until = clock_timestamp() + make_interval(secs => $3), pair = pair, gen = gen
 WHERE account = $1 AND owner = $2 AND gen = $4 RETURNING gen"""
# The holder of the lease always stores its pair. A former holder stores its own only where nobody has stored another.
_WRITE: Final = """
INSERT INTO xoxo.token AS t (account, gen, pair) VALUES ($1, $5, $4)
ON CONFLICT (account) DO UPDATE SET pair = $4, gen = greatest(t.gen + 1, $5)
 WHERE t.owner = $2 OR t.gen = $3
RETURNING t.gen"""
_RELEASE: Final = "UPDATE xoxo.token SET owner = '', owned_until = 'epoch' WHERE account = $1 AND owner = $2"


class Row(NamedTuple):
    """What a row holds.

    Attributes:
        gen: How many pairs were stored in it.
        content: The pair, sealed or in clear; None before the first one.
    """

    gen: int
    content: str | None

    def __repr__(self) -> str:
        return f"Row(gen={self.gen})"


class TokenRow:
    """The row of one account, over a connection of its own that is opened when it is needed.

    Renewals are days apart, so no connection is kept between them.

    Args:
        address: The database.
        account: The key of the row.
    """

    def __init__(self, address: DatabaseAddress, account: str) -> None:
        self.account: Final = account
        self._address: Final = address
        self._connection: DatabaseConnection | None = None
        self._turn: Final = anyio.Lock()

    async def read(self) -> Row:
        """Return what the row holds.

        Raises:
            TokenStoreError: The database cannot be reached; another attempt may succeed.
            ConfigError: The database cannot be used.
        """
        found = await self.run(_READ, self.account)
        return Row(0, None) if found is None else Row(found["gen"], found["pair"])

    async def run(self, query: str, *values: object) -> Any:
        """Run a statement, and return its row, None without one.

        Args:
            query: The statement.
            values: Its values.

        Raises:
            TokenStoreError: The database cannot be reached; another attempt may succeed.
            ConfigError: The database cannot be used.
        """
        async with self._turn:  # a connection runs one statement at a time, and the lease is extended meanwhile
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(
                        self._address, purpose="token", timeout_s=_PATIENCE_S, statement_s=_PATIENCE_S
                    )
                return await self._connection.fetchrow(query, *values)
            except DatabaseError as error:
                self._drop()
                raise _as_store_error(error) from None
            except FOREIGN as error:
                self._drop()
                raise _as_store_error(explain(error, self._address)) from None
            except BaseException:
                self._drop()  # the statement may still be under way
                raise

    async def close(self) -> None:
        """Close the connection; without waiting for long, because a lease ends by itself."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=_FAREWELL_S)
        except FOREIGN:
            connection.terminate()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


class Lease(TokenRow):
    """A lease on the row of one account.

    Args:
        address: The database.
        account: The key of the row.
        lasts_s: How many seconds the lease lasts after it was taken or extended.

    Attributes:
        base: The number of pairs that the row had when the lease was taken.
        before: Who held the row before and did not give it back; empty if nobody did.
    """

    def __init__(self, address: DatabaseAddress, account: str, *, lasts_s: float) -> None:
        super().__init__(address, account)
        self._lasts_s: Final = lasts_s
        # The random part tells two leases of one process apart, and processes of containers, where all have one id.
        self._owner: Final = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._taken = False
        self.base: int = 0
        self.before: str = ""

    async def take(self) -> Row | None:
        """Take the lease if it is free or has ended. Return what the row holds, or None while another holds it."""
        found = await self.run(_TAKE, self.account, self._owner, self._lasts_s)
        if found is None:
            return None
        self._taken = True
        self.base, self.before = found["gen"], _shown(found["before"])
        return Row(found["gen"], found["pair"])

    async def holder(self) -> str:
        """Return who holds the lease: the host and the id of the process."""
        found = await self.run(_HOLDER, self.account)
        return _shown(found["owner"]) if found is not None else ""

    async def extend(self) -> bool:
        """Let the lease last from now on. Return whether it still was this holder's."""
        return await self.run(_EXTEND, self.account, self._owner, self._lasts_s) is not None

    async def prove(self) -> bool:
        """Write the row as it is. Return whether the lease still is this holder's, and the row unchanged."""
        return await self.run(_PROVE, self.account, self._owner, self._lasts_s, self.base) is not None

    async def write(self, content: str, gen: int) -> int | None:
        """Store a pair durably.

        Args:
            content: The pair, sealed or in clear.
            gen: The least number that the row gets.

        Returns:
            The row's number; None where another process has taken the lease and stored a pair.
        """
        found = await self.run(_WRITE, self.account, self._owner, self.base, content, gen)
        return None if found is None else int(found["gen"])

    async def release(self) -> None:
        """Give the lease back, and close the connection. A lease that cannot be given back ends by itself."""
        if self._taken:
            with suppress(TokenStoreError, ConfigError):
                await self.run(_RELEASE, self.account, self._owner)
        await self.close()


def _shown(owner: str) -> str:
    return owner.rpartition(":")[0]


def _as_store_error(error: DatabaseError) -> TokenStoreError | ConfigError:
    """Return a database's failure as the error of a token store. A standby becomes writable when it takes over."""
    message = f"token store: {error.message}"
    if error.final and error.sqlstate != _READ_ONLY:
        return ConfigError(message)
    return TokenStoreError(message, retryable=True)
