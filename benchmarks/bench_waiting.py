"""What a caller costs while it waits for its slot, and how long it takes to cancel ten thousand of them."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any, Final

import report
from bench_memory import rss
from goals import answer
from placers import TOKEN
from report import Goal
from rounds import AGAIN, Spread

from xoxo_async import RateLimits, StaticToken, Timeouts, XoxoClient
from xoxo_async.hooks import Event

_SLEEP: Final = "asyncio.sleep"
_PLACE: Final = "orders.place"
_HOOKED: Final = "orders.place, a hook"
_WAITERS: Final = (_SLEEP, _SLEEP + AGAIN, _PLACE, _HOOKED)
_LONG_S: Final = 86_400.0


def _idle(_event: Event) -> None:
    return None


async def _hold(name: str, callers: int) -> dict[str, float]:
    """Let so many tasks wait, and cancel them. Nothing is sent: the first slot is far away."""
    client = XoxoClient(
        StaticToken(TOKEN),
        base_url="http://127.0.0.1:9/chef",
        rate_limits=RateLimits(place_order=1e5),
        timeouts=Timeouts(call_s=_LONG_S),
        hooks=[_idle] if name == _HOOKED else [],
    )
    client._dispatcher.pacer.penalise("placeOrder", _LONG_S / 2)  # noqa: SLF001 - as the vendor does

    def waiting(number: int) -> Coroutine[Any, Any, object]:
        if name.startswith(_SLEEP):
            return asyncio.sleep(_LONG_S)
        return client.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{number}")

    async with client:
        first = asyncio.create_task(waiting(0))  # gets the token, and makes what is made once
        await asyncio.sleep(0.05)
        await _cancelled([first])
        gc.collect()
        before = rss()
        tasks = [asyncio.create_task(waiting(number)) for number in range(1, callers + 1)]
        began = time.perf_counter()
        while len(_asleep(tasks)) < callers:
            await asyncio.sleep(0)
        started_s = time.perf_counter() - began
        gc.collect()
        grown = rss() - before
        began = time.perf_counter()
        await _cancelled(tasks)
        cancelled_s = time.perf_counter() - began
    return {"kb": grown / callers / 1000, "started_s": started_s, "cancelled_s": cancelled_s}


def _asleep(tasks: list["asyncio.Task[object]"]) -> list["asyncio.Task[object]"]:
    for task in tasks:
        if task.done():
            task.result()
    return [task for task in tasks if task._fut_waiter is not None]  # type: ignore[attr-defined]  # noqa: SLF001


async def _cancelled(tasks: list["asyncio.Task[object]"]) -> None:
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


def _once(name: str, callers: int) -> dict[str, float]:
    """Measure in a process of its own: memory that was used once is not given back."""
    command = [sys.executable, __file__, "--solo", name, "--callers", str(callers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Measure and print. With --solo, measure one process."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 7, "help": "rounds counted"}),
        ("--callers", {"type": int, "default": 10_000, "help": "how many wait"}),
        ("--solo", {"choices": list(_WAITERS), "help": "only let these wait, and print what they take"}),
    )
    if asked.solo:
        print(json.dumps(asyncio.run(_hold(asked.solo.removesuffix(AGAIN), asked.callers))))
        return
    callers, rounds = (500, 2) if asked.quick else (asked.callers, asked.rounds)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _WAITERS}
    for _ in range(rounds):
        for name in _WAITERS:
            found[name].append(_once(name, callers))

    def spread(name: str, what: str) -> Spread:
        return Spread.over([one[what] for one in found[name]])

    def row(name: str) -> list[object]:
        return [name, callers, *(spread(name, what) for what in ("kb", "started_s", "cancelled_s"))]

    goals: list[Goal] = []
    for name in (_PLACE, _HOOKED):
        kb, cancelled_s = spread(name, "kb"), spread(name, "cancelled_s")
        goals.append(answer("waiting-memory", kb.median, name, spread=kb))
        goals.append(answer("waiting-cancel", cancelled_s.median, name, spread=cancelled_s))
    report.show(
        "bench_waiting",
        ("caller", "callers", "KB each", "until all wait, s", "cancelled in, s"),
        [row(name) for name in _WAITERS if name != _SLEEP + AGAIN],
        goals,
        control=row(_SLEEP + AGAIN),
        asked=asked,
        notes=["each in a process of its own; KB is the growth of its resident memory, the caller's task included"],
    )


if __name__ == "__main__":
    main()
