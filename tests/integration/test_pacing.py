"""Pacing over real sockets: which requests a server receives, normally, in penalties and around renewals."""

import itertools
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path

import anyio
import pytest

from tests.integration.raw_server import Reply, Server, serving
from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, Timeouts, XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger

pytestmark = pytest.mark.anyio

# The bounds below suit a busy machine. A server that serves calls without a pacer passes none of them.
STALL_S = 0.25
"""How many slots a late caller may catch up; see `pacing._CATCH_UP_S`."""


def client_on(server: Server, account: str = "id", timeouts: Timeouts | None = None, **limits: float) -> XoxoClient:
    return XoxoClient(
        ClientCredentials(account, "secret"),
        base_url=server.url,
        rate_limits=RateLimits(**limits),
        timeouts=timeouts,
        retry=RetryPolicy(attempts=5, base_s=0.01, max_s=0.02),
    )


_NUMBERS = itertools.count()


async def place(client: XoxoClient) -> None:
    await client.orders.place(product_id=1001, denomination=500, po_number=f"PO-{next(_NUMBERS)}")


async def get(client: XoxoClient) -> None:
    await client.orders.get(po_number=f"PO-{next(_NUMBERS)}")


async def warmed_up(client: XoxoClient) -> None:
    """Get the token and a connection first, so that the test measures only the pacer."""
    await client.account.get_balance()


async def test_the_allowance_is_used_and_not_exceeded() -> None:
    """Two seconds at 6,000 a minute use nearly all of the allowance, evenly."""
    async with serving() as server, client_on(server, place_order=6000, balance=None) as client:
        await warmed_up(client)

        async def call() -> None:
            while True:
                await place(client)

        with anyio.move_on_after(2.5):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(call)
    first = server.came["placeOrder"][0]
    assert 150 <= server.between("placeOrder", first, first + 2) <= 200 + 100 * STALL_S
    assert server.fullest("placeOrder", 0.5) <= 50 + 100 * STALL_S + 10


async def test_clients_of_one_account_share_across_threads() -> None:
    """Each client has its own event loop and thread and uses all it can, and together they keep one allowance."""
    done: list[int] = []

    def use(server: Server) -> None:
        async def main() -> None:
            count = 0
            async with client_on(server, place_order=1200) as client:
                with anyio.move_on_after(2.0):
                    while True:
                        async with anyio.create_task_group() as group:
                            for _ in range(5):
                                group.start_soon(place, client)
                        count += 5
            done.append(count)

        anyio.run(main)

    async with serving() as server:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(anyio.to_thread.run_sync, use, server)
        assert threading.active_count() < 50
    assert server.fullest("placeOrder", 1.0) <= 20 + 20 * STALL_S + 2
    assert len(server.came["placeOrder"]) >= 25
    assert min(done) >= 5


def _over(seconds: object, status: int) -> Reply:
    return Reply(status, {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": seconds}]})


def _later(seconds: float) -> str:
    return f"Retry-After: {formatdate(time.time() + seconds, usegmt=True)}\r\n"


PENALTIES: dict[str, tuple[Callable[..., object], Callable[[], Reply]]] = {
    "in the body, under 200": (place, lambda: _over(1, 200)),
    "in the body, under 429": (place, lambda: _over("1", 429)),
    "in the body, under 503": (place, lambda: _over(1.0, 503)),
    "Retry-After in seconds": (place, lambda: Reply(429, {"message": "slow down"}, "Retry-After: 1\r\n")),
    "Retry-After as a date": (place, lambda: Reply(429, {"message": "slow down"}, _later(1.0))),
    "Retry-After of a look-up's 503": (get, lambda: Reply(503, {"message": "busy"}, "Retry-After: 1\r\n")),
}


@pytest.mark.parametrize("kind", PENALTIES)
async def test_a_penalty_stops_its_operation_for_everyone(kind: str) -> None:
    """Thirty callers of two clients wait while the fifth request is refused. All are silent, and then continue."""
    call, refusal = PENALTIES[kind]
    operation = "placeOrder" if call is place else "getOrderDetails"
    refused_at = 0.0
    async with (
        serving() as server,
        client_on(server, place_order=600, order_details=600, balance=None) as one,
        client_on(server, place_order=600, order_details=600, balance=None) as two,
    ):

        def answer(asked: str, nth: int) -> Reply | None:
            nonlocal refused_at
            if (asked, nth) != (operation, 5):
                return None
            refused_at = time.monotonic()
            return refusal()

        await warmed_up(one)
        await warmed_up(two)
        server.answer = answer
        async with anyio.create_task_group() as group:
            for _ in range(15):
                group.start_soon(call, one)
                group.start_soon(call, two)
            while not refused_at:
                await anyio.sleep(0.005)
            others = 0
            with anyio.move_on_after(0.9):
                while True:
                    await one.account.get_balance()
                    others += 1
                    await anyio.sleep(0.02)
    assert others >= 5
    assert len(server.came[operation]) == 31  # every call succeeded, the refused one at its second attempt
    # One more request may have been on its way, if the machine took longer than an interval.
    assert server.between(operation, refused_at + 1e-6, refused_at + 1.0) <= 1
    assert server.fullest(operation, 1.0, since=refused_at + 0.9) <= 10 + 10 * STALL_S + 2


async def test_all_clients_spare_a_throttled_token_endpoint() -> None:
    """The token of both clients expires and the first renewal is throttled. One client renews, after the penalty."""
    throttled_at = 0.0
    async with serving() as server:

        def answer(asked: str, nth: int) -> Reply | None:
            nonlocal throttled_at
            if asked != "token":
                return None
            if nth == 1:
                return Reply(body={"access_token": "short", "expires_in": 0.5})
            if nth == 2:
                throttled_at = time.monotonic()
                return Reply(429, {"message": "auth.request_limit_exceeded"}, "Retry-After: 1\r\n")
            return None

        server.answer = answer
        async with client_on(server, balance=None) as one, client_on(server, balance=None) as two:
            await warmed_up(one)
            await warmed_up(two)
            with anyio.fail_after(20):
                while not throttled_at:
                    await anyio.sleep(0.05)
                    with anyio.move_on_after(0.3):
                        await one.account.get_balance()
                await anyio.sleep(0.6)  # both tokens are expired now
                async with anyio.create_task_group() as group:
                    for client in (one, two):
                        for _ in range(5):
                            group.start_soon(warmed_up, client)
    assert server.between("token", throttled_at + 1e-6, throttled_at + 0.98) == 0
    assert len(server.came["token"]) == 3  # one client renewed for both


async def test_a_renewal_causes_no_burst() -> None:
    """The token expires and the new one takes long. Calls whose slots passed meanwhile are sent at intervals."""
    async with serving() as server, client_on(server, place_order=1200) as client:

        def answer(asked: str, nth: int) -> Reply | None:
            dead = asked == "placeOrder" and nth == 10
            return Reply(401, {"error": "invalid_token", "error_description": "x"}) if dead else None

        await warmed_up(client)
        server.answer = answer
        server.delay_s = lambda asked, _nth: 1.0 if asked == "token" else 0.0
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(place, client)
    assert len(server.came["placeOrder"]) == 51
    assert server.fullest("placeOrder", 0.2) <= 4 + 20 * STALL_S + 2


async def test_a_web_request_passes_a_bulk_run(tmp_path: Path) -> None:
    """A single order beside a run of a hundred lines at 600 a minute is sent within a few intervals."""
    waits: list[float] = []
    async with (
        serving() as server,
        client_on(server, place_order=600, order_details=None) as client,
        SqliteLedger(tmp_path / "l.db") as ledger,
        anyio.create_task_group() as group,
    ):
        issuer = BulkIssuer(client, ledger, job="j", check=False)
        group.start_soon(
            issuer.run, [OrderLine(key=str(n), product_id=1001, denomination=Decimal(500)) for n in range(100)]
        )
        with anyio.fail_after(20):
            while len(server.came["placeOrder"]) < 5:
                await anyio.sleep(0.01)
        for _ in range(8):
            started = time.monotonic()
            await place(client)
            waits.append(time.monotonic() - started)
        placed = len(server.came["placeOrder"])
        issuer.stop()
    assert sorted(waits)[len(waits) // 2] < 0.4
    assert max(waits) < 2.0
    assert placed < 100, "the run was over before the web requests were"


async def test_a_too_late_slot_fails_at_once() -> None:
    """A call whose slot comes after its deadline is not sent, and takes no slot from other calls."""
    async with serving() as server, client_on(server, timeouts=Timeouts(call_s=5), place_order=6) as client:
        await place(client)
        for _ in range(20):
            started = time.monotonic()
            with pytest.raises(errors.RateLimitedError) as caught:
                await place(client)
            assert time.monotonic() - started < 1.0
            assert (caught.value.effect, caught.value.retryable) == ("none", True)
    assert caught.value.retry_after_s == pytest.approx(10.1, abs=3)
    assert len(server.came["placeOrder"]) == 1


async def test_an_order_keeps_time_for_a_look_up() -> None:
    """Each of forty calls returns an order or proves that it sent nothing. None sends without time for a look-up."""
    timeouts = Timeouts(order_s=2, read_s=1, call_s=4)
    outcomes: list[str] = []

    async def buy(client: XoxoClient) -> None:
        try:
            await place(client)
            outcomes.append("order")
        except errors.RateLimitedError as error:
            outcomes.append(f"nothing sent, effect {error.effect}")
        except errors.XoxoError as error:
            outcomes.append(type(error).__name__)

    async with serving() as server, client_on(server, timeouts=timeouts, place_order=300) as client:
        server.delay_s = lambda operation, _nth: 0.3 if operation == "placeOrder" else 0.0
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(buy, client)
    sent = len(server.came["placeOrder"])
    assert 0 < sent <= 7
    assert sorted(outcomes) == ["nothing sent, effect none"] * (40 - sent) + ["order"] * sent
