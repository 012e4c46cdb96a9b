"""`allowance.postgres`: what belongs to a database alone; `test_protocol` has what every store does."""

import asyncio
import math
from contextlib import suppress
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from tests.postgres import PostgresServer, running_postgres
from xoxo_async.allowance import AwayError, Grant, PostgresAllowance
from xoxo_async.errors import ConfigError
from xoxo_async.postgres.operations import migrate_database

pytestmark = pytest.mark.anyio


async def take(store: PostgresAllowance, operation: str = "placeOrder", count: int = 1) -> Grant:
    return await store.take("acc", operation, member="a", interval_s=1.0, count=count, within_s=math.inf)


@pytest.fixture
def empty(postgres: PostgresServer) -> str:
    return asyncio.run(postgres.new_empty_database())


async def test_a_database_without_the_table(empty: str) -> None:
    """The error says what to run."""
    with pytest.raises(ConfigError, match="run `xoxo ledger migrate --ledger postgresql://"):
        await take(PostgresAllowance(empty))


async def test_a_database_that_is_not_there(database: str) -> None:
    """The error says that the server has no such database."""
    absent = database.rpartition("/")[0] + "/absent"
    with pytest.raises(ConfigError, match="does not exist on this server"):
        await take(PostgresAllowance(absent))


async def test_a_user_without_rights(database: str) -> None:
    """A user who may not write the table is told so."""
    admin = await asyncpg.connect(database)
    name = f"reader{abs(hash(database)) % 10**8}"
    await admin.execute(f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA xoxo TO {name};"
                        f" GRANT SELECT ON ALL TABLES IN SCHEMA xoxo TO {name}")  # fmt: skip
    try:
        store = PostgresAllowance(database.replace("xoxo@", f"{name}:hidden-word@"))
        with pytest.raises(ConfigError) as caught:
            await take(store)
        assert "rights" in caught.value.message
        assert "hidden-word" not in caught.value.message
    finally:
        await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
        await admin.close()


async def test_no_server_is_no_fault_of_the_setting() -> None:
    """A server that is down is away, so that the processes go on alone."""
    with pytest.raises(AwayError, match="cannot be reached"):
        await take(PostgresAllowance("postgresql://x:hidden@127.0.0.1:1/x"))


# A glibc locale, and ICU's with the same rule: letters and digits are compared first, marks such as `#` at last.
_SORTINGS = ("LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'", "LOCALE_PROVIDER icu ICU_LOCALE 'en-u-ka-shifted'")


@pytest.fixture
async def sorted_otherwise(postgres: PostgresServer) -> str:
    """Make a migrated database that sorts texts by the rules of a language, and return its URL."""
    admin = await asyncpg.connect(postgres.dsn())
    try:
        for sorting in _SORTINGS:
            name = f"t{uuid4().hex[:12]}"
            with suppress(asyncpg.PostgresError):
                await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {sorting}")
                await migrate_database(postgres.dsn(name))
                return postgres.dsn(name)
    finally:
        await admin.close()
    pytest.skip("the server has neither the locale en_US.UTF-8 nor ICU")


async def test_members_are_counted_in_every_sorting(sorted_otherwise: str) -> None:
    """The processes of an operation are found where the database sorts texts as a language does."""
    found = []
    for member in ("100-ab", "101-cd", "102-ef"):
        store = PostgresAllowance(sorted_otherwise)
        for operation in ("placeOrder", "placeOrders", "place"):
            grant = await store.take("acc", operation, member=member, interval_s=0.01, count=1, within_s=math.inf)
        look = await store.take("acc", "placeOrder", member=member, interval_s=0.01, count=0, within_s=math.inf)
        found.append((grant.members, look.members))
        await store.aclose()
    assert found == [(1, 1), (2, 2), (3, 3)]


async def test_a_connection_that_breaks_is_opened_again(database: str) -> None:
    """The database ends the connection; that call fails, and the next one works."""
    store = PostgresAllowance(database)
    await take(store)
    admin = await asyncpg.connect(database)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'xoxo allowance' AND datname = current_database()"
    )
    await admin.close()
    await asyncio.sleep(0.05)
    try:
        grant = await take(store)
    except AwayError:
        grant = await take(store)
    assert grant.first_s == pytest.approx(1, abs=0.9)
    await store.aclose()


# What a statement sets counts when its transaction is committed, so a deferred trigger looks at that moment.
_WATCH = """
CREATE TABLE public.seen (operation text, setting text);
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (NEW.operation, current_setting('synchronous_commit'));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON xoxo.allowance DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.look();
"""


async def test_who_waits_for_the_disk(database: str) -> None:
    """A penalty does, and a grant whose end a server that starts again might not have reached; no other grant."""
    admin = await asyncpg.connect(database)
    await admin.execute(_WATCH)
    store = PostgresAllowance(database)
    for operation, interval_s, count in (("quick", 0.01, 10), ("slow", 6.06, 1), ("long", 0.3, 5)):
        await store.take("acc", operation, member="a", interval_s=interval_s, count=count, within_s=math.inf)
    await store.hold("acc", "held", 30)
    await store.take("acc", "held", member="a", interval_s=0.01, count=1, within_s=math.inf)
    await store.aclose()
    seen = await admin.fetch("SELECT operation, setting FROM public.seen")
    await admin.close()
    assert [tuple(row) for row in seen] == [
        ("quick#a", "off"),
        ("quick", "off"),
        ("slow#a", "off"),
        ("slow", "on"),
        ("long#a", "off"),
        ("long", "on"),
        ("held", "on"),
        ("held#a", "off"),
        ("held", "on"),
    ]


async def test_the_table_stays_small_and_its_updates_cheap(database: str) -> None:
    """A thousand grants leave one row for the lane and one for the process, and nearly all are HOT updates."""
    store = PostgresAllowance(database)
    for _ in range(1000):
        await take(store)
    async with store._connected() as (_, connection):
        rows = await connection.fetch("SELECT operation FROM xoxo.allowance ORDER BY operation")
        await connection.execute("SELECT pg_stat_force_next_flush()")
        stats = await connection.fetchrow(
            "SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'allowance'"
        )
    await store.aclose()
    assert [row["operation"] for row in rows] == ["placeOrder", "placeOrder#a"]
    assert stats is not None
    assert Decimal(stats["hot"]) >= Decimal("0.9") * stats["updates"] > 0


def test_an_earlier_loop_leaves_no_trace(database: str) -> None:
    """One store serves event loops one after the other, each with a connection of its own."""
    store = PostgresAllowance(database)

    async def use() -> float:
        first_s = (await take(store)).first_s
        await store.aclose()
        return first_s

    assert [asyncio.run(use()) for _ in range(2)] == pytest.approx([0, 1], abs=0.7)


@pytest.mark.database
def test_a_server_that_stops_and_starts() -> None:
    """While the server is down the store is away; when it is back, the store works without being made anew."""
    with running_postgres() as server:
        store = PostgresAllowance(server.database())

        async def use() -> str:
            try:
                return str((await take(store)).count)
            except AwayError as error:
                return str(error)
            finally:
                await store.aclose()

        assert asyncio.run(use()) == "1"
        server.stop()
        assert "cannot be reached" in asyncio.run(use())
        server.start()
        assert asyncio.run(use()) == "1"
