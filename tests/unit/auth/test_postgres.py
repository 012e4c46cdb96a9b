"""`auth.postgres`: many processes renew one pair once, and a lease that was lost never loses a pair."""

import asyncio
import copy
import pickle
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest

from tests.postgres import PostgresServer
from tests.unit.auth.endpoints import CLIENT, LIFETIME, NOW, Clock, Endpoint, Vendor, provider
from xoxo_async import ClientCredentials, PostgresTokenStore, RefreshToken, errors
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.auth.lease import Lease
from xoxo_async.auth.sharing import SharedTokenStore
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

KEY, OTHER_KEY = "A" * 43 + "=", "B" * 43 + "="


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XOXO_LEDGER_KEY", raising=False)


async def sql(database: str, statement: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def rows(database: str) -> list[asyncpg.Record]:
    return await sql(database, "SELECT * FROM xoxo.token ORDER BY account")


def due(token: Token) -> Token:
    """Return a token for `obtain` to renew: the one that the vendor has just refused."""
    return token


# What is kept, and how.


async def test_another_process_goes_on_from_the_pair(database: str) -> None:
    """A provider with a store of its own, as after a restart or on another machine, uses the pair and renews it."""
    vendor = Vendor("first")
    first = await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
    assert await provider("first", PostgresTokenStore(database)).obtain(vendor, None) == first
    assert (await provider("first", PostgresTokenStore(database)).obtain(vendor, due(first))).access == Secret("a2")
    assert vendor.sent == ["first", "r1"]
    [row] = await rows(database)
    assert (row["gen"], row["owner"]) == (2, "")


async def test_with_a_key_the_row_shows_no_token(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is the ledger's; without one the row is in clear, and a key that comes later seals the next pair."""
    vendor = Vendor("first")
    first = await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
    [row] = await rows(database)
    assert '"refresh_token":"r1"' in row["pair"]
    monkeypatch.setenv("XOXO_LEDGER_KEY", KEY)
    await provider("first", PostgresTokenStore(database)).obtain(vendor, due(first))
    [row] = await rows(database)
    assert row["pair"].startswith("sealed1:")
    assert (await provider("first", PostgresTokenStore(database, key=KEY)).obtain(vendor, None)).access == Secret("a2")


@pytest.mark.parametrize(
    ("key", "says"), [("", "XOXO_LEDGER_KEY is not set"), (OTHER_KEY, "does not open with this .*delete the row")]
)
async def test_another_key_spends_nothing(database: str, key: str, says: str) -> None:
    """Without the key nothing is requested, and the pair stays."""
    vendor = Vendor("first")
    first = await provider("first", PostgresTokenStore(database, key=KEY)).obtain(vendor, None)
    before = await rows(database)
    with pytest.raises(errors.ConfigError, match=says):
        await provider("first", PostgresTokenStore(database, key=key)).obtain(vendor, due(first))
    assert vendor.sent == ["first"]
    assert await rows(database) == before


@pytest.mark.parametrize("content", ["", "{}", "secret-text", "sealed1:", "sealed1:AAAA", "[1]"])
async def test_rubbish_in_the_row_spends_nothing(database: str, content: str) -> None:
    """The error names the database and repeats nothing."""
    vendor = Vendor("first")
    for key in ("", KEY):
        renewing = provider("first", PostgresTokenStore(database, key=key))
        account = renewing._store_at("")._account  # type: ignore[attr-defined]
        await sql(
            database, "INSERT INTO xoxo.token (account, pair) VALUES ($1, $2) ON CONFLICT DO NOTHING", account, content
        )
        with pytest.raises(errors.ConfigError, match="the token in postgresql://xoxo@") as caught:
            await renewing.obtain(vendor, None)
        assert "secret-text" not in str(caught.value)
    assert vendor.sent == []


async def test_a_row_moved_to_another_account_stays_shut(database: str) -> None:
    """What is sealed for one account does not open for another one."""
    vendor = Vendor("first")
    await provider("first", PostgresTokenStore(database, key=KEY)).obtain(vendor, None)
    other = provider("first", PostgresTokenStore(database, key=KEY), client_id="another-client-id")
    await sql(database, "UPDATE xoxo.token SET account = $1", other._store_at("")._account)  # type: ignore[attr-defined]
    with pytest.raises(errors.ConfigError, match="does not open"):
        await other.obtain(vendor, None)
    assert vendor.sent == ["first"]


class AtAddress(Vendor):
    def __init__(self, base_url: str, *valid: str) -> None:
        super().__init__(*valid)
        self.base_url = base_url


async def test_each_account_has_a_row_of_its_own(database: str) -> None:
    """Another client id, family or address shares nothing; another refresh token of one client shares the row."""
    store = PostgresTokenStore(database)
    for vendor, client_id, family in (
        (AtAddress("https://one", "first"), CLIENT, "user"),
        (AtAddress("https://two", "first"), CLIENT, "user"),
        (AtAddress("https://one", "first"), "another-client", "user"),
        (AtAddress("https://one", "first"), CLIENT, "company"),
    ):
        renewing = RefreshToken(client_id, "s", "first", store=store, family=family, clock=Clock())  # type: ignore[arg-type]
        await renewing.obtain(vendor, None)
        assert vendor.sent == ["first"]
    assert len(await rows(database)) == 4
    newer = AtAddress("https://one", "second")
    assert (await provider("second", store).obtain(newer, None)).access == Secret("a1")  # a person's new pair is used
    assert len(await rows(database)) == 4


def test_the_store_shows_no_password_and_no_key() -> None:
    """Its repr is the database's name; it cannot be pickled, and a copy is the same store."""
    store = PostgresTokenStore("postgresql://me:s3cret@host/db", key=KEY)
    assert repr(store) == "PostgresTokenStore('postgresql://me@host/db')"
    assert copy.copy(store) is copy.deepcopy(store) is store
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(store)
    assert isinstance(store, SharedTokenStore)


async def test_a_dead_token_without_a_row_says_import(database: str) -> None:
    """The pair may be in a file of before; a volume would not help."""
    with pytest.raises(
        errors.RefreshTokenDeadError, match=r"PostgresTokenStore.*held no pair.*xoxo token import"
    ) as caught:
        await provider("first", PostgresTokenStore(database)).obtain(Vendor(), None)
    assert "volume" not in str(caught.value)


# What cannot work is said before anything is sent.


@pytest.mark.parametrize(
    ("dsn", "options", "says"),
    [
        ("host=x", {}, "postgresql://"),
        ("redis://host", {}, "postgresql://"),
        ("postgresql://host/db", {"key": "s3cret"}, "XOXO_LEDGER_KEY must be 32 bytes"),
        ("postgresql://host/db", {"lease_s": 0}, "lease_s"),
        ("postgresql://host/db", {"lock_timeout_s": -1}, "lock_timeout_s"),
    ],
)
def test_a_wrong_setting_is_a_config_error(dsn: str, options: dict[str, object], says: str) -> None:
    """The constructor refuses it, and opens nothing."""
    with pytest.raises(errors.ConfigError, match=says) as caught:
        PostgresTokenStore(dsn, **options)  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is importable without asyncpg; to make a store needs it."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.setattr("xoxo_async.auth.postgres.find_spec", lambda _name: None)
    with pytest.raises(errors.ConfigError, match=r"xoxo-async\[postgres\]"):
        PostgresTokenStore("postgresql://host/db")


async def test_a_store_without_an_account_says_so() -> None:
    """A provider of one's own has to name its row."""
    with pytest.raises(errors.ConfigError, match="of_account"):
        await PostgresTokenStore("postgresql://host/db").load()


async def test_a_missing_table_names_the_command(postgres: PostgresServer) -> None:
    """Nothing is sent, and the error says what to run."""
    vendor = Vendor("first")
    with pytest.raises(errors.ConfigError, match="xoxo ledger migrate"):
        await provider("first", PostgresTokenStore(await postgres.new_empty_database())).obtain(vendor, None)
    assert vendor.sent == []


async def test_a_database_down_may_be_tried_again(free_tcp_port: int) -> None:
    """The error is retryable, says what cannot be reached, and holds no password; nothing is sent."""
    vendor = Vendor("first")
    store = PostgresTokenStore(f"postgresql://me:s3cret@127.0.0.1:{free_tcp_port}/db")
    with pytest.raises(
        errors.TokenStoreError, match=rf"postgresql://me@127\.0\.0\.1:{free_tcp_port}/db cannot be"
    ) as caught:
        await provider("first", store).obtain(vendor, None)
    assert (caught.value.retryable, caught.value.effect) == (True, "none")
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "\n" not in str(caught.value)
    assert vendor.sent == []


async def test_a_standby_may_be_tried_again(database: str) -> None:
    """In the middle of a fail-over the database is read-only; it is not when the standby has taken over."""
    name = database.rpartition("/")[2]
    await sql(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    vendor = Vendor("first")
    with pytest.raises(errors.AuthError, match="read-only") as caught:
        await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
    assert caught.value.retryable
    assert vendor.sent == []


async def test_a_row_that_cannot_be_written_spends_nothing(database: str, postgres: PostgresServer) -> None:
    """A user who may take the lease and may not store a pair is found before the refresh token is sent."""
    vendor = Vendor("first")
    await sql(database, "CREATE ROLE half LOGIN")
    try:
        for grant in (
            "GRANT USAGE ON SCHEMA xoxo TO half",
            "GRANT SELECT ON ALL TABLES IN SCHEMA xoxo TO half",
            "GRANT INSERT, UPDATE (owner, owned_until) ON xoxo.token TO half",
        ):
            await sql(database, grant)
        with pytest.raises(errors.TokenStoreError, match=r"rights.*a refresh token is not spent"):
            await provider("first", PostgresTokenStore(database.replace("xoxo@", "half@"))).obtain(vendor, None)
    finally:
        await sql(database, "DROP OWNED BY half")
        await sql(database, "DROP ROLE half")
    assert vendor.sent == []


# Many at once.


async def test_processes_at_their_first_start_renew_once(database: str) -> None:
    """The first takes the lease, and the others wait and get its pair."""
    vendor = Vendor("first")
    tokens = []

    async def start() -> None:
        tokens.append(await provider("first", PostgresTokenStore(database)).obtain(vendor, None))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(start)
    assert vendor.sent == ["first"]
    assert len(set(tokens)) == 1


async def test_clients_that_share_one_store_object_renew_once(database: str) -> None:
    """Each has a lease of its own, also in one process."""
    vendor, store = Vendor("first"), PostgresTokenStore(database)
    renewing = provider("first", store)
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(renewing.obtain, vendor, None)
    assert vendor.sent == ["first"]


async def test_short_lived_clients_make_one_token(database: str) -> None:
    """Ten providers, each as in a process of its own, make one request; a wrong secret does not get that token."""
    endpoint = Endpoint({"access_token": "tok", "expires_in": LIFETIME})
    for _ in range(10):
        store = PostgresTokenStore(database)
        token = await ClientCredentials("me", "s", store=store, clock=Clock()).obtain(endpoint, None)
        assert token.access == Secret("tok")
    assert len(endpoint.asked) == 1
    await ClientCredentials("me", "wrong", store=PostgresTokenStore(database), clock=Clock()).obtain(endpoint, None)
    assert len(endpoint.asked) == 2


async def test_a_fresh_token_waits_for_no_renewal(database: str) -> None:
    """While another process holds the lease, a token that is still good is read beside it."""
    store = PostgresTokenStore(database).of_account("one")
    await store.save(Token(Secret("good")))
    async with store.lock(), anyio.create_task_group() as group:

        async def read() -> None:
            with anyio.fail_after(30):
                assert await PostgresTokenStore(database).of_account("one").load() == Token(Secret("good"))

        group.start_soon(read)


async def test_who_holds_the_lease_too_long_is_named(database: str) -> None:
    """The error names the host and the process, and may be tried again."""
    vendor = Vendor("first")
    slow = provider("first", PostgresTokenStore(database))
    async with slow._store_at("").lock():
        waiting = provider("first", PostgresTokenStore(database, lock_timeout_s=0.2))

        async def wait() -> None:
            with pytest.raises(errors.TokenStoreError, match=r":\d+ has held its lock for 0.2 s") as caught:
                await waiting.obtain(vendor, None)
            assert caught.value.retryable

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
    assert vendor.sent == []


async def test_a_slow_renewal_keeps_its_lease(database: str) -> None:
    """The lease is extended while the request is under way, however short it is."""
    vendor, tokens = Vendor("first"), []

    async def slowly(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
        answer = await vendor(path, body, kind)
        await anyio.sleep(3.0)
        return answer

    async def obtain() -> None:
        tokens.append(await provider("first", PostgresTokenStore(database, lease_s=2)).obtain(slowly, None))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(obtain)
    assert vendor.sent == ["first"]
    assert len(set(tokens)) == 1


async def test_a_cancelled_renewal_gives_the_lease_back(database: str) -> None:
    """The next process need not wait for the end of the lease."""
    vendor = Vendor("first")
    with anyio.CancelScope() as scope:

        async def leave(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        await provider("first", PostgresTokenStore(database)).obtain(leave, None)
    [row] = await rows(database)
    assert row["owner"] == ""
    with anyio.fail_after(30):
        await provider("first", PostgresTokenStore(database)).obtain(vendor, None)


async def test_loops_in_threads_share_the_row(database: str) -> None:
    """A store belongs to no event loop."""
    store, vendor = PostgresTokenStore(database), Vendor("first")
    lock = threading.Lock()

    async def one_at_a_time(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
        with lock:
            return await vendor(path, body, kind)

    def run() -> None:
        asyncio.run(provider("first", store).obtain(one_at_a_time, None))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(anyio.to_thread.run_sync, run)
    assert vendor.sent == ["first"]


# A process that is stopped while it holds the lease, and wakes after another has taken over.


class Stopped:
    """A token endpoint that one process reaches and then is stopped: its answer comes when the test says so."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.reached = anyio.Event()
        self.awake = anyio.Event()
        self.before_sending = False

    async def __call__(self, path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
        if self.before_sending:
            self.reached.set()
            await self.awake.wait()
        answer = await self.vendor(path, body, kind)
        self.reached.set()
        await self.awake.wait()
        return answer


@pytest.fixture
def _stopped_processes_extend_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_self: Lease) -> bool:
        return False

    monkeypatch.setattr(Lease, "extend", never)


@asynccontextmanager
async def stopped_in_a_renewal(
    database: str, endpoint: Stopped, tokens: list[Token], *, first: str = "first"
) -> AsyncIterator[None]:
    """Run a provider up to where its endpoint stops it; after the block it goes on, and its token is in the list."""

    async def obtain() -> None:
        tokens.append(await provider(first, PostgresTokenStore(database, lease_s=0.1)).obtain(endpoint, None))

    async with anyio.create_task_group() as group:
        group.start_soon(obtain)
        with anyio.fail_after(10):
            await endpoint.reached.wait()
        yield
        endpoint.awake.set()


@pytest.mark.usefixtures("_stopped_processes_extend_nothing")
async def test_a_late_only_pair_is_stored(database: str) -> None:
    """The sleeper's pair is stored although its lease has ended, because it may be the only live one.

    Until then the other process cannot renew, and its error says who has not ended a renewal.
    """
    vendor, tokens = Vendor("first"), list[Token]()
    other = provider("first", PostgresTokenStore(database))
    async with stopped_in_a_renewal(database, Stopped(vendor), tokens):
        with pytest.raises(errors.RefreshTokenDeadError, match=r"unless the process \S+:\d+ goes on"):
            await other.obtain(vendor, None)
    assert [token.access for token in tokens] == [Secret("a1")]
    assert await other.obtain(vendor, None) == tokens[0]
    assert vendor.sent == ["first", "first"]


@pytest.mark.usefixtures("_stopped_processes_extend_nothing")
async def test_a_refusal_is_followed_by_another_look(database: str) -> None:
    """Where the sleeper stores its pair during the other's request, the other uses it and raises nothing."""
    vendor, tokens = Vendor("first"), list[Token]()
    endpoint = Stopped(vendor)

    async def while_the_sleeper_stores(path: str, body: bytes, kind: str, /) -> ExchangeAnswer:
        endpoint.awake.set()
        with anyio.fail_after(30):
            while not tokens:
                await anyio.sleep(0.01)
        return await vendor(path, body, kind)

    async with stopped_in_a_renewal(database, endpoint, tokens):
        token = await provider("first", PostgresTokenStore(database)).obtain(while_the_sleeper_stores, None)
    assert [token] == tokens
    assert vendor.sent == ["first", "first"]


@pytest.mark.usefixtures("_stopped_processes_extend_nothing")
async def test_a_sleeper_never_writes_over_a_newer_pair(database: str) -> None:
    """With a vendor that takes the old token again, the pair of who took over stays, and the sleeper uses it."""
    vendor, tokens = Vendor("first"), list[Token]()
    vendor.grace = {"first"}
    async with stopped_in_a_renewal(database, Stopped(vendor), tokens):
        newer = await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
        before = await rows(database)
    assert newer.access == Secret("a2")
    assert tokens == [newer]
    assert await rows(database) == before


async def test_a_lease_lost_before_sending_sends_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look at the lease is just before the request, so a process that wakes there sends nothing."""
    vendor = Vendor("first")
    store = PostgresTokenStore(database, lease_s=0.1)
    taken_over = []
    prove = Lease.prove

    async def stopped_before(lease: Lease) -> bool:
        if not taken_over:
            taken_over.append(lease)
            monkeypatch.setattr(Lease, "extend", lambda _self: asyncio.sleep(0, False))
            await anyio.sleep(0.3)
            taken_over.append(await provider("first", PostgresTokenStore(database)).obtain(vendor, None))
        return await prove(lease)

    monkeypatch.setattr(Lease, "prove", stopped_before)
    token = await provider("first", store).obtain(vendor, None)
    assert token == taken_over[1]
    assert vendor.sent == ["first"]


# Saves that fail, and a database that forgets.


async def test_a_save_is_tried_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair exists nowhere else, so a connection that breaks is no reason to lose it."""
    vendor, failures = Vendor("first"), [1, 1, 1]
    write = Lease.write

    async def broken(lease: Lease, content: str, gen: int) -> int | None:
        if failures:
            failures.pop()
            raise errors.TokenStoreError("token store: the connection ended", retryable=True)
        return await write(lease, content, gen)

    monkeypatch.setattr(Lease, "write", broken)
    await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
    assert await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
    assert vendor.sent == ["first"]


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_commit_in_doubt_is_looked_up(
    database: str, monkeypatch: pytest.MonkeyPatch, *, taken_over: bool
) -> None:
    """The pair was stored and the answer was lost: it is used, also where the lease has gone meanwhile."""
    vendor, lost = Vendor("first"), [1]
    write = Lease.write

    async def unanswered(lease: Lease, content: str, gen: int) -> int | None:
        stored = await write(lease, content, gen)
        if lost:
            lost.pop()
            if taken_over:
                await sql(database, "UPDATE xoxo.token SET owner = 'another:1:2'")
            raise errors.TokenStoreError("token store: the connection ended", retryable=True)
        return stored

    monkeypatch.setattr(Lease, "write", unanswered)
    token = await provider("first", PostgresTokenStore(database)).obtain(vendor, None)
    assert (token.access, vendor.sent) == (Secret("a1"), ["first"])


async def test_a_pair_outlives_an_outage_of_the_store(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds the caller gets the error; the next one stores that pair, and no new one is requested."""
    monkeypatch.setattr("xoxo_async.auth.postgres._SAVING_S", 0.2)
    vendor, renewing = Vendor("first"), provider("first", PostgresTokenStore(database))

    async def down(_lease: Lease, _content: str, _gen: int) -> int | None:
        raise errors.ConfigError("token store: the database has no room left on its disk")

    with monkeypatch.context() as patched:
        patched.setattr(Lease, "write", down)
        with pytest.raises(errors.TokenStoreError, match=r"no room.*the renewed pair was not used") as caught:
            await renewing.obtain(vendor, None)
        assert caught.value.retryable
    assert (await renewing.obtain(vendor, None)).access == Secret("a1")
    assert vendor.sent == ["first"]


async def test_a_lost_commit_is_put_back(database: str) -> None:
    """A fail-over lost the last pair: a process that has seen it renews with it, and its pair wins over the old one."""
    vendor = Vendor("first")
    renewing = provider("first", PostgresTokenStore(database))
    first = await renewing.obtain(vendor, None)
    lost = await rows(database)
    second = await renewing.obtain(vendor, due(first))
    await sql(database, "UPDATE xoxo.token SET gen = $1, pair = $2", lost[0]["gen"], lost[0]["pair"])
    assert await renewing.obtain(vendor, None) == second
    third = await renewing.obtain(vendor, due(second))
    assert vendor.sent == ["first", "r1", "r2"]
    assert await provider("first", PostgresTokenStore(database)).obtain(vendor, None) == third


async def test_a_pair_imported_after_a_restore_is_used(database: str) -> None:
    """A person knows better than a process that remembers a pair of before."""
    vendor, clock = Vendor("first", "imported"), Clock()
    renewing = provider("first", PostgresTokenStore(database), clock=clock)
    first = await renewing.obtain(vendor, None)
    await renewing.obtain(vendor, due(first))
    await sql(database, "DELETE FROM xoxo.token")
    imported = Token(Secret("by-hand"), NOW + 2 * LIFETIME, Secret("imported"), issued_at=NOW + 60)
    await PostgresTokenStore(database).of_account(renewing._store_at("")._account).save(imported)  # type: ignore[attr-defined]
    clock.now += 120
    assert await renewing.obtain(vendor, None) == imported
