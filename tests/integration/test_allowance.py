"""Several processes, one account, one allowance: over loopback, with a server that counts and punishes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.integration.raw_server import Reply, Server, serving
from tests.redis_server import RedisServer
from tests.warm_python import run_warm
from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, StaticToken, Timeouts, XoxoClient, errors
from xoxo_async.allowance import FileAllowance, PostgresAllowance
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent.parent

OTHER_PROCESS = """
import asyncio, sys
from xoxo_async import ClientCredentials, RetryPolicy, Timeouts, XoxoClient, XoxoError
from xoxo_async.allowance.opening import open_allowance

async def main():
    client = XoxoClient(
        ClientCredentials("id", "secret"), base_url=sys.argv[1], allowance=open_allowance(sys.argv[2]),
        retry=RetryPolicy(attempts=1), timeouts=Timeouts(call_s=8),
    )
    async with client:
        try:
            if sys.argv[3] == "place":
                await client.orders.place(product_id=1001, denomination=500, po_number="OTHER-1")
            else:
                await client.links.list_campaigns()
        except XoxoError as error:
            print(type(error).__name__)

asyncio.run(main())
"""


async def other_process(server: Server, store: str, what: str) -> str:
    """Make one call in another process, and return the name of its error."""
    done = await anyio.to_thread.run_sync(run_warm, ["-c", OTHER_PROCESS, server.url, store, what])
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout.strip())


@asynccontextmanager
async def client_on(server: Server, store: str | Path, *, call_s: float = 8.0) -> AsyncIterator[XoxoClient]:
    async with XoxoClient(
        ClientCredentials("id", "secret"),
        base_url=server.url,
        allowance=FileAllowance(store),
        retry=RetryPolicy(attempts=1),
        timeouts=Timeouts(call_s=call_s),
    ) as client:
        yield client


def penalty(seconds: float) -> Reply:
    return Reply(429, {"message": "auth.request_limit_exceeded"}, f"Retry-After: {seconds:g}\r\n")


async def test_a_penalty_of_another_process_holds_here(tmp_path: Path) -> None:
    """Another process meets a penalty. This one sends no order, and says how long it lasts; other operations go on."""
    store = tmp_path / "allowance"
    async with serving() as server, client_on(server, store) as client:
        server.answer = lambda asked, _nth: penalty(60) if asked == "placeOrder" else None
        assert await other_process(server, f"file:{store}", "place") == "RateLimitedError"
        assert len(server.came["placeOrder"]) == 1
        with pytest.raises(errors.RateLimitedError) as caught:
            await client.orders.place(product_id=1001, denomination=500, po_number="HERE-1")
        assert caught.value.retry_after_s == pytest.approx(58, abs=5)
        assert caught.value.effect == "none"
        assert len(server.came["placeOrder"]) == 1
        await client.account.get_balance()


async def test_a_penalty_on_an_operation_without_a_limit(tmp_path: Path) -> None:
    """Operations that are not paced take no slots, but learn of the penalties of others as well."""
    store = tmp_path / "allowance"
    async with serving() as server, client_on(server, store) as client:
        await client.account.get_balance()
        server.answer = lambda asked, _nth: penalty(60) if asked not in ("token", "getBalance") else None
        assert await other_process(server, f"file:{store}", "campaigns") == "RateLimitedError"
        before = sum(len(times) for times in server.came.values())
        with pytest.raises(errors.RateLimitedError):
            await client.links.list_campaigns()
        assert sum(len(times) for times in server.came.values()) == before


async def test_a_penalty_on_the_token_endpoint(tmp_path: Path) -> None:
    """Another process is told to ask for no token for a minute. This one does not ask."""
    store = tmp_path / "allowance"
    async with serving() as server, client_on(server, store) as client:
        server.answer = lambda asked, _nth: penalty(60) if asked == "token" else None
        assert await other_process(server, f"file:{store}", "place") == "RateLimitedError"
        asked = len(server.came["token"])
        with pytest.raises(errors.RateLimitedError, match="the token endpoint has imposed a penalty"):
            await client.account.get_balance()
        assert len(server.came["token"]) == asked


async def test_two_loops_of_one_process_share(tmp_path: Path) -> None:
    """Web workers in threads, each with a loop and a client of its own: together they keep to the rate."""
    async with serving() as server:

        def use(name: str) -> None:
            async def work() -> None:
                async with XoxoClient(
                    StaticToken("t"),
                    base_url=server.url,
                    allowance=FileAllowance(tmp_path / "allowance"),
                    rate_limits=RateLimits(place_order=1200),
                ) as client:
                    async with anyio.create_task_group() as group:
                        for number in range(20):
                            group.start_soon(place, client, f"{name}-{number}")

            anyio.run(work)

        async def place(client: XoxoClient, po_number: str) -> None:
            await client.orders.place(product_id=1001, denomination=500, po_number=po_number)

        async with anyio.create_task_group() as group:
            for name in ("one", "two"):
                group.start_soon(anyio.to_thread.run_sync, use, name)
    times = sorted(server.came["placeOrder"])
    assert len(times) == 40
    # Two loops that do not know of each other need half as long; on a busy machine, the first order arrives late.
    assert times[-1] - times[0] >= 30 * 0.0505
    assert server.fullest("placeOrder", 0.5) <= 10 + 5 + 1


async def test_a_wrong_setting_sends_nothing(tmp_path: Path) -> None:
    """A store that cannot be used is an error of the first call, before even a token is asked for."""
    async with serving() as server:
        async with client_on(server, tmp_path / "none" / "allowance") as client:
            with pytest.raises(errors.ConfigError, match="No such file or directory"):
                await client.orders.place(product_id=1001, denomination=500, po_number="PO")
            async with SqliteLedger(tmp_path / "l.db") as ledger:
                issuer = BulkIssuer(client, ledger, job="j", check=False)
                with pytest.raises(errors.ConfigError, match="No such file or directory"):
                    await issuer.run([OrderLine(key="1", product_id=1001, denomination=Decimal(500))])
        assert not server.came


async def test_a_provider_must_name_its_account(tmp_path: Path) -> None:
    """Processes find each other by the account's name, so a provider without one cannot share."""

    class Own:
        async def obtain(self, exchange: object, rejected: object) -> None: ...

    with pytest.raises(errors.ConfigError, match="an attribute `account`"):
        XoxoClient(Own(), allowance=FileAllowance(tmp_path / "a"))  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError, match="allowance must be a store"):
        XoxoClient(StaticToken("t"), allowance="redis://cache")  # type: ignore[arg-type]


async def test_without_its_database_a_client_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The database is down when the client starts: one warning without the password, and the calls are made."""
    async with serving() as server:
        allowance = PostgresAllowance("postgresql://shop:hidden-word@127.0.0.1:1/shop")
        async with XoxoClient(StaticToken("t"), base_url=server.url, allowance=allowance) as client:
            await client.orders.place(product_id=1001, denomination=500, po_number="PO")
            await client.account.get_balance()
    said = [record.getMessage() for record in caplog.records if record.name == "xoxo_async"]
    assert len(said) == 1
    assert "PostgresAllowance('postgresql://shop@127.0.0.1:1/shop') is away" in said[0]
    assert "hidden-word" not in caplog.text


def run_command(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")} | variables
    return run_warm(["-m", "xoxo_async", *words], env=environment)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("memcached://cache", "XOXO_SHARED: it must begin with postgresql://, redis://, rediss:// or file:/"),
        ("redis://user:hidden-word@x/abc", "XOXO_SHARED: the address of the allowance must be a URL"),
        ("file:relative", "XOXO_SHARED: the path must be absolute"),
        ("file:/nowhere/at/all", "the allowance /nowhere/at/all cannot be opened: No such file or directory"),
    ],
)
def test_the_command_refuses_a_wrong_address(address: str, words: str) -> None:
    """Exit code 2, one line that names the variable or the file, and no password."""
    done = run_command("balance", XOXO_SHARED=address, XOXO_ACCESS_TOKEN="t", XOXO_BASE_URL="http://127.0.0.1:1/chef")
    assert done.returncode == 2
    assert words in done.stderr
    assert "hidden-word" not in done.stderr + done.stdout


async def test_the_command_shares(tmp_path: Path) -> None:
    """A command with XOXO_SHARED waits for the slot after that of another process."""
    store = tmp_path / "allowance"
    async with serving() as server:
        async with XoxoClient(StaticToken("t"), base_url=server.url, allowance=FileAllowance(store)) as client:
            await client.account.get_balance()
        variables = {"XOXO_SHARED": f"file:{store}", "XOXO_ACCESS_TOKEN": "t", "XOXO_BASE_URL": server.url}
        done = await anyio.to_thread.run_sync(lambda: run_command("balance", **variables))
        assert done.returncode == 0, done.stderr
    first, second = server.came["getBalance"]
    assert second - first >= 6.0 - 0.05  # ten a minute


def rows_of(store: str, *cases: str) -> dict[str, dict[str, float]]:
    """Run processes against a server that counts in three ways, and return the figures."""
    command = [sys.executable, str(ROOT / "benchmarks" / "cluster_allowance.py"), "--quick", "--json", "--store", store]
    command += [word for case in cases for word in ("--case", case)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return {row.pop("case"): row for row in json.loads(done.stdout)["rows"]}


def check(rows: dict[str, dict[str, float]], count: int) -> None:
    """Check figures of short runs: what a dead process takes with it is a larger part of them."""
    assert len(rows) == count
    for case, row in rows.items():
        assert row["refused"] == 0, case
        assert row["of the allowance"] >= 0.93, case
        assert row.get("largest part / smallest", 1.0) <= 1.15, case


@pytest.mark.slow
@pytest.mark.parametrize("case", ["casualties-600", "casualties-6000", "web", "mixed"])
def test_processes_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Web processes and bulk runs, one killed and one stopped: nearly all of the allowance, no refusal, fair parts.

    The processes are killed at the end, and leave no ledger behind.
    """
    left = tmp_path / "left"
    left.mkdir()
    monkeypatch.setenv("TMPDIR", str(left))
    check(rows_of(f"file:{tmp_path / 'allowance'}", case), 1)
    assert os.listdir(left) == []


@pytest.mark.nightly
@pytest.mark.slow
def test_processes_share_a_database(database: str) -> None:
    """The same with PostgreSQL."""
    check(rows_of(database, "casualties-6000", "mixed"), 2)


@pytest.mark.nightly
@pytest.mark.slow
def test_processes_share_a_redis_server(redis_server: RedisServer) -> None:
    """The same with Redis."""
    check(rows_of(redis_server.url, "casualties-6000", "mixed"), 2)


def test_the_clock_of_this_file_is_the_hosts() -> None:
    """`FileAllowance` rests on this: the monotonic clock is one for all processes of a host."""
    code = "import time; print(time.monotonic())"
    before = time.monotonic()
    told = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert before <= told <= time.monotonic()
