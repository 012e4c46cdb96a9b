"""placeOrder inside a FastAPI route under uvicorn: the app's CPU for a request, and the slowest callers' wait."""

import asyncio
import importlib.util
import itertools
import json
import math
import random
import socket
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast
from urllib.request import urlopen

import report
from goals import answer
from report import Goal
from rounds import AGAIN, Spread, band
from stub import stub_server
from web_app import BY_HAND, PLACE, ROADS

_COLUMNS: Final = (
    "route", "loop", "callers", "answers in", "CPU us/request", "CPU of by hand", "p50 ms", "p99 ms", "p99 of by hand",
)  # fmt: skip
_LATENCIES: Final = (0.0, 0.02)

_numbers: Final = itertools.count(1)


@dataclass
class _Cost:
    """What one route cost in each round."""

    cpu_s: list[float] = field(default_factory=list)
    p50_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)


class _Caller(asyncio.Protocol):
    """One connection to the app: it sends a request, and the next one as soon as it is answered."""

    def __init__(self, path: str, left: Iterator[int], took: list[float]) -> None:
        self._path = path
        self._left = left
        self._took = took
        self._buffer = b""
        self._began = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the app closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        start = self._buffer.lower().find(b"content-length:", 0, end)
        if end < 0 or len(self._buffer) < end + 4 + int(self._buffer[start + 15 : self._buffer.find(b"\r\n", start)]):
            return
        self._took.append(time.perf_counter() - self._began)
        if not self._buffer.startswith(b"HTTP/1.1 200") or b"order_id" not in self._buffer:
            self.done.set_exception(RuntimeError(f"the app answered {self._buffer[:200]!r}"))
            return
        self._buffer = b""
        self._next()

    def _next(self) -> None:
        if next(self._left, None) is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        head = f"POST /{self._path}/{next(_numbers)} HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n"
        self._transport.write(head.encode())


async def _call(port: int, path: str, callers: int, requests: int) -> list[float]:
    """Make all requests over so many connections, and return how long each took, in seconds."""
    took: list[float] = []
    left = iter(range(requests))
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: _Caller(path, left, took), "127.0.0.1", port))[1] for _ in range(callers)
    ]
    await asyncio.gather(*[caller.done for caller in made])
    return took


@contextmanager
def _app(vendor: str, loop: str) -> Generator[int]:
    """Run the app in its own process, and yield its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        command = [sys.executable, str(Path(__file__).parent / "web_app.py"), str(listener.fileno()), vendor, loop]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(30)


def _cpu_s(port: int) -> float:
    with urlopen(f"http://127.0.0.1:{port}/cpu", timeout=60) as answer:
        return float(json.load(answer)["cpu_s"])


def _measure(port: int, callers: int, requests: int, rounds: int) -> dict[str, _Cost]:
    """Let the routes take turns. One round before the others is not counted."""
    costs = {name: _Cost() for name in ROADS}
    dice = random.Random(1)
    names = list(ROADS)
    for number in range(-1, rounds):
        dice.shuffle(names)
        for name in names:
            before = _cpu_s(port)
            took = sorted(asyncio.run(_call(port, ROADS[name], callers, requests)))
            cpu_s = _cpu_s(port) - before
            if number >= 0:
                costs[name].cpu_s.append(cpu_s / requests)
                costs[name].p50_s.append(statistics.median(took))
                costs[name].p99_s.append(took[math.ceil(len(took) * 0.99) - 1])
    return costs


def _ratio(over: list[float], under: list[float]) -> Spread:
    return Spread.over([a / b for a, b in zip(over, under, strict=True)])


def _rows(costs: dict[str, _Cost], loop: str, callers: int, latency_s: float) -> dict[str, list[object]]:
    base = costs[BY_HAND]
    answers = f"{latency_s * 1000:g} ms" if latency_s else "at once"
    return {
        name: [
            name,
            loop,
            callers,
            answers,
            statistics.median(one.cpu_s) * 1e6,
            _ratio(one.cpu_s, base.cpu_s),
            statistics.median(one.p50_s) * 1e3,
            statistics.median(one.p99_s) * 1e3,
            _ratio(one.p99_s, base.p99_s),
        ]
        for name, one in costs.items()
    }


def _goals(costs: dict[str, _Cost], where: str) -> list[Goal]:
    base, control = costs[BY_HAND], costs[BY_HAND + AGAIN]
    goals: list[Goal] = []
    for what, goal in (("cpu_s", "web-cpu"), ("p99_s", "web-p99")):
        under = getattr(base, what)
        noise = band(_ratio(getattr(control, what), under))
        found = _ratio(getattr(costs[PLACE], what), under)
        goals.append(answer(goal, found.median, where, spread=found, noise=noise))
    return goals


def compare(asked: Namespace) -> None:
    """Measure and print."""
    requests, rounds = (80, 2) if asked.quick else (asked.requests, asked.rounds)
    loops = [asked.loop] if asked.loop else ["asyncio"]
    if importlib.util.find_spec("uvloop") and not asked.quick and not asked.loop:
        loops.append("uvloop")
    rows: list[list[object]] = []
    goals: list[Goal] = []
    control: list[object] = []
    for loop in loops:
        for latency_s in _LATENCIES[:1] if asked.quick else _LATENCIES:
            with stub_server(latency_s) as vendor, _app(vendor, loop) as port:
                for callers in (20,) if asked.quick else (50, 300):
                    costs = _measure(port, callers, requests, rounds)
                    made = _rows(costs, loop, callers, latency_s)
                    again = made.pop(BY_HAND + AGAIN)
                    rows.extend(made.values())
                    if control:
                        rows.append(again)
                    control = control or again
                    where = f"{callers} callers, answers in {latency_s * 1000:g} ms, {loop}"
                    goals.extend(_goals(costs, where))
    report.show(
        "bench_web",
        _COLUMNS,
        rows,
        goals,
        control=control,
        asked=asked,
        notes=[
            "CPU is that of the app's process, its HTTP and its collections included; callers and stub have their own",
            "callers send the next request when the last one is answered, so the app is always busy",
        ],
    )


def main() -> None:
    """Compare all routes."""
    compare(
        report.options(
            __doc__ or "",
            ("--rounds", {"type": int, "default": 11, "help": "rounds counted"}),
            ("--loop", {"choices": ["asyncio", "uvloop"], "help": "the app's event loop; both by default"}),
            ("--requests", {"type": int, "default": 1500, "help": "requests of each route in a round"}),
        )
    )


if __name__ == "__main__":
    main()
