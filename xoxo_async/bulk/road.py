"""How a run sends and settles its lines: the road of orders, and the protocol for other kinds of jobs."""

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final, NamedTuple, Protocol

import anyio

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LedgerLine, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.running.history import LONGEST_S
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.lookups import LookUps
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.reconcile import Reconciler
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.sender import Sent, probe_orders, send_line
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.transport.connections import OrderAnswer

__all__ = ["OrderRoad", "Road", "Run", "Settler"]


class Settler(Protocol):
    """Settles the lines in doubt of one run; see `Reconciler`."""

    @property
    def pause(self) -> Pause:
        """Why it gave up, empty when it did not."""
        ...

    @property
    def reason(self) -> str:
        """The same in words."""
        ...

    def begin(self) -> None:
        """Restart what earlier settling may have used up."""
        ...

    async def settle(self) -> None:
        """Settle every line in doubt, as far as that is possible."""
        ...

    async def settle_due(self, seconds: float = inf, /) -> float | None:
        """Settle what can be settled now; return when the next line can be, None when none is left."""
        ...

    async def refresh_pending(self) -> None:
        """Look at every placed line whose codes are still to come."""
        ...


class Run(NamedTuple):
    """The parts of a run that settling uses.

    Attributes:
        recorder: Records facts.
        rules: The settling rules.
        progress: Shows what the run waits for.
        stopped: Set when the run should end.
        pause_limit_s: How many seconds it waits for the vendor.
        penalised: Called with each penalty.
        wall: The ledger's clock.
    """

    recorder: Recorder
    rules: Rules
    progress: Progress
    stopped: anyio.Event
    pause_limit_s: float
    penalised: Callable[[str, float], None]
    wall: Callable[[], float]


class Road(Protocol):
    """How the lines of a job are sent and settled."""

    @property
    def kind(self) -> JobKind:
        """What the job is of."""
        ...

    @property
    def operation(self) -> str:
        """The call, by the name that the pacer knows."""
        ...

    @property
    def batch(self) -> int:
        """How many lines travel in one call at most."""
        ...

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two lines may travel in one call."""
        ...

    def call(
        self, lines: Sequence[LedgerLine], doubt: Callable[[OrderAnswer], None], wall: Callable[[], float], /
    ) -> Awaitable[Sent]:
        """Send lines whose intent is durable, in exactly one call. Moves money."""
        ...

    def look(self) -> Awaitable[object]:
        """Make a call that reads, to see whether the server answers."""
        ...

    def settler(self, run: Run) -> Settler:
        """Return what settles the lines of a run."""
        ...


class OrderRoad:
    """The road of orders: each is a call of its own, and is looked up by its poNumber.

    Args:
        client: Sends and looks up.
        ledger: The ledger.
        history_s: Seconds that reading the order history may take in a pass of look-ups.
    """

    kind: Final = JobKind.ORDERS
    operation: Final = PLACE_ORDER.name
    batch: Final = 1

    def __init__(self, client: BulkClient, ledger: Ledger, history_s: float = LONGEST_S) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._history_s: Final = history_s

    def fit(self, _one: LedgerLine, _other: LedgerLine) -> bool:
        """Return False: each order has its poNumber."""
        return False

    def call(
        self, lines: Sequence[LedgerLine], doubt: Callable[[OrderAnswer], None], wall: Callable[[], float]
    ) -> Awaitable[Sent]:
        """Place an order; see `send_line`.

        Args:
            lines: The order.
            doubt: Called with every order that was named on a connection whose answers are not in step.
            wall: The ledger's clock.
        """
        return send_line(self._client.dispatcher, lines[0], doubt, wall)

    def look(self) -> Awaitable[object]:
        """Look up an order that does not exist."""
        return probe_orders(self._client.dispatcher)

    def settler(self, run: Run) -> Reconciler:
        """Return what looks orders up.

        Args:
            run: The parts of the run.
        """
        rounds = LookUps(
            self._client,
            progress=run.progress,
            stopped=run.stopped,
            pause_limit_s=run.pause_limit_s,
            penalised=run.penalised,
            wall=run.wall,
        )
        single = LineLookUp(self._client, self._ledger, run.rules, run.progress, run.wall, history_s=self._history_s)
        return Reconciler(
            self._ledger,
            run.recorder,
            single,
            rounds,
            run.rules,
            progress=run.progress,
            stopped=run.stopped,
            wall=run.wall,
        )
