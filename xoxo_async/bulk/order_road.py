"""The road of orders: how a run places them, and looks them up by their poNumbers."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.running.history import LONGEST_S
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.lookups import LookUps
from xoxo_async.bulk.running.reconcile import Reconciler
from xoxo_async.bulk.running.road import Run
from xoxo_async.bulk.running.sender import probe_orders, send_line
from xoxo_async.bulk.running.sent import Sent
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.transport.connections import OrderAnswer

__all__ = ["OrderRoad"]


class OrderRoad:
    """The road of orders: each is a call of its own, and is looked up by its poNumber.

    Args:
        client: Sends and looks up.
        ledger: The ledger.
        history_s: Seconds that reading the order history may take in a pass of look-ups.
    """

    def __init__(self, client: BulkClient, ledger: Ledger, history_s: float = LONGEST_S) -> None:
        self.kind: Final = JobKind.ORDERS
        self.operation: Final = PLACE_ORDER.name
        self.batch: Final = 1
        self._client: Final = client
        self._ledger: Final = ledger
        self._history_s: Final = history_s

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:  # noqa: ARG002 - see `Road`
        """Return False: each order has its poNumber."""
        return False

    def caller(
        self, doubt: Callable[[OrderAnswer], None], wall: Callable[[], float]
    ) -> Callable[[Sequence[LedgerLine]], Awaitable[Sent]]:
        """Return what places an order; see `send_line`.

        Args:
            doubt: Called with every order that was named on a connection whose answers are not in step.
            wall: The ledger's clock.
        """
        return partial(send_line, self._client.dispatcher, doubt, wall)

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
