"""The connections of one process to the database of a ledger: each has one use, and comes back after a failure."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from xoxo_async.errors import LedgerError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain, is_out_of_step

__all__ = ["PATIENCE_S", "Link", "ledger_error"]

T = TypeVar("T")

_LOG: Final = logging.getLogger("xoxo_async")

PATIENCE_S: Final = 60.0
"""How long a ledger waits for a database that does not answer, before its methods fail."""

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 2.0


def ledger_error(error: DatabaseError) -> LedgerError:
    """Return what a caller of the ledger gets for a database that failed."""
    return LedgerError(error.message)


class Link:
    """One connection, for one piece of work at a time. It is no pool's: no result is lost to a failing release.

    Args:
        address: The database's.
        purpose: What the connection is for; operators see it in `pg_stat_activity`.
        read_only: Whether a standby will do.
        patience_s: How long to try to reach a database that does not answer.

    Attributes:
        patience_s: The same.
        connects: How often it has connected: after a fail-over, another server may be at the address.
    """

    def __init__(
        self, address: DatabaseAddress, purpose: str, *, read_only: bool = False, patience_s: float | None = None
    ) -> None:
        self._address: Final = address
        self._purpose: Final = purpose
        self._read_only: Final = read_only
        self.patience_s: Final = PATIENCE_S if patience_s is None else patience_s
        self._turn: Final = asyncio.Lock()
        self._connection: DatabaseConnection | None = None
        self._down_since: float | None = None
        self.connects: int = 0

    async def open(self) -> None:
        """Connect now, with one try.

        Raises:
            DatabaseError: When the database cannot be used.
        """
        async with self._turn:
            await self._connect()

    async def run(self, work: Callable[[DatabaseConnection], Awaitable[T]], *, again: bool = False) -> T:
        """Run some work on the connection, and connect first where it is lost.

        Args:
            work: The work. After an error, a transaction that it has begun is undone.
            again: Whether to do the work again after the connection was lost in it: it only reads.

        Raises:
            DatabaseError: When the database cannot be used, or was lost in the middle. Then the work may have been
                done.
        """
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                async with self._turn:
                    connection = await self._connected()
                    return await self._use(connection, work)
            except DatabaseError as error:
                if error.final or not again or not self._may_wait():
                    raise
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _use(self, connection: DatabaseConnection, work: Callable[[DatabaseConnection], Awaitable[T]]) -> T:
        try:
            result = await work(connection)
        except FOREIGN as error:
            self._distrust(connection, lost=is_out_of_step(error))
            raise explain(error, self._address) from error
        except BaseException:
            self._distrust(connection)
            raise
        self._down_since = None
        return result

    def _distrust(self, connection: DatabaseConnection, *, lost: bool = False) -> None:
        """Give up a connection that has ended, or that is in the middle of something."""
        if lost or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self._connection = None

    async def _connected(self) -> DatabaseConnection:
        """Return the connection; where the database does not answer, try again for as long as patience lasts."""
        wait_s = _FIRST_WAIT_S
        while True:
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            try:
                return await self._connect()
            except DatabaseError as error:
                if error.final or not self._may_wait():
                    raise
                _LOG.debug("%s; trying again", error.message)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _connect(self) -> DatabaseConnection:
        connection = await connect(self._address, purpose=self._purpose, read_only=self._read_only)
        self._connection = connection
        self.connects += 1
        return connection

    @property
    def patient(self) -> bool:
        """Whether a database that does not answer has done so for too short a time to give up."""
        return self._may_wait()

    def _may_wait(self) -> bool:
        if self._down_since is None:
            self._down_since = time.monotonic()
        return time.monotonic() < self._down_since + self.patience_s

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=5)
        except (*FOREIGN, asyncio.CancelledError):
            connection.terminate()
