"""How much of the allowance is used, and whether it is ever exceeded. Each figure is a ratio to the allowance.

Each case of the first part runs once against a server that counts in three ways at the same time: in a fixed window, in
a sliding window, and with a token bucket of one second. The server refuses a request if any of them is full.
"""

import itertools
import logging
import tempfile
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import anyio
import report
from limited_server import LimitedServer, limited_server
from report import Goal
from rounds import AGAIN

from xoxo_async import RateLimits, StaticToken, XoxoClient, XoxoError
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger

WAYS = ("fixed window", "sliding window", "token bucket")
REFUSED = tuple(f"refused, {way}" for way in WAYS)
SHARES = ("of the allowance", "fullest minute", "fullest second", "p99 spacing / interval")
LATENCIES = {600: (0.02, 1.0, 20.0), 6000: (0.02, 1.0, 2.0)}
"""The last case of each has 200 orders in flight, as many as with 100 a minute and answers of 120 s."""

_NUMBERS = itertools.count()


class Row(NamedTuple):
    """One row of the table."""

    case: str
    measures: dict[str, float]


class Times(NamedTuple):
    """The length of each part, in seconds."""

    run: float
    short: float
    penalty: float
    outage: float


FULL = Times(run=65.0, short=10.0, penalty=3.0, outage=30.0)
QUICK = Times(run=4.0, short=3.0, penalty=1.0, outage=2.0)


def client_on(url: str, per_minute: float, account: str) -> XoxoClient:
    limits = RateLimits(place_order=per_minute, balance=None)
    return XoxoClient(StaticToken(account), base_url=url, rate_limits=limits, max_connections=512)


async def place(client: XoxoClient) -> bool:
    """Place one order. Return whether that succeeded."""
    try:
        await client.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{next(_NUMBERS)}")
    except XoxoError:
        return False
    return True


async def ask_without_end(client: XoxoClient, callers: int) -> None:
    """Place orders from that many tasks until cancelled."""

    async def call() -> None:
        while True:
            await place(client)

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(call)


def callers_for(per_minute: float, latency_s: float) -> int:
    """Return how many callers are needed so that one of them always waits for a slot."""
    return int(per_minute / 60 * latency_s * 1.2) + 20


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-pacing-") as path:
        yield Path(path)


async def issue(client: XoxoClient, path: Path, lines: int, seconds: float) -> None:
    """Run an issuer for that many seconds."""
    rows = [OrderLine(key=str(n), product_id=1001, denomination=Decimal(500)) for n in range(lines)]
    async with SqliteLedger(path / "ledger.db") as ledger, anyio.create_task_group() as group:
        issuer = BulkIssuer(client, ledger, job="bench", settle_s=0.5, check=False)
        await issuer.plan(rows)

        async def stop() -> None:
            await anyio.sleep(seconds)
            issuer.stop()

        group.start_soon(stop)
        await issuer.resume()
        group.cancel_scope.cancel()


# Figures from the arrival times.


def used(times: list[float], per_minute: float, start: float, end: float) -> float:
    """Return the share of the allowance used, from the first request after one moment to the first after another.

    A count over a fixed span would be less exact: at ten requests a second, one request is 3 % of three seconds.
    """
    first, last = bisect_left(times, start), bisect_left(times, end)
    if last == len(times):  # nothing came afterwards, so the span ends here
        return (last - first) / ((end - start) * per_minute / 60)
    return (last - first) / ((times[last] - times[first]) * per_minute / 60)


def fullest(times: list[float], per_minute: float, window_s: float) -> float:
    """Return the largest share of the allowance in any window."""
    most = max((bisect_left(times, at + window_s) - n for n, at in enumerate(times)), default=0)
    return most / (per_minute / 60 * window_s)


def spacing_p99(times: list[float], per_minute: float) -> float:
    """Return the 99th percentile of the time between two requests, in intervals."""
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    return gaps[int(len(gaps) * 0.99)] * per_minute / 60


def of_a_run(server: LimitedServer, case: str, name: str, per_minute: float, seconds: float) -> Row:
    arrivals, refused = server.report(name)
    times = arrivals["placeOrder"]
    first = times[0]
    steady = times[bisect_left(times, first + 1) : bisect_left(times, first + seconds)]
    measures = {"of the allowance": used(times, per_minute, first + 1, first + seconds)}
    measures |= {name: refused.get(way, 0) for name, way in zip(REFUSED, WAYS, strict=True)}
    measures["p99 spacing / interval"] = spacing_p99(steady, per_minute)
    if seconds > 60:
        measures["fullest minute"] = fullest(times, per_minute, 60.0)
    measures["fullest second"] = fullest(steady, per_minute, 1.0)
    return Row(case, measures)


# The cases.


async def placing(server: LimitedServer, per_minute: int, latency_s: float, seconds: float) -> Row:
    name = f"place-{per_minute}-{latency_s}"
    url = server.open(name, per_minute, latency_s=latency_s)
    async with client_on(url, per_minute, name) as client:
        with anyio.move_on_after(seconds + 0.5):
            await ask_without_end(client, callers_for(per_minute, latency_s))
        return of_a_run(server, f"place(), {per_minute}/min, {latency_s:g} s", name, per_minute, seconds)


async def issuing(server: LimitedServer, per_minute: int, latency_s: float, seconds: float) -> Row:
    name = f"bulk-{per_minute}-{latency_s}"
    url = server.open(name, per_minute, latency_s=latency_s)
    with folder() as path:
        async with client_on(url, per_minute, name) as client:
            await issue(client, path, int(per_minute / 60 * (seconds + 3)), seconds + 1)
    return of_a_run(server, f"bulk run, {per_minute}/min, {latency_s:g} s", name, per_minute, seconds)


async def a_bare_timer(per_minute: int, seconds: float, again: str = "") -> Row:
    """Measure a loop that only sleeps: no pacer can be more exact on this machine."""
    interval, times = 60 / per_minute, [time.monotonic()]
    while times[-1] < times[0] + seconds:
        await anyio.sleep(max(times[0] + len(times) * interval - time.monotonic(), 0.0))
        times.append(time.monotonic())
    return Row(f"a bare timer, {per_minute}/min{again}", {"p99 spacing / interval": spacing_p99(times, per_minute)})


async def sharing(server: LimitedServer, per_minute: int, seconds: float) -> Row:
    """Run two clients of one account, each with enough callers to use the whole allowance."""
    url = server.open("sharing", per_minute, latency_s=0.02)
    done = [0, 0]

    async def use(number: int) -> None:
        async with client_on(url, per_minute, "one-account") as client:
            while True:
                async with anyio.create_task_group() as group:
                    for _ in range(50):
                        group.start_soon(place, client)
                done[number] += 50

    with anyio.move_on_after(seconds + 0.5):
        async with anyio.create_task_group() as group:
            group.start_soon(use, 0)
            group.start_soon(use, 1)
    row = of_a_run(server, f"two clients of one account, {per_minute}/min", "sharing", per_minute, seconds)
    return row._replace(case=f"{row.case}, {max(done) / max(sum(done), 1):.0%} by one")


async def beside_a_bulk_run(server: LimitedServer, per_minute: int, seconds: float) -> Row:
    """Place single orders during a bulk run of the same client, and measure their wait in intervals."""
    latency_s = 0.1
    url = server.open("beside", per_minute, latency_s=latency_s)
    waits: list[float] = []
    with folder() as path:
        async with client_on(url, per_minute, "beside") as client, anyio.create_task_group() as group:
            group.start_soon(issue, client, path, int(per_minute / 60 * (seconds + 3)), seconds)
            await anyio.sleep(1.0)
            while len(waits) < (seconds - 2) / 0.3:
                started = time.monotonic()
                await place(client)
                waits.append((time.monotonic() - started - latency_s) * per_minute / 60)
                await anyio.sleep(0.15)
    waits.sort()
    measures = {"median wait / interval": waits[len(waits) // 2], "longest wait / interval": waits[-1]}
    return Row(f"a web request beside a bulk run, {per_minute}/min", measures)


async def a_penalty(server: LimitedServer, per_minute: int, seconds: float) -> Row:
    """Give a penalty during a run, and see who sends meanwhile and how the run continues."""
    url = server.open("penalty", per_minute, latency_s=0.02)
    others = 0
    async with client_on(url, per_minute, "penalty") as client, anyio.create_task_group() as group:
        group.start_soon(ask_without_end, client, 50)
        await anyio.sleep(1.0)
        until = server.penalise("penalty", "placeOrder", seconds)
        while time.monotonic() < until:
            await client.account.get_balance()
            others += 1
            await anyio.sleep(0.02)
        await anyio.sleep(2.0)
        group.cancel_scope.cancel()
    arrivals, refused = server.report("penalty")
    times = arrivals["placeOrder"]
    # More requests are in flight when the first refusal comes. A little later every client has it.
    first = bisect_left(times, until - seconds)
    known = (times[first] if first < len(times) else until - seconds) + 0.05
    after = times[bisect_left(times, until) :]
    measures: dict[str, float] = {
        "requests before its end": bisect_left(times, until) - bisect_left(times, known),
        "of the others meanwhile": others,
        "seconds late": after[0] - until if after else float("inf"),
        "of the allowance afterwards": used(after, per_minute, after[0], after[0] + 1.5) if after else 0.0,
        "fullest 0.2 s afterwards": fullest(after, per_minute, 0.2),
        "refused afterwards": sum(refused.get(way, 0) for way in WAYS),
    }
    return Row(f"a penalty of {seconds:g} s, {per_minute}/min", measures)


async def an_outage(server: LimitedServer, per_minute: int, seconds: float) -> Row:
    """Run a bulk job whose server answers 503 for a while."""
    url = server.open("outage", None, latency_s=0.02)
    ended = [0.0]

    async def trouble() -> None:
        await anyio.sleep(2.0)
        server.distress("outage", 1.0)
        await anyio.sleep(seconds)
        ended[0] = server.distress("outage", 0.0)

    with folder() as path:
        async with client_on(url, per_minute, "outage") as client, anyio.create_task_group() as group:
            group.start_soon(trouble)
            await issue(client, path, int(per_minute / 60 * 8), seconds + 7)
    arrivals, _ = server.report("outage")
    orders = arrivals["placeOrder"]
    everything = sorted(itertools.chain.from_iterable(arrivals.values()))
    end = ended[0]
    back = next(
        (at - end for at in orders if at >= end and used(orders, per_minute, at, at + 0.5) >= 0.9), float("inf")
    )
    measures: dict[str, float] = {
        "requests during it": bisect_left(everything, end) - bisect_left(everything, end - seconds),
        "of them orders": bisect_left(orders, end) - bisect_left(orders, end - seconds),
        "s to the full rate": back,
    }
    return Row(f"an outage of {seconds:g} s, {per_minute}/min", measures)


async def measure(server: LimitedServer, times: Times, *, quick: bool) -> list[Row]:
    """Run all cases, in two parts that keep the machine about half busy."""
    rows: dict[int, Row] = {}
    numbers = itertools.count()

    async def keep(group: anyio.abc.TaskGroup, case: Callable[..., Awaitable[Row]], *arguments: object) -> None:
        async def run(number: int) -> None:
            rows[number] = await case(*arguments)

        group.start_soon(run, next(numbers))
        await anyio.sleep(0.1)  # different starts, so that the two are not in step

    combinations = [(rate, latency) for rate, latencies in LATENCIES.items() for latency in latencies]
    if quick:
        combinations = [(rate, latency) for rate, latency in combinations if latency < times.run / 2]
    async with anyio.create_task_group() as group:
        await keep(group, a_bare_timer, 6000, times.run)
        for rate, latency in combinations:
            await keep(group, placing, server, rate, latency, times.run)
        await keep(group, an_outage, server, 6000, times.outage)
        await keep(group, a_penalty, server, 6000, times.penalty)
    async with anyio.create_task_group() as group:
        await keep(group, a_bare_timer, 6000, times.run, AGAIN)
        for rate, latency in combinations:
            await keep(group, issuing, server, rate, latency, times.run)
        await keep(group, sharing, server, 6000, times.short)
        await keep(group, beside_a_bulk_run, server, 600, times.short)
    ordered = [rows[number] for number in sorted(rows)]
    return sorted(ordered, key=lambda row: "of the allowance" not in row.measures or "seconds late" in row.measures)


def cells_of(row: Row) -> list[object]:
    """Return a row of the table: what most cases measure in columns, the rest of a case as text."""
    refused = [row.measures[name] for name in REFUSED if name in row.measures]
    others = [f"{name} {value:.3g}" for name, value in row.measures.items() if name not in (*SHARES, *REFUSED)]
    shares = (row.measures.get(name) for name in SHARES)
    return [row.case, *shares, sum(refused) if refused else None, "; ".join(others)]


def main() -> None:
    """Measure and print."""
    asked = report.options(__doc__ or "")
    logging.getLogger("xoxo_async").setLevel(logging.ERROR)  # each case cancels its callers at its end
    with limited_server() as server:
        rows = anyio.run(lambda: measure(server, QUICK if asked.quick else FULL, quick=asked.quick))
    control = next(row for row in rows if row.case.endswith(AGAIN))
    rows.remove(control)
    refused = sum(row.measures.get(name, 0) for row in rows for name in REFUSED)
    report.show(
        "bench_pacing",
        ("case", *SHARES, "refused", "and"),
        [cells_of(row) for row in rows],
        [Goal("refusals for more than the allowance", refused, 0, "<=", unit="calls")],
        control=cells_of(control),
        asked=asked,
        notes=[
            f"refused: by a {', a '.join(WAYS)}, which count at the same time",
            "1 is the whole allowance; a bare timer is a loop that only sleeps, and no pacer can be more exact here",
        ],
    )


if __name__ == "__main__":
    main()
