"""What a person waits for with a million order lines: the first order, a resume with nothing left, the status."""

import asyncio
import csv
import gc
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import report
from goals import answer
from placers import IN_FLIGHT, TOKEN
from rounds import AGAIN
from stub import stub_server

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, SqliteLedger, read_orders
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.hooks import AttemptStarted, Event

HEADER: Final = ("key", "product_id", "denomination", "quantity", "email")
PLAN: Final = "CSV read, checked and planned, first order leaves"
REST: Final = "all orders, answered at once"
RESUME: Final = "resume with nothing left"
REPEAT: Final = "run of the same file with nothing left"
STATUS: Final = "what `bulk status` reads of a ledger at rest"
TROUBLED: Final = (LineState.MANUAL, LineState.CONFLICT, LineState.UNKNOWN, LineState.SENDING, LineState.REJECTED)
_COLUMNS: Final = ("what", "s", "CPU s", "MB", "bytes a line")


def write_orders(path: Path, lines: int) -> None:
    """Write a file of orders, each with a receiver of its own."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((f"EMP-{at:07d}", 1001, 500, 1, f"person{at}@example.com") for at in range(lines))


class FirstOrder:
    """A hook that notes when the first order leaves."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __call__(self, event: Event) -> None:
        if not self.wall and isinstance(event, AttemptStarted) and event.operation == "placeOrder":
            self.wall, self.cpu = time.perf_counter(), time.process_time()


class Clock:
    """Takes the times of the steps, in seconds: on the wall, and of the CPU."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[float, float]] = {}

    async def take(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        await step()
        self.steps[name] = time.perf_counter() - wall, time.process_time() - cpu


async def _measure(url: str, orders: Path, ledger: Path, lines: int) -> Clock:
    clock, first = Clock(), FirstOrder()
    async with XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited(), hooks=[first]) as xoxo:
        async with SqliteLedger(ledger) as kept:
            wall, cpu = time.perf_counter(), time.process_time()
            done = await BulkIssuer(xoxo, kept, job="bench", concurrency=IN_FLIGHT).run(read_orders(orders))
            assert (done.rows, done.issued) == (lines, lines), done
            clock.steps[PLAN] = first.wall - wall, first.cpu - cpu
            clock.steps[REST] = time.perf_counter() - first.wall, time.process_time() - first.cpu

        async def resume() -> None:
            async with SqliteLedger(ledger) as kept:
                report = await BulkIssuer(xoxo, kept, concurrency=IN_FLIGHT).resume()
                assert report.placed_now == 0

        async def repeat() -> None:
            async with SqliteLedger(ledger) as kept:
                report = await BulkIssuer(xoxo, kept, job="bench", concurrency=IN_FLIGHT).run(read_orders(orders))
                assert report.placed_now == 0

        for name in (RESUME, RESUME + AGAIN):
            await clock.take(name, resume)
        await clock.take(REPEAT, repeat)

    async def status() -> None:
        async with SqliteLedger(ledger, read_only=True) as kept:
            assert (await kept.counts()).issued == lines
            await kept.holders()
            await kept.paused()
            for state in TROUBLED:
                async for _ in kept.lines(states=(state,)):
                    break

    await clock.take(STATUS, status)
    return clock


def sizes(path: Path) -> dict[str, int]:
    """Return how many bytes each table and index of a database takes; empty where SQLite was built without dbstat."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            return dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC"))
        except sqlite3.OperationalError:
            return {}


def main() -> None:
    """Measure and print."""
    asked = report.options(
        __doc__ or "",
        ("--lines", {"type": int, "default": 1_000_000, "help": "order lines"}),
        ("--folder", {"help": "where the ledger is made; its disk is part of what is measured"}),
    )
    lines = 2_000 if asked.quick else asked.lines
    with stub_server(own_receivers=True) as url, tempfile.TemporaryDirectory(dir=asked.folder) as place:
        orders, ledger = Path(place) / "orders.csv", Path(place) / "bench.db"
        write_orders(orders, lines)
        clock = asyncio.run(_measure(url, orders, ledger, lines))
        size, parts = ledger.stat().st_size, sizes(ledger)
    rows: list[list[object]] = [[name, *times, None, None] for name, times in clock.steps.items() if AGAIN not in name]
    rows.append(["ledger after the run", None, None, size / 1e6, size / lines])
    rows.extend(
        [f"  {name}", None, None, part / 1e6, part / lines] for name, part in parts.items() if part > size / 100
    )
    wall_s = {name: wall for name, (wall, _) in clock.steps.items()}
    goals = [
        answer("first-order", wall_s[PLAN]),
        answer("nothing-left", wall_s[RESUME], "a resume"),
        answer("nothing-left", wall_s[REPEAT], "a run of the same file"),
        answer("status", wall_s[STATUS]),
        answer("ledger-size", size / 1e6),
    ]
    report.show(
        "bench_million",
        _COLUMNS,
        rows,
        goals,
        control=[RESUME + AGAIN, *clock.steps[RESUME + AGAIN], None, None],
        asked=asked,
        notes=[f"{lines} lines; the goals are for a million; wall times, so they need a machine of its own"],
    )


if __name__ == "__main__":
    main()
