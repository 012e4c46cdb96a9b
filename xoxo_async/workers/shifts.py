"""How a worker's shifts work, and what does one."""

from typing import Literal, Protocol

import anyio
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.report import Shift
from xoxo_async.bulk.running.progress import Progress

__all__ = ["ShiftRunner", "ShiftSettings"]


class ShiftSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the shifts of a worker work; see `run_shift`.

    Attributes:
        seconds: The length of a shift. Several jobs share it.
        concurrency: Requests in flight at most; None takes what the ledger keeps.
        settle_s: Seconds after a lost answer before "no such order" counts; None takes what the ledger keeps.
        resend: Whether a row is sent again once its order is proven absent; None takes what the ledger keeps.
        pause_limit_s: How many seconds a shift waits for a dead server or the end of a penalty.
        address: The address that the ledger stores.
    """

    seconds: float = 60.0
    concurrency: int | Literal["auto"] | None = None
    settle_s: float | None = None
    resend: Literal["settled", "never"] | None = None
    pause_limit_s: float = 30.0
    address: str = ""


class ShiftRunner(Protocol):
    """Does one shift; see `run_shift`."""

    async def __call__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        seconds: float,
        concurrency: int | Literal["auto"] | None,
        settle_s: float | None,
        resend: Literal["settled", "never"] | None,
        pause_limit_s: float,
        address: str,
        progress: Progress | None,
        stopping: anyio.Event | None,
    ) -> Shift:
        """Work on the job of an open ledger for a while."""
        ...
