"""`ledger`: an operator makes, checks and purges a database; a file is none."""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable

import pytest

from tests.postgres import PostgresServer
from tests.unit.cli.in_process import Command
from tests.unit.postgres.rows import add_job, connected
from xoxo_async.postgres.driver import DatabaseConnection


def within(database: str, work: Callable[[DatabaseConnection], Awaitable[object]]) -> None:
    async def connect() -> None:
        async with connected(database) as connection:
            await work(connection)

    asyncio.run(connect())


def test_migrating_tells_both_versions(command: Command, postgres: PostgresServer) -> None:
    """A second time it says that nothing was to be done."""
    url = asyncio.run(postgres.new_empty_database())
    ended = command("ledger", "migrate", "--ledger", url)
    assert (ended.code, ended.out.splitlines()[0]) == (0, f"{url}: version none before, 1 now")
    facts = command("ledger", "migrate", "--ledger", url, "--roles", "apply", "--json").facts
    assert facts == {"ledger": url, "before": 1, "after": 1, "roles": True}
    assert "version 1 already" in command("ledger", "migrate", "--ledger", url).out


def test_the_sql_of_the_roles_is_printed(command: Command) -> None:
    """Nothing is reached for it."""
    ended = command("ledger", "migrate", "--ledger", "postgresql://127.0.0.1:9/x", "--roles", "print")
    assert (ended.code, "CREATE ROLE" in ended.out) == (0, True)


def test_a_check_shows_the_jobs(command: Command, database: str) -> None:
    """A sound database ends with 0; wrong counts with 4; one that a worker refuses with 2."""
    within(database, lambda connection: add_job(connection, "march", "placed", "planned"))
    ended = command("ledger", "check", "--ledger", database)
    assert (ended.code, "all counts agree" in ended.out) == (0, True)
    assert "march\trunning\t2\t1\t0\t0" in ended.out
    assert "\nmarch,running,2,1,0,0," in command("ledger", "check", "--ledger", database, "--output", "csv").out
    within(database, lambda connection: connection.execute("UPDATE xoxo.tally SET orders = orders + 1"))
    wrong = command("ledger", "check", "--ledger", database, "--json")
    assert (wrong.code, wrong.facts["exit_code"], len(wrong.facts["wrong"])) == (4, 4, 2)
    assert wrong.facts["jobs"][0]["orders"] == {"placed": 1, "planned": 1}
    within(database, lambda connection: connection.execute("UPDATE xoxo.meta SET value = '7' WHERE name LIKE 's%'"))
    refused = command("ledger", "check", "--ledger", database)
    assert (refused.code, "refused: the schema `xoxo` has version 7" in refused.err) == (2, True)


def test_a_restored_database_is_told(command: Command, database: str) -> None:
    """The generation rises with each call."""
    within(database, lambda connection: add_job(connection, "march", "planned"))
    ended = command("ledger", "check", "--ledger", database, "--restored")
    assert (ended.code, "generation 2: workers claim nothing" in ended.err) == (0, True)
    assert "warning: job march: the database was restored" in ended.err


def test_a_purge_needs_a_word(command: Command, database: str) -> None:
    """It cannot be undone, so without a terminal it needs --yes."""
    within(database, lambda connection: add_job(connection, "march", "placed", "rejected"))
    asked = command("ledger", "purge", "--ledger", f"{database}#march")
    assert (asked.code, "needs --yes; nothing was purged" in asked.err) == (2, True)
    facts = command("ledger", "purge", "--ledger", database, "--job", "march", "--yes", "--json").facts
    assert facts["purged"] == [{"job": "march", "rows": 2, "orders": 2}]
    assert command("ledger", "purge", "--ledger", database, "--older-than", "0", "--yes").out == "nothing to purge\n"
    again = command("ledger", "purge", "--ledger", database, "--job", "march", "--yes")
    assert (again.code, "is purged already" in again.err) == (2, True)


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_a_person_is_asked(
    command: Command, database: str, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    """On a terminal the jobs are shown before the question."""
    within(database, lambda connection: add_job(connection, "march", "placed"))
    monkeypatch.setattr("xoxo_async.cli.ledger.is_terminal", lambda _stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    ended = command("ledger", "purge", "--ledger", database, "--job", "march")
    assert ended.code == code
    assert "job march: 1 row, last recorded 1970-01-01" in ended.err
    assert ("purged" in ended.out) is (code == 0)


def test_an_unfinished_job_is_not_purged(command: Command, database: str) -> None:
    """The error says what is left of it."""
    within(database, lambda connection: add_job(connection, "march", "placed", "unknown"))
    ended = command("ledger", "purge", "--ledger", database, "--job", "march", "--yes")
    assert (ended.code, "not finished (1 in doubt): nothing was purged" in ended.err) == (2, True)
    others = command("ledger", "purge", "--ledger", database, "--older-than", "0", "--yes", "--json")
    assert (others.code, others.facts["open"]) == (0, {"march": "1 in doubt"})


@pytest.mark.parametrize("action", ["migrate", "check", "purge"])
def test_a_file_needs_none_of_it(command: Command, action: str) -> None:
    """The error says what to give instead, and makes no file."""
    ended = command("ledger", action, "--ledger", "march.db", *(["--job", "m"] if action == "purge" else []))
    assert (ended.code, "is a file" in ended.err) == (2, True)


def test_jobs_to_purge_are_named(command: Command) -> None:
    """Without a name and an age nothing is purged."""
    assert command("ledger", "purge", "--ledger", "postgresql://127.0.0.1:9/x", "--yes").code == 2


def test_the_driver_is_an_extra(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    ended = command("ledger", "check", "--ledger", "postgresql://127.0.0.1:9/x")
    assert (ended.code, "pip install 'xoxo-async[postgres]'" in ended.err) == (2, True)


def test_no_output_has_the_password(command: Command) -> None:
    """Not the error, not the warning, not the JSON."""
    ended = command("ledger", "check", "--ledger", "postgresql://xoxo:s3cret@127.0.0.1:9/x", "--json")
    assert (ended.code, "cannot be reached" in ended.facts["error"]) == (2, True)
    assert "s3cret" not in ended.out + ended.err
