"""A server in its own process that enforces rate limits and records when each request came.

It uses raw asyncio, no HTTP library and no code of the package. One process serves many cases at once; the first part
of the path names the case. Each case counts in several ways at the same time. If one of them refuses a request, the
request is refused and counted for that way, so one run measures all ways.
"""

import asyncio
import json
import multiprocessing
import os
import random
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, Protocol

WINDOW_S = 60.0


class Limit(Protocol):
    """One way to count calls against a limit."""

    def fits(self, now: float) -> bool:
        """Return whether one more request fits. A request that fits is counted."""
        ...


class FixedWindow:
    """At most so many calls in each window. One window begins when the last one ends."""

    def __init__(self, per_minute: float, start: float) -> None:
        self.most, self.start, self.window, self.count = per_minute, start, 0, 0

    def fits(self, now: float) -> bool:
        window = int((now - self.start) // WINDOW_S)
        if window != self.window:
            self.window, self.count = window, 0
        self.count += 1
        return self.count <= self.most


class SlidingWindow:
    """At most so many calls in any window."""

    def __init__(self, per_minute: float) -> None:
        self.most = per_minute
        self.times: deque[float] = deque()

    def fits(self, now: float) -> bool:
        while self.times and self.times[0] <= now - WINDOW_S:
            self.times.popleft()
        self.times.append(now)
        return len(self.times) <= self.most


class TokenBucket:
    """A bucket that fills at the limit's rate. It holds one second's worth (at least ten), so a burst empties it."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.rate = per_minute / 60
        self.size = max(self.rate, 10.0)
        self.level, self.then = self.size, now

    def fits(self, now: float) -> bool:
        self.level = min(self.size, self.level + (now - self.then) * self.rate)
        self.then = now
        self.level -= 1
        return self.level >= 0


@dataclass
class Case:
    """The limits of one case, and what came."""

    latency_s: float
    limits: dict[str, Limit]
    penalty_s: float
    refused: dict[str, int] = field(default_factory=dict)
    arrivals: dict[str, list[float]] = field(default_factory=dict)
    held_until: dict[str, float] = field(default_factory=dict)
    distress: float = 0.0
    """The share of orders that are answered with 503."""


_QUERY = re.compile(rb'"query":"[\w.]*?(\w+)"')
_TOKEN = {"access_token": "QkVOQ0g=", "token_type": "bearer", "expires_in": 1296000}
_BALANCE = {"data": {"getBalance": {"status": 1, "data": {"points": 1, "value": 1, "currency": "INR"}}}}
_ORDER_ID = 100_000_000
_ORDER = {
    "orderId": _ORDER_ID,
    "orderTotal": 500,
    "amountCharged": 500,
    "currencyCode": "INR",
    "orderStatus": "complete",
    "deliveryStatus": "delivered",
    "quantity": 1,
    "vouchers": [{"productId": 1001, "orderId": 1, "voucherCode": "BENCH", "pin": "1", "amount": 500}],
}
_REASONS = {200: b"OK", 404: b"Not Found", 429: b"Too Many Requests", 503: b"Service Unavailable"}


def _answer(status: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, _REASONS[status], len(content)) + content


_ANSWERS = {
    "placeOrder": _answer(200, {"data": {"placeOrder": {"status": 1, "data": _ORDER}}}),
    "getBalance": _answer(200, _BALANCE),
    "getOrderDetails": _answer(404, {"code": 404, "errorId": "PLE10016", "error": "no such order"}),
}
_TOKEN_ANSWER = _answer(200, _TOKEN)
# Each order has its own id: the client does not accept one id for two poNumbers.
_PIECES = _ANSWERS["placeOrder"].split(str(_ORDER_ID).encode())
_ORDER_IDS = count(_ORDER_ID)
_FAILED = _answer(503, {"code": 503, "error": "out of order"})


def _over(penalty_s: float) -> bytes:
    return _answer(429, {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": penalty_s}]})


class _Served(asyncio.Protocol):
    def __init__(self, cases: dict[str, Case]) -> None:
        self.cases = cases
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            path = head.split(b" ", 2)[1].decode()
            latency_s, answer = self.answer(self.cases[path.split("/")[1]], path, body)
            if latency_s:
                asyncio.get_running_loop().call_later(latency_s, self.write, answer)
            else:
                self.write(answer)

    def write(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)

    def answer(self, case: Case, path: str, body: bytes) -> tuple[float, bytes]:
        now = time.monotonic()
        found = _QUERY.search(body)
        if "/oauth/token" in path or found is None:
            return 0.0, _TOKEN_ANSWER
        operation = found[1].decode()
        case.arrivals.setdefault(operation, []).append(now)
        held = case.held_until.get(operation, 0.0)
        if now < held:
            case.refused["penalty"] = case.refused.get("penalty", 0) + 1
            return 0.0, _over(held - now)
        if case.distress and random.random() < case.distress:
            return 0.0, _FAILED
        if operation == "placeOrder":
            over = [name for name, limit in case.limits.items() if not limit.fits(now)]
            for name in over:
                case.refused[name] = case.refused.get(name, 0) + 1
            if over:
                case.held_until[operation] = now + case.penalty_s
                return 0.0, _over(case.penalty_s)
            return case.latency_s, (b"%d" % next(_ORDER_IDS)).join(_PIECES)
        return min(case.latency_s, 0.02), _ANSWERS.get(operation, _BALANCE_ANSWER)


_BALANCE_ANSWER = _ANSWERS["getBalance"]


class _Control:
    """The requests of the benchmark to the server, by name."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def open(self, name: str, per_minute: float | None, latency_s: float, penalty_s: float) -> None:
        now = time.monotonic()
        limits: dict[str, Limit] = {}
        if per_minute is not None:
            # The first fixed window ends soon, so that a run of a little more than a minute has a whole window.
            limits["fixed window"] = FixedWindow(per_minute, now - WINDOW_S + 3.0)
            limits["sliding window"] = SlidingWindow(per_minute)
            limits["token bucket"] = TokenBucket(per_minute, now)
        self.cases[name] = Case(latency_s, limits, penalty_s)

    def report(self, name: str) -> tuple[dict[str, list[float]], dict[str, int]]:
        case = self.cases[name]
        return case.arrivals, case.refused

    def penalise(self, name: str, operation: str, seconds: float) -> float:
        self.cases[name].held_until[operation] = until = time.monotonic() + seconds
        return until

    def distress(self, name: str, share: float) -> float:
        self.cases[name].distress = share
        return time.monotonic()


def _serve(channel: "Connection") -> None:
    control = _Control()

    def asked() -> None:
        try:
            name, arguments = channel.recv()
        except EOFError:
            os._exit(0)
        channel.send(getattr(control, name)(*arguments))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Served(control.cases), "127.0.0.1", 0, backlog=4096)
        channel.send(server.sockets[0].getsockname()[1])
        loop.add_reader(channel.fileno(), asked)
        parent = os.getppid()
        while os.getppid() == parent:  # the server ends when the benchmark ends, for any reason
            await asyncio.sleep(0.5)

    asyncio.run(main())


class LimitedServer:
    """The benchmark's side of the server."""

    def __init__(self, channel: "Connection", port: int) -> None:
        self._channel = channel
        self._port = port

    def open(self, name: str, per_minute: float | None, *, latency_s: float = 0.0, penalty_s: float = 60.0) -> str:
        """Create a case. Return its base URL."""
        self._ask("open", name, per_minute, latency_s, penalty_s)
        return f"http://127.0.0.1:{self._port}/{name}/chef"

    def report(self, name: str) -> tuple[dict[str, list[float]], dict[str, int]]:
        """Return the times of the requests by operation (the machine's monotonic clock), and the refusals by limit."""
        arrivals, refused = self._ask("report", name)
        return arrivals, refused

    def penalise(self, name: str, operation: str, seconds: float) -> float:
        """Refuse an operation for some seconds. Return when that ends."""
        return float(self._ask("penalise", name, operation, seconds))

    def distress(self, name: str, share: float) -> float:
        """Answer a share of all requests with 503 from now on. Return the time."""
        return float(self._ask("distress", name, share))

    def _ask(self, name: str, *arguments: object) -> Any:
        self._channel.send((name, arguments))
        return self._channel.recv()


@contextmanager
def limited_server() -> Iterator[LimitedServer]:
    """Run the server."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield LimitedServer(ours, ours.recv())
    finally:
        process.terminate()
        process.join()
