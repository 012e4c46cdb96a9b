"""`roles`: a worker cannot change what was planned, and a reader sees no code and no token."""

import asyncpg
import pytest

from tests.unit.postgres.rows import add_job, connected, seqs_of, user_of
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.failures import DatabaseError
from xoxo_async.postgres.roles import apply_roles, read_rights, roles_sql

pytestmark = pytest.mark.anyio

WHAT_WAS_PLANNED = {
    "line": {"id", "job", "ordinal", "account", "key", "po_number", "digest", "body", "row", "lines"},
    "kept": None,
    "packed_line": {"pack", "first", "job", "account", "pieces", "key", "po_number", "digest", "body", "row"},
    "job": {"id", "name", "account"},
    "journal": None,
    "account": None,
    "meta": None,
}
"""The columns of each table that no worker may change; None is all of them."""


async def test_roles_are_made_again(database: str) -> None:
    """A second time changes nothing; the schema is the owner's then."""
    async with connected(database) as connection:
        for _ in range(2):
            await apply_roles(connection, DatabaseAddress.read(database))
        owners = await connection.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'xoxo'")
        assert [row["tableowner"] for row in owners] == ["xoxo_owner"]
        assert (await read_rights(connection)).role == "owner"


async def test_a_worker_changes_what_moves_alone(database: str) -> None:
    """Every column is either what was planned, or may be updated: a new one needs a decision here."""
    async with connected(await user_of(database, "xoxo_worker")) as worker:
        rows = await worker.fetch(
            "SELECT table_name, column_name, has_column_privilege('xoxo.' || table_name, column_name, 'UPDATE') AS may"
            " FROM information_schema.columns WHERE table_schema = 'xoxo'"
        )
        fixed: dict[str, set[str]] = {}
        for row in rows:
            if not row["may"]:
                fixed.setdefault(row["table_name"], set()).add(row["column_name"])
        every = {name: {row["column_name"] for row in rows if row["table_name"] == name} for name in fixed}
        assert fixed == {name: columns or every[name] for name, columns in WHAT_WAS_PLANNED.items()}


async def test_a_worker_works_and_deletes_no_line(database: str) -> None:
    """It plans a job and moves its lines; what was planned stays, whatever a program tries."""
    async with connected(await user_of(database, "xoxo_worker")) as worker:
        rights = await read_rights(worker)
        assert (rights.role, rights.missing) == ("worker", ())
        job = await add_job(worker, "march", "placed", "planned")
        await worker.execute("UPDATE xoxo.line SET state = 'sending', rev = rev + 1 WHERE job = $1", job)
        (seq, _other) = await seqs_of(worker, job)
        for statement in (
            "UPDATE xoxo.line SET po_number = 'x' WHERE id = $1",
            "DELETE FROM xoxo.line WHERE id = $1",
            "DELETE FROM xoxo.journal WHERE line = $1",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await worker.execute(statement, seq)


async def test_a_reader_sees_no_code_and_no_token(database: str) -> None:
    """It reads counts, lines and the journal; it writes nothing."""
    async with connected(await user_of(database, "xoxo_reader")) as reader:
        rights = await read_rights(reader)
        assert rights.role == "reader"
        assert "INSERT on line" in rights.missing
        for table in ("line", "packed_line", "kept", "journal", "tally", "job", "worker", "claim"):
            await reader.fetch(f"SELECT * FROM xoxo.{table}")  # noqa: S608
        await reader.fetch("SELECT id, order_id FROM xoxo.placed")
        for statement in (
            "SELECT codes FROM xoxo.placed",
            "SELECT * FROM xoxo.token",
            "SELECT * FROM xoxo.code_mark",
            "INSERT INTO xoxo.job (name) VALUES ('x')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetch(statement)


async def test_a_reader_sees_no_key_of_the_marks(database: str) -> None:
    """With it, a guessed code could be told from one that was not issued; a worker needs it, and the rest is seen."""
    async with connected(database) as connection:
        await connection.execute("INSERT INTO xoxo.meta VALUES ('marks_key', 'k'), ('key_check', 'c')")
    seen: dict[str, set[str]] = {}
    for role in ("xoxo_reader", "xoxo_worker", "xoxo_owner"):
        async with connected(await user_of(database, role)) as user:
            seen[role] = {row["name"] for row in await user.fetch("SELECT name FROM xoxo.meta")}
    assert seen["xoxo_reader"] == {"generation", "schema_version"}
    assert seen["xoxo_worker"] == seen["xoxo_owner"] == seen["xoxo_reader"] | {"marks_key", "key_check"}


async def test_a_right_is_named_once(database: str) -> None:
    """Also where several columns of a table lack it."""
    async with connected(await user_of(database, "xoxo_reader")) as reader:
        missing = (await read_rights(reader)).missing
    assert len(missing) == len(set(missing))


async def test_a_stranger_is_refused_in_one_line(database: str) -> None:
    """The error names the command that gives rights."""
    url = await user_of(database, "")
    with pytest.raises(DatabaseError, match="xoxo ledger migrate") as caught:
        async with connected(url):
            raise AssertionError
    assert caught.value.final


async def test_only_who_may_makes_roles(database: str) -> None:
    """A worker cannot give itself rights."""
    async with connected(await user_of(database, "xoxo_worker")) as worker:
        with pytest.raises(DatabaseError, match="does not give this user the rights"):
            await apply_roles(worker, DatabaseAddress.read(database))


def test_the_sql_can_be_read_first() -> None:
    """A person who reviews it sees what runs."""
    assert "GRANT UPDATE (" in roles_sql()
