"""How much of an allowance several processes use together, and whether they are ever refused, by store.

`bench_cluster.py` calls `measure`. Alone: `python benchmarks/cluster_allowance.py --store file` (or `postgres`, `redis`
with `--url`). The server counts in a fixed window, a sliding window and a token bucket of one second at the same time.
"""

import argparse
import itertools
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from limited_server import LimitedServer, limited_server

from xoxo_async import RateLimits, StaticToken, XoxoClient, XoxoError
from xoxo_async.allowance.opening import open_allowance
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.hooks import CallFinished, Event

LATENCY_S: Final = 0.02
CALLERS: Final = 40
"""Callers of a web process: enough that one of them always waits for a slot."""


class Row(NamedTuple):
    """One row of the table."""

    case: str
    measures: dict[str, float]


# What a process does. It runs until it is ended.


def run_process(
    kind: str, number: int, url: str, store: str, account: str, per_minute: float, sent: Any, folder: str
) -> None:
    """Send orders, and count them where the parent sees it."""
    logging.getLogger("xoxo_async").setLevel(logging.ERROR)
    limits = RateLimits(place_order=per_minute, balance=None, order_details=None)
    allowance = open_allowance(store) if store else None

    async def web(client: XoxoClient) -> None:
        numbers = itertools.count()

        async def call() -> None:
            while True:
                name = f"W{number}-{os.getpid()}-{next(numbers)}"
                with suppress(XoxoError):
                    await client.orders.place(product_id=1001, denomination=500, po_number=name)

        async with anyio.create_task_group() as group:
            for _ in range(CALLERS):
                group.start_soon(call)

    async def bulk(client: XoxoClient) -> None:
        rows = [OrderLine(key=str(n), product_id=1001, denomination=Decimal(500)) for n in range(int(per_minute * 3))]
        async with SqliteLedger(Path(folder) / f"{number}.db") as ledger:
            issuer = BulkIssuer(client, ledger, job=f"j{number}-{os.getpid()}", check=False, settle_s=0.5)
            await issuer.plan(rows)
            await issuer.resume()

    def count(event: Event) -> None:
        if isinstance(event, CallFinished) and event.operation == "placeOrder" and not event.error:
            sent[number] += 1

    async def main() -> None:
        async with XoxoClient(
            StaticToken(account),
            base_url=url,
            rate_limits=limits,
            max_connections=512,
            hooks=[count],
            allowance=allowance,
        ) as client:
            await (web if kind == "web" else bulk)(client)

    anyio.run(main)


class Fleet:
    """Processes of one account, and how many orders each has sent. Their ledgers are in one folder."""

    def __init__(
        self, kinds: Sequence[str], url: str, store: str, account: str, per_minute: float, folder: str
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.sent = context.Array("l", len(kinds), lock=False)
        self.processes: list[SpawnProcess] = [
            context.Process(
                target=run_process, args=(kind, number, url, store, account, per_minute, self.sent, folder), daemon=True
            )
            for number, kind in enumerate(kinds)
        ]

    def signal(self, number: int, name: signal.Signals) -> None:
        pid = self.processes[number].pid
        assert pid is not None
        os.kill(pid, name)


@contextmanager
def fleet(kinds: Sequence[str], url: str, store: str, account: str, per_minute: float) -> Iterator[Fleet]:
    """Run processes, and end them."""
    # The folder is this process's: the others are killed, and could not remove theirs.
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as folder:
        running = Fleet(kinds, url, store, account, per_minute, folder)
        for process in running.processes:
            process.start()
        try:
            yield running
        finally:
            for process in running.processes:
                process.kill()
                process.join()


# Figures.


def used(times: Sequence[float], per_minute: float, start: float, end: float) -> float:
    """Return the share of the allowance that was used between two moments."""
    first, last = bisect_left(times, start), bisect_left(times, end)
    if last == len(times):  # nothing came afterwards, so the span ends here
        return (last - first) / ((end - start) * per_minute / 60)
    return (last - first) / ((times[last] - times[first]) * per_minute / 60)


def wait_for_all(running: Fleet, timeout_s: float = 60.0) -> None:
    """Wait until each process has sent an order."""
    ends = time.monotonic() + timeout_s
    while not all(running.sent):
        if time.monotonic() > ends:
            raise RuntimeError(f"a process sends nothing: {list(running.sent)}")
        time.sleep(0.05)


def figures(server: LimitedServer, name: str, per_minute: float, start: float, end: float) -> dict[str, float]:
    arrivals, refused = server.report(name)
    times = arrivals["placeOrder"]
    measures: dict[str, float] = {"of the allowance": used(times, per_minute, start, end)}
    measures["refused"] = sum(refused.values())
    minute = [bisect_left(times, at + 60.0) - n for n, at in enumerate(times) if at + 60 <= times[-1]]
    if minute:
        measures["fullest minute"] = max(minute) / per_minute
    return measures


_NUMBERS: Final = itertools.count()


def with_casualties(
    server: LimitedServer, store: str, per_minute: float, *, seconds: float, stopped_s: float, label: str
) -> Row:
    """Run four processes, two of them bulk runs. One is killed, and one is stopped for a while."""
    name = f"casualties-{next(_NUMBERS)}"
    url = server.open(name, per_minute, latency_s=LATENCY_S)
    with fleet(("web", "bulk", "web", "bulk"), url, store, f"{name}-{time.time()}", per_minute) as running:
        wait_for_all(running)
        start = time.monotonic() + 0.5
        time.sleep(seconds * 0.2)
        running.signal(0, signal.SIGKILL)
        time.sleep(seconds * 0.1)
        running.signal(1, signal.SIGSTOP)
        time.sleep(stopped_s)
        running.signal(1, signal.SIGCONT)
        time.sleep(max(start + seconds - time.monotonic(), 0.5))
        measures = figures(server, name, per_minute, start, time.monotonic() - 0.5)
    return Row(f"{label}: 4 processes, {per_minute}/min, one killed, one stopped {stopped_s:g} s", measures)


def sharing(
    server: LimitedServer, store: str, per_minute: float, kinds: Sequence[str], *, seconds: float, label: str
) -> Row:
    """Run processes that all have enough to do, and compare their parts."""
    name = f"sharing-{next(_NUMBERS)}"
    url = server.open(name, per_minute, latency_s=LATENCY_S)
    with fleet(kinds, url, store, f"{name}-{time.time()}", per_minute) as running:
        wait_for_all(running)
        time.sleep(0.5)
        start, before = time.monotonic(), list(running.sent)
        time.sleep(seconds)
        parts = [after - earlier for after, earlier in zip(running.sent, before, strict=True)]
        measures = figures(server, name, per_minute, start, time.monotonic() - 0.5)
    measures["largest part / smallest"] = max(parts) / max(min(parts), 1)
    what = " + ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds), reverse=True))
    return Row(f"{label}: {what}, {per_minute}/min", measures)


def unshared(server: LimitedServer, per_minute: float, *, seconds: float) -> Row:
    """Run four processes without a store: the baseline. Each believes that it has the whole allowance."""
    url = server.open("unshared", per_minute, latency_s=LATENCY_S, penalty_s=3.0)
    with fleet(("web",) * 4, url, "", f"unshared-{time.time()}", per_minute) as running:
        wait_for_all(running)
        time.sleep(seconds)
        refused = sum(server.report("unshared")[1].values())
    return Row(f"no store: 4 web, {per_minute}/min, penalties of 3 s", {"refused": refused})


CASES: Final = ("unshared", "casualties-600", "casualties-6000", "web", "mixed")


def measure(stores: dict[str, str], *, quick: bool = False, cases: Sequence[str] = CASES) -> list[Row]:
    """Run the cases, one after the other.

    Args:
        stores: The addresses of the stores, by their labels.
        quick: A few seconds for each case, so no full window.
        cases: Which of `CASES`.
    """
    long_s, stopped_s, short_s = (12.0, 3.0, 6.0) if quick else (65.0, 12.0, 62.0)
    rows: list[Row] = []
    with limited_server() as server:
        if "unshared" in cases:
            rows.append(unshared(server, 6000, seconds=short_s / 3))
        for label, address in stores.items():
            rows += [
                with_casualties(server, address, per_minute, seconds=long_s, stopped_s=stopped_s, label=label)
                for per_minute in (600, 6000)
                if f"casualties-{per_minute}" in cases
            ]
            if "web" in cases:
                rows.append(sharing(server, address, 6000, ("web",) * 4, seconds=short_s, label=label))
            if "mixed" in cases:
                rows.append(sharing(server, address, 600, ("web", "web", "bulk", "bulk"), seconds=short_s, label=label))
    return rows


def shown(rows: Sequence[Row]) -> str:
    """Return the table."""
    names = list(dict.fromkeys(name for row in rows for name in row.measures))
    lines = [f"{'':<66}" + "".join(f"{name:>{len(name) + 3}}" for name in names)]
    for row in rows:
        cells = [f"{row.measures[name]:.3f}" if name in row.measures else "" for name in names]
        lines.append(
            f"{row.case:<66}" + "".join(f"{cell:>{len(name) + 3}}" for name, cell in zip(names, cells, strict=True))
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", action="append", default=[], help="an address, as XOXO_SHARED; a file by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a few seconds for each case, so no full window")
    parser.add_argument("--case", action="append", choices=CASES, help="run this case; all by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-allowance-") as folder:
        addresses = arguments.store or [f"file:{folder}/allowance"]
        stores = {address.partition(":")[0]: address for address in addresses}
        rows = measure(stores, quick=arguments.quick, cases=arguments.case or CASES)
    whole = {"bench": "cluster_allowance", "rows": [{"case": row.case, **row.measures} for row in rows]}
    print(json.dumps(whole) if arguments.json else shown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
