"""A server that answers every order, and the parts of a run that sends to it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import repeat
from typing import Any

import anyio
import msgspec

from xoxo_async import RateLimits
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.running.circuit import Circuit
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.runner import Runner
from xoxo_async.bulk.running.sender import Sender, probe_orders, send_line
from xoxo_async.bulk.running.sent import Sent
from xoxo_async.bulk.running.slots import CallSlots
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.errors import NotFoundError
from xoxo_async.hooks import Event, Hook
from xoxo_async.pacing import Pacer
from xoxo_async.services.orders import Order
from xoxo_async.services.orders.requests import OrderLookup, PlaceOrder
from xoxo_async.transport.connections import Attempt, OrderAnswer

NOW = 1_800_000_000.0


class Server:
    """A client that is its own dispatcher: it answers every order, unless a test has something happen to it."""

    def __init__(self) -> None:
        self.dispatcher = self
        self.hooks: Sequence[Hook] = ()
        self.pacer = Pacer(RateLimits.unlimited())
        self.happens: Callable[[str], Awaitable[object]] = lambda _po_number: anyio.sleep(0)
        self.authorise: Callable[[], Awaitable[object]] = lambda: anyio.sleep(0)
        self.sent: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.ready = anyio.Event()
        self.now = NOW

    def distrust(self, _order_id: int, _po_number: str) -> None:
        """It has no connections."""

    @contextmanager
    def telling_doubts(self, _listener: Callable[[OrderAnswer], None]) -> Iterator[None]:
        yield

    async def once(self, _operation: Any, request: Any, /, *, attempt: Attempt | None = None) -> Order:
        if isinstance(request, OrderLookup):
            raise NotFoundError("no such order")  # a probe: the server works
        po_number = msgspec.json.decode(request, type=PlaceOrder).po_number
        self.sent.append(po_number)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        nth = len(self.sent)
        try:
            await self.happens(po_number)
        finally:
            self.in_flight -= 1
        return Order(order_id=nth, quantity=1)


class Sending:
    """The sending half of a run: a runner with all that it uses.

    Args:
        server: Receives the orders.
        ledger: Holds the lines.
        concurrency: Requests in flight at most.
        batch: How many lines travel in one call at most.
        fit: Whether two lines may travel in one call.
        budget: What the job may cost.
        pause_limit_s: How long the run waits for the vendor.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        server: Server,
        ledger: Ledger,
        concurrency: int = 4,
        *,
        batch: int = 1,
        fit: Callable[[LedgerLine, LedgerLine], bool] = lambda _one, _other: True,
        budget: Decimal | None = None,
        pause_limit_s: float = 60.0,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.progress = Progress()
        self.signal = StopSignal()
        self.events: list[Event] = []
        self.calls: list[list[str]] = []
        self.penalties: list[tuple[str, float]] = []
        self.recorder = Recorder(ledger, self.signal, budget=budget, hooks=[self.events.append])
        wall = lambda: server.now  # noqa: E731 - a clock
        circuit = Circuit(pause_limit_s, clock, most=concurrency, waits=lambda: repeat(0.01))
        slots = CallSlots(
            server,  # type: ignore[arg-type]
            "placeOrder",
            "orders",
            self.signal,
            self.progress,
            pause_limit_s=pause_limit_s,
            penalised=lambda what, wait_s: self.penalties.append((what, wait_s)),
            clock=clock,
            wall=wall,
        )

        async def call(lines: Sequence[LedgerLine]) -> Sent:
            self.calls.append([line.key for line in lines])
            ends = [await send_line(server, self.recorder.add_doubt, wall, [line]) for line in lines]  # type: ignore[arg-type]
            return Sent([change for end in ends for change in end.changes], ends[0].error)

        sender = Sender(
            call,
            lambda: probe_orders(server),  # type: ignore[arg-type]
            circuit,
            self.progress,
            stop=self.signal.stop,
            clock=clock,
        )
        runner = Runner(
            ledger,
            self.recorder,
            slots,
            circuit,
            self.signal,
            self.progress,
            send=sender.send,
            probe=sender.probe,
            concurrency=concurrency,
            batch=batch,
            fit=fit,
            budget=budget,
            wall=wall,
        )
        self.stop, self.send_all = self.signal.stop, runner.send_all

    @property
    def pause(self) -> object:
        return self.signal.pause

    @property
    def reason(self) -> str:
        return self.signal.reason

    @property
    def interrupted(self) -> anyio.Event:
        return self.signal.interrupted
