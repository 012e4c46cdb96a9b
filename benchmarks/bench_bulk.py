"""The cost of BulkIssuer with its durable SQLite ledger and its planning, and of the same orders without it."""

import asyncio
import gc
import importlib.util
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import report
from goals import answer
from placers import IN_FLIGHT, JSON, TOKEN, BareJson, place_many
from report import Goal
from rounds import AGAIN, Series, Spread, band, ratio
from stub import stub_server

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, LedgerLine, Rules

NONE: Final = "no ledger"
PLAN: Final = "BulkIssuer, planning"
SEND: Final = "BulkIssuer, sending"
WHOLE: Final = "BulkIssuer, end to end"
ONE_CORE: Final = "BulkIssuer, sending, one core"
"""The loop and the ledger's thread share one core. The difference is what it costs to change from core to core."""

_COLUMNS: Final = (
    "run", "loop", "answers in", "orders/s", "of no ledger", "CPU us/order", "CPU of no ledger", "CPU of by hand",
    "most armed",
)  # fmt: skip
_LATENCIES_S: Final = (0.02, 0.0)
_CPU: Final = {"asyncio": "bulk-cpu", "uvloop": "bulk-cpu-uvloop"}


def _loops() -> dict[str, Callable[[Coroutine[Any, Any, Any]], Any]]:
    loops: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {"asyncio": asyncio.run}
    if importlib.util.find_spec("uvloop"):
        loops["uvloop"] = importlib.import_module("uvloop").run
    return loops


class CountingLedger(SqliteLedger):
    """A ledger that counts how many lines have an intent at the same time: each would be a look-up after a crash."""

    armed = 0
    most_armed = 0

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        lines = await super().claim(limit, budget=budget)
        self.armed += len(lines)
        self.most_armed = max(self.most_armed, self.armed)
        return lines

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        lines = await super().record(changes, rules=rules, doubts=doubts)
        self.armed -= len(changes)
        return lines


def lines_of(orders: int) -> Iterator[OrderLine]:
    """Yield order lines one by one."""
    for number in range(orders):
        yield OrderLine(key=f"row-{number}", product_id=1001, denomination=Decimal(500), email="someone@example.com")


async def _without_ledger(xoxo: XoxoClient, orders: int) -> None:
    lines = lines_of(orders)

    async def work() -> None:
        for line in lines:
            await xoxo.orders.place(
                product_id=line.product_id,
                denomination=line.denomination,
                quantity=line.quantity,
                po_number=f"bench-{line.key}",
                email=line.email,
            )

    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])


async def _timed(series: Series, orders: int, run: Callable[[], Awaitable[object]]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    await run()
    series.wall_s.append((time.perf_counter() - wall) / orders)
    series.cpu_s.append((time.process_time() - cpu) / orders)


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Keep this thread, and those that it starts meanwhile, on one core."""
    free = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(free)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, free)


async def _with_ledger(xoxo: XoxoClient, orders: int, path: Path, planning: Series, sending: Series) -> int:
    async with CountingLedger(path) as ledger:
        issuer = BulkIssuer(xoxo, ledger, job="bench", concurrency=IN_FLIGHT, check=False)

        async def send() -> None:
            done = await issuer.resume()
            assert (done.rows, done.issued) == (orders, orders), done

        await _timed(planning, orders, lambda: issuer.plan(lines_of(orders)))
        await _timed(sending, orders, send)
    return ledger.most_armed


async def _measure(url: str, orders: int, rounds: int, folder: Path) -> tuple[dict[str, Series], int]:
    series = {name: Series(name) for name in (JSON, NONE, NONE + AGAIN, PLAN, SEND, WHOLE, ONE_CORE)}
    most_armed = 0
    dice = random.Random(1)
    names = [JSON, NONE, NONE + AGAIN, WHOLE, *([ONE_CORE] if hasattr(os, "sched_setaffinity") else [])]
    by_hand = BareJson()
    await by_hand.open(url)
    async with XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited()) as xoxo:
        await place_many(by_hand, 2 * IN_FLIGHT)
        await _without_ledger(xoxo, 2 * IN_FLIGHT)
        gc.collect()
        gc.freeze()  # as in `take_turns`
        for number in range(rounds):
            dice.shuffle(names)
            for name in names:
                gc.collect()
                if name == WHOLE:
                    armed = await _with_ledger(xoxo, orders, folder / f"{number}.db", series[PLAN], series[SEND])
                    most_armed = max(most_armed, armed)
                    for clock in ("cpu", "wall"):
                        series[name].of(clock).append(series[PLAN].of(clock)[-1] + series[SEND].of(clock)[-1])
                elif name == ONE_CORE:
                    with _on_one_core():
                        await _with_ledger(xoxo, orders, folder / f"{number}-1.db", Series(PLAN), series[name])
                elif name == JSON:
                    await _timed(series[name], orders, lambda: place_many(by_hand, orders))
                else:
                    await _timed(series[name], orders, lambda: _without_ledger(xoxo, orders))
        gc.unfreeze()
    await by_hand.close()
    return series, most_armed


def _row(name: str, loop: str, what: str, series: dict[str, Series], armed: int) -> list[object]:
    one, base = series[name], series[NONE]
    cpu = Spread.over([value * 1e6 for value in one.cpu_s]).median
    speed, most = 1 / Spread.over(one.wall_s).median, armed if name == SEND else None
    by_hand = ratio(one, series[JSON])
    return [name, loop, what, speed, ratio(base, one, "wall"), cpu, ratio(one, base), by_hand, most]


def _goals(series: dict[str, Series], armed: int, loop: str, latency_s: float) -> list[Goal]:
    """Throughput has a goal where answers take a moment; answered at once, the CPU is its limit and has one."""
    goals: list[Goal] = []
    for name in (WHOLE, SEND):
        part = name.partition(", ")[2]
        if latency_s:
            noise = band(ratio(series[NONE + AGAIN], series[NONE], "wall"))
            found = ratio(series[NONE], series[name], "wall")
            goals.append(answer("bulk-throughput", found.median, f"{part}, {loop}", spread=found, noise=noise))
        else:
            noise = band(ratio(series[NONE + AGAIN], series[NONE]))
            found = ratio(series[name], series[JSON])
            goals.append(answer(_CPU[loop], found.median, part, spread=found, noise=noise))
    armed_at = f"lines armed at once, {loop}, {_answers_in(latency_s)}"
    return [*goals, Goal(armed_at, armed / IN_FLIGHT, 2, "<=", unit="x those in flight")]


def _answers_in(latency_s: float) -> str:
    return f"{latency_s * 1000:g} ms" if latency_s else "at once"


def main() -> None:
    """Measure and print."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 7, "help": "rounds counted"}),
        ("--orders", {"type": int, "default": 6400, "help": "order lines a run"}),
        ("--folder", {"help": "where the ledgers are made; their disk is part of what is measured"}),
    )
    orders, rounds = (256, 1) if asked.quick else (asked.orders, asked.rounds)
    rows: list[list[object]] = []
    goals: list[Goal] = []
    control: list[object] = []
    for loop, run in _loops().items():
        for latency_s in _LATENCIES_S:
            with stub_server(latency_s) as url, tempfile.TemporaryDirectory(dir=asked.folder) as folder:
                series, armed = run(_measure(url, orders, rounds, Path(folder)))
            what = _answers_in(latency_s)
            measured = [name for name in (JSON, NONE, PLAN, SEND, WHOLE, ONE_CORE) if series[name].cpu_s]
            rows.extend(_row(name, loop, what, series, armed) for name in measured)
            again = _row(NONE + AGAIN, loop, what, series, armed)
            rows.append(again)
            control = control or again
            goals.extend(_goals(series, armed, loop, latency_s))
    notes = [f"{orders} orders, {IN_FLIGHT} in flight; fsync before each send and after each answer, in groups"]
    report.show("bench_bulk", _COLUMNS, rows, goals, control=control, asked=asked, notes=notes)


if __name__ == "__main__":
    main()
