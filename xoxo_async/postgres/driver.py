"""What this package uses of the driver (asyncpg): the driver itself has no types."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

__all__ = ["DatabaseConnection", "Row", "Statement"]

Row = Mapping[str, Any]
"""A row of an answer, by the names of its columns."""


class Statement(Protocol):
    """A prepared statement."""

    async def fetchval(self) -> Any:
        """Run it and return the first value of its first row, None without one."""
        ...


class DatabaseConnection(Protocol):
    """One connection to a database; one statement at a time. Every method raises one of `failures.FOREIGN`."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run a statement, or a script without arguments, and return its tag, such as `UPDATE 3`."""
        ...

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> Sequence[Row]:  # noqa: ASYNC109
        """Run a statement and return its rows."""
        ...

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Row | None:  # noqa: ASYNC109
        """Run a statement and return its first row, None without one."""
        ...

    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """Run a statement and return the first value of its first row, None without one."""
        ...

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[object]],
        columns: Sequence[str],
        schema_name: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> str:
        """Insert many rows at once."""
        ...

    async def prepare(self, query: str, *, name: str | None = None) -> Statement:
        """Prepare a statement; with an empty name the connection does not keep it."""
        ...

    def get_server_pid(self) -> int:
        """Return the process of the server as it was told when the connection was opened."""
        ...

    def transaction(self, *, isolation: str | None = None, readonly: bool = False) -> AbstractAsyncContextManager[None]:
        """Return a block that commits at its end, or undoes everything after an error."""
        ...

    def is_in_transaction(self) -> bool:
        """Return whether a transaction is open."""
        ...

    def is_closed(self) -> bool:
        """Return whether the connection has ended."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Say good-bye, and end the connection."""
        ...

    def terminate(self) -> None:
        """End the connection at once."""
        ...
