"""A connection is refused where the database would lose what it has confirmed, or is not ours."""

import logging
import socket
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import anyio
import asyncpg
import pytest

from tests.postgres import PostgresServer
from xoxo_async.errors import ConfigError
from xoxo_async.postgres import connecting
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.failures import DatabaseError
from xoxo_async.postgres.options import VARIABLES

pytestmark = pytest.mark.anyio


async def refusal(url: str, **options: bool) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        await connect(DatabaseAddress.read(url), purpose="tests", **options)
    assert "s3cret" not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


async def alter(database: str, statement: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(statement)
    await connection.close()


async def test_a_good_database_is_opened(database: str) -> None:
    """The operator sees in pg_stat_activity what the connection is for."""
    connection = await connect(DatabaseAddress.read(database), purpose="ledger")
    assert await connection.fetchval("SHOW application_name") == "xoxo ledger"
    await connection.close()


async def test_a_database_without_the_schema_names_the_command(postgres: PostgresServer) -> None:
    """Who forgot the first step reads which one."""
    error = await refusal(await postgres.new_empty_database())
    assert error.final
    assert "xoxo ledger migrate" in error.message


@pytest.mark.parametrize(("version", "advice"), [("0099", "install the version"), ("0", "not their version")])
async def test_another_version_is_refused(database: str, version: str, advice: str) -> None:
    """A worker of another version must not write."""
    await alter(database, f"UPDATE xoxo.meta SET value = '{version}' WHERE name = 'schema_version'")  # noqa: S608
    error = await refusal(database)
    assert error.final
    assert advice in error.message


async def test_commits_that_are_lost_are_refused(database: str) -> None:
    """With synchronous_commit = off, a crash forgets an intent whose order was sent."""
    name = database.rpartition("/")[2]
    await alter(database, f"ALTER DATABASE {name} SET synchronous_commit = off")
    error = await refusal(database)
    assert error.final
    assert "synchronous_commit" in error.message


async def test_a_read_only_database_is_refused_for_writing(database: str) -> None:
    """It is final: an operator has to act. Reading goes on."""
    name = database.rpartition("/")[2]
    await alter(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    error = await refusal(database)
    assert error.final
    assert "read-only" in error.message
    await (await connect(DatabaseAddress.read(database), purpose="tests", read_only=True)).close()


async def test_a_wrong_name_is_final_and_a_closed_port_is_not(postgres: PostgresServer, database: str) -> None:
    """A worker waits for a server that restarts, and ends where a person must act."""
    wrong = await refusal(postgres.dsn("no_such").replace("xoxo@", "xoxo:s3cret@"))
    assert wrong.final
    assert "does not exist on this server" in wrong.message
    down = await refusal("postgresql://xoxo:s3cret@127.0.0.1:1/x")
    assert not down.final
    assert "cannot be reached" in down.message


async def test_a_user_without_rights_is_named(postgres: PostgresServer, database: str) -> None:
    """The refusal says what to do."""
    await alter(database, "DROP ROLE IF EXISTS poor")
    await alter(database, "CREATE ROLE poor LOGIN")
    error = await refusal(database.replace("xoxo@", "poor:s3cret@"))
    assert error.final
    assert "rights" in error.message


async def test_a_bad_option_is_a_config_error() -> None:
    """The driver's own text may repeat a part of the password."""
    with pytest.raises(ConfigError) as caught:
        await connect(DatabaseAddress.read("postgresql://me:s3cret@127.0.0.1:1/x?sslmode=what"), purpose="tests")
    assert "s3cret" not in caught.value.message


async def test_loopback_needs_no_tls(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """The warning is for connections that leave the machine."""
    with caplog.at_level(logging.WARNING):
        await (await connect(DatabaseAddress.read(database), purpose="tests")).close()
    assert not caplog.records


async def test_a_readable_connection_is_told_once(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker opens a connection for each purpose, and again after each cut."""
    monkeypatch.setattr(connecting, "ipaddress", SimpleNamespace(ip_address=lambda _: IPv4Address("192.0.2.7")))
    for _ in range(3):
        connection = await connect(DatabaseAddress.read(database), purpose="tests")
        await connection.close()
    (told,) = (record.message for record in caplog.records)
    assert told.startswith(f"the connection to {DatabaseAddress.read(database).name} is not encrypted")


async def test_another_isolation_is_refused(database: str) -> None:
    """Each statement has to see what was committed before it: a snapshot of the past gives lines out in vain."""
    name = database.rpartition("/")[2]
    await alter(database, f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    error = await refusal(database)
    assert error.final
    assert "default_transaction_isolation" in error.message


async def test_a_server_without_tls_says_so(database: str) -> None:
    """It is final: the connection is cut off, which looks as if the server were restarted."""
    error = await refusal(f"{database}?sslmode=require")
    assert error.final
    assert "has no TLS" in error.message
    assert "sslmode" in error.message


async def test_options_of_libpq_reach_the_connection(database: str) -> None:
    """Those that the driver does not know are set here; a setting of the server goes to the server."""
    url = f"{database}?keepalives_idle=77&keepalives=1&application_name=nightly&options=-c%20statement_timeout%3D5s"
    connection = await connect(DatabaseAddress.read(url), purpose="ledger")
    own_socket = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
    assert own_socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert own_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
    assert await connection.fetchval("SHOW application_name") == "xoxo ledger (nightly)"
    assert await connection.fetchval("SHOW statement_timeout") == "5s"
    await connection.close()


async def test_the_largest_keepalives_are_taken(database: str) -> None:
    """The bounds of the options are those of the system."""
    url = f"{database}?keepalives_idle=32767&keepalives_interval=32767&keepalives_count=127&tcp_user_timeout=999999999"
    connection = await connect(DatabaseAddress.read(url), purpose="tests")
    own_socket = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
    assert own_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 127
    await connection.close()


async def test_a_socket_that_refuses_an_option_is_closed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system may have smaller bounds. The line names the option, and the connection does not stay open."""
    opened, driver = [], asyncpg.connect

    async def connecting(*given: object, **options: Any) -> asyncpg.Connection:
        opened.append(await driver(*given, **options))
        return opened[-1]

    monkeypatch.setattr(asyncpg, "connect", connecting)
    monkeypatch.setattr(socket, "TCP_KEEPIDLE", 9999)  # no system has an option of this number
    with pytest.raises(ConfigError, match="does not take the value of keepalives_idle") as caught:
        await connect(DatabaseAddress.read(f"{database}?keepalives_idle=77"), purpose="tests")
    assert "\n" not in caught.value.message
    assert opened[0].is_closed()


async def test_empty_variables_are_none(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver reads some of them by itself, and takes an empty one for a wrong value."""
    for variable in VARIABLES.keys() - {"PGSSLMODE"}:
        monkeypatch.setenv(variable, "")
    for read_only in (False, True):
        await (await connect(DatabaseAddress.read(database), purpose="tests", read_only=read_only)).close()


async def test_commits_lost_by_an_option_are_refused(database: str) -> None:
    """What the URL sets counts as what the server has."""
    error = await refusal(f"{database}?options=-c%20synchronous_commit%3Doff")
    assert error.final
    assert "synchronous_commit" in error.message


async def test_the_urls_timeout_ends_the_wait() -> None:
    """A server that says nothing is given up after that; a longer time does not outlast ours."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x?sslmode=disable&connect_timeout="
        for its_own, ours in ((1, 60), (60, 1)):
            with anyio.fail_after(30), pytest.raises(DatabaseError, match="does not answer"):
                await connect(DatabaseAddress.read(f"{url}{its_own}"), purpose="tests", timeout_s=ours)
