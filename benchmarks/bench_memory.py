"""Whether memory stays flat while a million lines go through BulkIssuer, and how much an order in flight takes."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import report
from bench_bulk import lines_of
from placers import IN_FLIGHT, TOKEN, BareMsgspec
from report import Goal
from rounds import AGAIN, Spread
from stub import stub_server

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, SqliteLedger

BARE: Final = "aiohttp + msgspec"
PLACE: Final = "xoxo_async orders.place"
BULK: Final = "xoxo_async BulkIssuer"
FEW: Final = 128
MANY: Final = 1024
FIRST: Final = 10_000
GROWTH_MB: Final = {"planning": 60, "sending": 10}
"""Planning keeps two hashes of each row, of its key and of its receiver: about 25 bytes each."""
HELD_S: Final = 2.0
QUICK_HELD_S: Final = 0.5


def rss() -> int:
    """Return the resident memory of the process, in bytes."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1024


# Streaming.


class _Samples:
    """The resident memory, with the number of finished lines at that time."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []

    async def watch(self, through: Callable[[], int]) -> None:
        while True:
            self.taken.append((through(), rss()))
            await asyncio.sleep(0.05)

    def grown(self, first: int) -> tuple[float, float]:
        """Return the MB after the first lines, and the greatest growth in MB after that."""
        start = next((rss for lines, rss in self.taken if lines >= first), self.taken[-1][1])
        after = [rss for lines, rss in self.taken if lines >= first] or [start]
        return start / 1e6, (max(after) - start) / 1e6


async def _watched(run: Awaitable[object], through: Callable[[], int]) -> _Samples:
    samples = _Samples()
    watching = asyncio.create_task(samples.watch(through))
    await run
    watching.cancel()
    return samples


async def _stream(lines: int, first: int, path: Path, url: str) -> dict[str, tuple[float, float]]:
    made = 0

    def orders():
        nonlocal made
        for line in lines_of(lines):
            made += 1
            yield line

    async with (
        XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited()) as xoxo,
        SqliteLedger(path) as ledger,
    ):
        issuer = BulkIssuer(xoxo, ledger, job="bench", concurrency=IN_FLIGHT, check=False)
        planning = await _watched(issuer.plan(orders()), lambda: made)
        sending = await _watched(issuer.resume(), lambda: issuer.progress.placed)
    assert issuer.progress.placed == lines
    return {"planning": planning.grown(first), "sending": sending.grown(first)}


# In flight.


async def _held(name: str, number: int, held_s: float, url: str, folder: Path) -> int:
    """Return how many more bytes the process takes while this many orders are in flight, each for `held_s`."""
    client = XoxoClient(
        StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited(), max_connections=number + 8
    )
    bare = BareMsgspec()
    await bare.open(url)
    bare.http.connector._limit = number + 8  # noqa: SLF001 - with the default of 100 the other orders would wait
    async with client, SqliteLedger(folder / f"{number}.db") as ledger:
        await client.orders.place(product_id=1001, denomination=500, po_number="first")
        await bare.place(0)
        issuer = BulkIssuer(client, ledger, job="bench", concurrency=number, check=False)
        if name == BULK:
            await issuer.plan(lines_of(number))
        gc.collect()
        before = rss()
        if name == BULK:
            running = asyncio.gather(issuer.resume())
        elif name == PLACE:
            running = asyncio.gather(
                *[
                    client.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{at}")
                    for at in range(number)
                ]
            )
        else:
            running = asyncio.gather(*[bare.place(at) for at in range(number)])
        await asyncio.sleep(held_s * 0.75)
        grown = rss() - before
        await running
    await bare.close()
    return grown


def _per_order(name: str, few: int, many: int, *, quick: bool) -> float:
    """Return the KB for each order in flight: many orders less few orders, each measured in its own process."""
    grown = []
    for number in (few, many):
        command = [sys.executable, __file__, "--held", name.removesuffix(AGAIN), "--lines", str(number), "--json"]
        if quick:
            command.append("--quick")
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        grown.append(json.loads(done.stdout))
    return (grown[1] - grown[0]) / (many - few) / 1000


def _raise_file_limit() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard) if hard > 0 else 8192, hard))


def main() -> None:
    """Measure and print. With --held, measure one process."""
    asked = report.options(
        __doc__ or "",
        ("--lines", {"type": int, "default": 1_000_000, "help": "lines streamed"}),
        ("--rounds", {"type": int, "default": 2, "help": "rounds of the orders in flight"}),
        ("--held", {"help": "only hold this many --lines in flight, and print how many bytes they take"}),
    )
    _raise_file_limit()
    if asked.held:
        held_s = QUICK_HELD_S if asked.quick else HELD_S
        with stub_server(held_s) as url, tempfile.TemporaryDirectory() as folder:
            print(asyncio.run(_held(asked.held, asked.lines, held_s, url, Path(folder))))
        return
    lines, first = (2_000, 500) if asked.quick else (asked.lines, FIRST)
    with stub_server() as url, tempfile.TemporaryDirectory() as folder:
        streamed = asyncio.run(_stream(lines, first, Path(folder) / "memory.db", url))
    few, many, rounds = (16, 64, 1) if asked.quick else (FEW, MANY, asked.rounds)
    names = (BARE, BARE + AGAIN, PLACE, BULK)
    held = {name: [0.0] * 0 for name in names}
    for _ in range(rounds):
        for name in names:
            held[name].append(_per_order(name, few, many, quick=asked.quick))
    rows: list[list[object]] = [
        [f"{what} {lines} lines", start, grown, None] for what, (start, grown) in streamed.items()
    ]
    rows.extend([f"in flight: {name}", None, None, Spread.over(held[name])] for name in names if name != BARE + AGAIN)
    goals = [
        Goal(f"growth after the first {first}, {what}", grown, GROWTH_MB[what], "<=", unit="MB")
        for what, (_, grown) in streamed.items()
    ]
    goals.extend(
        Goal(f"an order in flight, {name}", found.median, 20, "<=", found, unit="KB")
        for name in (PLACE, BULK)
        for found in (Spread.over(held[name]),)
    )
    report.show(
        "bench_memory",
        ("what", f"RSS at {first} lines, MB", "grown after that, MB", "KB an order in flight"),
        rows,
        goals,
        control=[f"in flight: {BARE}{AGAIN}", None, None, Spread.over(held[BARE + AGAIN])],
        asked=asked,
        notes=[f"in flight: what {many} take more than {few}, its connection included, in processes of their own"],
    )


if __name__ == "__main__":
    main()
