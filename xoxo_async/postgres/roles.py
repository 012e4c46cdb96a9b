"""The roles of the schema `xoxo`: owner, worker and reader, and what a user has of their rights."""

from importlib import resources
from typing import Final, NamedTuple

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, explain

__all__ = ["Rights", "apply_roles", "read_rights", "roles_sql"]

_WORKS_WITH: Final = (
    ("meta", ("SELECT", "INSERT")),
    ("account", ("SELECT", "INSERT")),
    ("job", ("SELECT", "INSERT")),
    ("worker", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("claim", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("line", ("SELECT", "INSERT")),
    ("packed_line", ("SELECT", "INSERT")),
    ("kept", ("SELECT", "INSERT")),
    ("placed", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("code_mark", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("journal", ("SELECT", "INSERT")),
    ("tally", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("allowance", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("token", ("SELECT", "INSERT", "UPDATE")),
)
_COLUMNS: Final = (("line", "state"), ("line", "rev"), ("packed_line", "unpacked"), ("job", "frontier"))
_READS: Final = ("meta", "job", "worker", "claim", "line", "packed_line", "kept", "journal", "tally")

_WRITES: Final = frozenset(f"{kind} on {name}" for name, kinds in _WORKS_WITH for kind in kinds if kind != "SELECT")

_MISSING: Final = """
SELECT kind || ' on ' || name AS missing
  FROM unnest($1::text[], $2::text[], $3::text[]) AS needed (name, kind, col)
 WHERE NOT CASE WHEN col = '' THEN has_table_privilege('xoxo.' || name, kind)
                ELSE has_column_privilege('xoxo.' || name, col, kind) END
"""
_OWNS: Final = (
    "SELECT current_user AS name, pg_has_role(nspowner, 'USAGE') AS owns FROM pg_namespace WHERE nspname = 'xoxo'"
)


class Rights(NamedTuple):
    """What a user may do in the schema `xoxo`.

    Attributes:
        user: The user's name in the database.
        role: `owner`, `worker`, `reader`, or empty without the rights of a reader.
        missing: The rights that a worker needs and this user lacks, such as `INSERT on line`.
    """

    user: str
    role: str
    missing: tuple[str, ...]

    @property
    def only_reads(self) -> bool:
        """Whether it is a reader that may write nothing, as `xoxo_reader`: not a worker that lacks some rights."""
        return self.role == "reader" and _WRITES.issubset(self.missing)


def roles_sql() -> str:
    """Return the SQL that makes the roles and gives them their rights; safe to repeat."""
    return resources.files("xoxo_async.postgres").joinpath("migrations", "roles.sql").read_text()


async def apply_roles(connection: DatabaseConnection, address: DatabaseAddress) -> None:
    """Make the roles, and give them their rights; all or nothing, safe to repeat.

    Args:
        connection: To the database, as a user that may create roles.
        address: The database's, for messages.

    Raises:
        DatabaseError: The user may not do that, or the schema is not there.
    """
    try:
        async with connection.transaction():
            await connection.execute(roles_sql())
    except FOREIGN as error:
        raise explain(error, address) from None


async def read_rights(connection: DatabaseConnection) -> Rights:
    """Return what this connection's user may do. The schema must be there.

    Args:
        connection: To the database.
    """
    user = await connection.fetchrow(_OWNS)
    needed = [(name, kind, "") for name, kinds in _WORKS_WITH for kind in kinds]
    needed += [(name, "UPDATE", column) for name, column in _COLUMNS]
    missing = await _missing(connection, needed)
    if not missing:
        role = "owner" if user is not None and user["owns"] else "worker"
    else:
        role = "" if await _missing(connection, [(name, "SELECT", "") for name in _READS]) else "reader"
    return Rights("" if user is None else user["name"], role, missing)


async def _missing(connection: DatabaseConnection, needed: list[tuple[str, str, str]]) -> tuple[str, ...]:
    columns = [list(column) for column in zip(*needed, strict=True)]
    # A right that several columns lack is named once.
    return tuple(dict.fromkeys(row["missing"] for row in await connection.fetch(_MISSING, *columns)))
