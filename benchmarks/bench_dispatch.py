"""placeOrder through `orders.place`, beside other ways to write it: CPU, wall time, instructions."""

import asyncio
import importlib.util
from argparse import Namespace
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import instructions
import report
from goals import answer
from placers import (
    GENERATED,
    HTTPX,
    JSON,
    MSGSPEC,
    PLACERS,
    RAW,
    SDK,
    THREADS,
    TUNED,
    WARM_UP,
    Placer,
    installed,
    place_many,
)
from report import Goal
from rounds import AGAIN, Series, Spread, band, ratio, take_turns
from stub import stub_server

_SLOWER: Final = {GENERATED: 3, THREADS: 8, HTTPX: 20}
"""How many times fewer orders these place in a round, so that they do not fill the round."""

_COLUMNS: Final = (
    "client", "loop", "answers in", "CPU us/order", "of aiohttp + json", "of aiohttp + msgspec", "orders/s (wall)",
    "k instructions/order",
)  # fmt: skip


def _loops() -> dict[str, Callable[[Coroutine[Any, Any, Any]], Any]]:
    loops: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {"asyncio": asyncio.run}
    if importlib.util.find_spec("uvloop"):
        loops["uvloop"] = importlib.import_module("uvloop").run
    return loops


async def _measure(base_url: str, names: list[str], orders: int, rounds: int) -> dict[str, Series]:
    placers = {name: PLACERS[name.removesuffix(AGAIN)]() for name in names}
    for placer in placers.values():
        await placer.open(base_url)

    def contestant(name: str, placer: Placer) -> tuple[Callable[[], Coroutine[Any, Any, None]], int]:
        number = max(orders // _SLOWER.get(name, 1), 1)
        return lambda: place_many(placer, number), number

    try:
        return await take_turns({name: contestant(name, placer) for name, placer in placers.items()}, rounds)
    finally:
        for placer in placers.values():
            await placer.close()


def _count(names: list[str], loop: str, base_url: str, quick: bool) -> dict[str, float]:
    number = 64 if quick else 1000
    argv = [str(Path(__file__)), "--url", base_url, "--loop", loop]
    return {
        name: instructions.per_operation([*argv, "--solo", name.removesuffix(AGAIN), "--orders"], number)
        for name in names
    }


def _goals(series: dict[str, Series], counts: dict[str, float], loop: str) -> list[Goal]:
    noise = band(ratio(series[MSGSPEC + AGAIN], series[MSGSPEC]))
    goals = []
    for name, other in (("place-json", JSON), ("place-msgspec", MSGSPEC)):
        found = ratio(series[SDK], series[other])
        goals.append(answer(name, found.median, loop, spread=found, noise=noise))
        if counts:
            counted = counts[SDK] / counts[other]
            off = abs(counts[MSGSPEC + AGAIN] / counts[MSGSPEC] - 1)
            goals.append(answer(name, counted, f"{loop}, instructions", noise=off))
    for other, goal in ((GENERATED, 3.0), (HTTPX, 10.0)):
        if other in series:
            found = ratio(series[other], series[SDK])
            goals.append(Goal(f"orders per CPU second to {other}, {loop}", found.median, goal, ">=", found, noise))
    return goals


def _row(name: str, loop: str, latency_s: float, series: dict[str, Series], counts: dict[str, float]) -> list[object]:
    one = series[name]
    return [
        name,
        loop,
        f"{latency_s * 1000:g} ms" if latency_s else "at once",
        Spread.over([value * 1e6 for value in one.cpu_s]).median,
        ratio(one, series[JSON]),
        ratio(one, series[MSGSPEC]),
        1 / Spread.over(one.wall_s).median,
        counts[name] / 1000 if name in counts else None,
    ]


def compare(asked: Namespace) -> None:
    """Measure and print."""
    orders, rounds = (64, 2) if asked.quick else (2000, asked.rounds)
    absent = [name for name in PLACERS if not installed(name)]
    rows: list[list[object]] = []
    goals: list[Goal] = []
    control: list[object] = []
    counting = instructions.available() and not asked.quick and not asked.no_instructions
    for loop, run in _loops().items():
        for latency_s in (0.0, 0.02):
            names = [name for name in PLACERS if name not in absent]
            if latency_s or loop != "asyncio":  # the peers run once, because they take most of the time
                names = [RAW, TUNED, MSGSPEC, JSON, SDK]
            names.append(MSGSPEC + AGAIN)
            with stub_server(latency_s) as base_url:
                series = run(_measure(base_url, names, orders, rounds))
                counted = [MSGSPEC, JSON, SDK, TUNED, MSGSPEC + AGAIN]
                counts = _count(counted, loop, base_url, asked.quick) if counting and not latency_s else {}
            rows.extend(_row(name, loop, latency_s, series, counts) for name in names[:-1])
            if not latency_s:
                goals.extend(_goals(series, counts, loop))
            again = _row(MSGSPEC + AGAIN, loop, latency_s, series, counts)
            control = control or again
            if again is not control:
                rows.append(again)
    notes = ["64 in flight, 1 KB answers from a stub in its own process; CPU is the client's process alone"]
    if absent:
        notes.append(f"not installed, see `make bench-peers`: {', '.join(absent)}")
    if not counting:
        notes.append("instructions are counted where valgrind is installed, and not with --quick")
    report.show("bench_dispatch", _COLUMNS, rows, goals, control=control, asked=asked, notes=notes)


def main() -> None:
    """Compare all contestants; or, with --solo, place orders with one client and end."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 15, "help": "rounds counted"}),
        ("--no-instructions", {"action": "store_true", "help": "do not run callgrind, which takes minutes"}),
        ("--solo", {"choices": list(PLACERS), "help": "only place orders, for a profiler"}),
        ("--url", {"help": "with --solo: where the stub is; one of its own by default"}),
        ("--loop", {"default": "asyncio", "help": "with --solo: asyncio or uvloop"}),
        ("--orders", {"type": int, "default": 20_000, "help": "with --solo: how many"}),
    )
    if not asked.solo:
        compare(asked)
        return

    async def solo(base_url: str) -> None:
        placer = PLACERS[asked.solo]()
        await placer.open(base_url)
        await place_many(placer, WARM_UP)
        with instructions.counted():
            await place_many(placer, asked.orders)
        await placer.close()

    run = _loops()[asked.loop]
    if asked.url:
        run(solo(asked.url))
        return
    with stub_server() as base_url:
        run(solo(base_url))


if __name__ == "__main__":
    main()
