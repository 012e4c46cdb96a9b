"""How a run sends and settles its lines: the protocol that each kind of job has its own road for."""

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import NamedTuple, Protocol

import anyio

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LedgerLine, Rules
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.sent import Sent
from xoxo_async.transport.connections import OrderAnswer

__all__ = ["Road", "Run", "Settler"]


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

    def fit(self, one: LedgerLine, other: LedgerLine, /) -> bool:
        """Return whether two lines may travel in one call."""
        ...

    def caller(
        self, doubt: Callable[[OrderAnswer], None], wall: Callable[[], float], /
    ) -> Callable[[Sequence[LedgerLine]], Awaitable[Sent]]:
        """Return what sends lines whose intent is durable, in exactly one call. It moves money."""
        ...

    def look(self) -> Awaitable[object]:
        """Make a call that reads, to see whether the server answers."""
        ...

    def settler(self, run: Run) -> Settler:
        """Return what settles the lines of a run."""
        ...
