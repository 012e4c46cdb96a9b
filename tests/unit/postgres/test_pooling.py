"""`pooling`: what works through a pgbouncer, in each of its modes, and what is refused in one line."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import asyncpg
import pytest

from tests.pgbouncer import PGBOUNCER, running_pgbouncer
from tests.postgres import PostgresServer
from tests.unit.bulk.ledger.facts import alone, fact
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.allowance import PostgresAllowance
from xoxo_async.auth.lease import Lease
from xoxo_async.bulk.ledger.lines import Evidence, LineState
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.errors import ConfigError, LedgerError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.failures import DatabaseError, explain
from xoxo_async.postgres.operations import check_database, migrate_database
from xoxo_async.postgres.pooling import is_pooled, shares_sessions
from xoxo_async.workers.queue import PgqueuerEngine

Pooled = Callable[[str, str], str]
"""Return the URL of a database by way of a pooler in a mode."""

bouncing = pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer: apt-get install pgbouncer")
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def pooled(postgres: PostgresServer) -> Iterator[Pooled]:
    """Run a pgbouncer a mode. In transaction mode it has fewer connections to the server than it is asked for."""
    with ExitStack() as stack:
        ports = {
            mode: stack.enter_context(running_pgbouncer(postgres, mode, f"default_pool_size = {size}"))
            for mode, size in (("session", 20), ("transaction", 2), ("statement", 2))
        }
        yield lambda url, mode: url.replace(f":{postgres.port}/", f":{ports[mode]}/")


async def test_a_server_is_no_pooler(database: str) -> None:
    """Two connections have two processes, each the one that it was told; statements are kept prepared."""
    one, other = [await connect(DatabaseAddress.read(database), purpose="test") for _ in range(2)]
    try:
        assert not await is_pooled(one)
        assert not await shares_sessions(one, other)
        await one.fetchval("SELECT 1")
        assert await one.fetchval("SELECT count(*) FROM pg_prepared_statements") > 0
    finally:
        one.terminate()
        other.terminate()


@bouncing
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_two_workers_share_a_pooled_ledger(database: str, pooled: Pooled, mode: str) -> None:
    """Each line is claimed once, and each result is written, whichever connection of the server a statement gets."""
    url = pooled(database, mode)
    async with (
        PostgresLedger(url, job="march", codes_key="") as one,
        PostgresLedger(url, job="march", codes_key="") as other,
    ):
        await one.plan("march", each(alone(*range(40))))
        for _ in range(5):
            taken = await asyncio.gather(*(ledger.claim(4) for ledger in (one, other)))
            await asyncio.gather(
                *(
                    ledger.record([fact(line, Evidence.OUTCOME_LOST) for line in lines])
                    for ledger, lines in zip((one, other), taken, strict=True)
                )
            )
        counts = await other.counts()
        assert counts.states == {LineState.UNKNOWN: 40}
        assert [line.attempts async for line in one.lines()] == [1] * 40


@bouncing
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_allowance_and_token_by_a_pooler(database: str, pooled: Pooled, mode: str) -> None:
    """Slots follow each other, and one process holds the token."""
    url = pooled(database, mode)
    allowance = PostgresAllowance(url)
    take = {"member": "a", "interval_s": 1.0, "count": 1, "within_s": 60.0}
    first, second = [await allowance.take("acc", "placeOrder", **take) for _ in range(2)]
    assert second.first_s - first.first_s == pytest.approx(1.0, abs=0.5)
    await allowance.aclose()
    one, other = [Lease(DatabaseAddress.read(url), "one", lasts_s=30) for _ in range(2)]
    assert await one.take() == (0, None)
    assert await other.take() is None
    await one.release()
    assert await other.take() is not None
    await other.release()


@bouncing
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_an_operator_sees_the_pooler(postgres: PostgresServer, pooled: Pooled, mode: str) -> None:
    """The schema is made by way of it, and the check names its mode."""
    direct = await postgres.new_empty_database()
    await migrate_database(pooled(direct, mode))
    assert (await check_database(direct)).pooler == ""
    found = await check_database(pooled(direct, mode))
    assert (found.pooler, found.refused) == (mode, ())


@bouncing
async def test_no_statement_is_left_behind(database: str, pooled: Pooled) -> None:
    """Programs have the same names for their statements: one that stays would be another program's."""
    connection = await connect(DatabaseAddress.read(pooled(database, "transaction")), purpose="test")
    await connection.fetchval("SELECT $1::integer", 1)
    assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
    await connection.close()


@bouncing
@pytest.mark.parametrize("setting", ["synchronous_commit = off", "default_transaction_isolation = 'repeatable read'"])
async def test_what_another_client_has_set_is_no_refusal(database: str, pooled: Pooled, setting: str) -> None:
    """It is the setting of that connection to the server, which anyone may get next, and not the user's."""
    url = pooled(database, "transaction")
    other = await asyncpg.connect(url, statement_cache_size=0)
    await other.execute(f"SET {setting}")
    await other.close()
    name, _, value = setting.replace("'", "").partition(" = ")
    connection = await connect(DatabaseAddress.read(url), purpose="test")
    left = await connection.fetchval("SELECT current_setting($1)", name)
    await connection.close()
    assert left == value
    assert (await check_database(url)).refused == ()


@bouncing
async def test_the_settings_of_a_user_are_refused(database: str, pooled: Pooled) -> None:
    """Also where another client has set its connection right."""
    url = pooled(database, "transaction")
    direct = await asyncpg.connect(database)
    await direct.execute(f"ALTER DATABASE {database.rpartition('/')[2]} SET synchronous_commit = off")
    await direct.close()
    other = await asyncpg.connect(url, statement_cache_size=0)
    await other.execute("SET synchronous_commit = on")
    await other.close()
    with pytest.raises(DatabaseError, match="synchronous_commit = off") as caught:
        await connect(DatabaseAddress.read(url), purpose="test")
    assert caught.value.final
    assert "synchronous_commit = off" in (await check_database(url)).refused[0]


@bouncing
async def test_statement_mode_is_refused(database: str, pooled: Pooled) -> None:
    """It allows no transaction, so no plan is whole: one line says which modes do."""
    with pytest.raises(DatabaseError, match=r"statement mode.*transaction or session") as caught:
        await connect(DatabaseAddress.read(pooled(database, "statement")), purpose="test")
    assert caught.value.final
    with pytest.raises(LedgerError, match="statement mode"):
        await check_database(pooled(database, "statement"))


@bouncing
async def test_kept_statements_of_a_pooler_name_the_option(database: str, pooled: Pooled) -> None:
    """Who asks for prepared statements in transaction mode reads what to leave out."""
    address = DatabaseAddress.read(pooled(database, "transaction") + "?statement_cache_size=9")
    one, other = [await connect(address, purpose="test", check=False) for _ in range(2)]

    async def cross() -> None:
        await other.fetchval("SELECT 1")
        async with one.transaction():
            await one.fetchval("SELECT 2")  # on the connection of the server that has the statement of `other`
            await other.fetchval("SELECT 1")

    try:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await cross()
    finally:
        one.terminate()
        other.terminate()
    said = explain(caught.value, address)
    assert said.final
    assert "Leave statement_cache_size out" in said.message


@bouncing
async def test_the_queue_needs_a_connection_of_its_own(database: str, pooled: Pooled) -> None:
    """It listens on it: in transaction mode the notices would go to whoever has the connection."""
    connection = await connect(DatabaseAddress.read(pooled(database, "transaction")), purpose="queue")
    other = await connect(DatabaseAddress.read(pooled(database, "session")), purpose="queue")
    try:
        engine = PgqueuerEngine(DatabaseAddress.read(pooled(database, "transaction")))
        with pytest.raises(ConfigError, match=r"transaction mode.*--engine none"):
            await engine._require_session(connection)
        await PgqueuerEngine(DatabaseAddress.read(pooled(database, "session")))._require_session(other)
    finally:
        connection.terminate()
        other.terminate()


@bouncing
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param("/absent", "does not exist on this server", id="database"),
        pytest.param("noone@", "refuses the user or the password", id="user"),
    ],
)
async def test_a_pooler_s_refusal_is_final(database: str, pooled: Pooled, wrong: str, says: str) -> None:
    """It has one SQLSTATE for all, which is also that of a lost connection: a worker would wait for a minute."""
    url = pooled(database, "transaction")
    url = url.rpartition("/")[0] + wrong if wrong.startswith("/") else url.replace("xoxo@", wrong)
    with pytest.raises(DatabaseError, match=says) as caught:
        await connect(DatabaseAddress.read(url), purpose="test")
    assert caught.value.final
