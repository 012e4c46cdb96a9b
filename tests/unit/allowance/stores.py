"""A store in memory, a loop with a clock of its own, and what tests of both need."""

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

from xoxo_async.allowance.protocol import LATE_S, AwayError, Grant


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while all its tasks wait, and then at once. No sockets, no threads."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now = 1000.0
        select = self._selector.select  # type: ignore[attr-defined]

        def skip(timeout: float | None = None) -> Any:
            if timeout:
                self.now += timeout
            elif timeout is None:
                raise RuntimeError("everything waits for ever")
            return select(0)

        self._selector.select = skip  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


def run_virtually(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test in a virtual loop."""

    async def main() -> None:
        await work()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


class MemoryAllowance:
    """A store that any number of shares in one loop use. Its answers can be delayed, lost and wrong."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.delay_s: Callable[[], float] = lambda: 0.001
        self.failure: Exception | None = None
        self.wrong: Grant | None = None
        self.lanes: dict[tuple[str, str], list[float]] = {}
        self.members: dict[tuple[str, str], dict[str, float]] = {}
        self.takes: list[tuple[str, int]] = []
        self.holds: list[tuple[str, float]] = []
        self.closed = 0

    def __repr__(self) -> str:
        return f"MemoryAllowance({self.name!r})"

    async def take(
        self, account: str, operation: str, *, member: str, interval_s: float, count: int, within_s: float
    ) -> Grant:
        self.takes.append((operation, count))
        lane, now = await self._reach(account, operation)
        members = self.members.setdefault((account, operation), {})
        members[member] = now
        first = max(lane[0] if lane[0] >= now - LATE_S else now, lane[1])
        count = count if first <= now + within_s else 0
        if count:
            lane[0] = first + count * interval_s
        live = sum(seen > now - 60 for seen in members.values())
        grant = Grant(first_s=first - now, count=count, held_s=max(lane[1] - now, 0.0), members=live)
        await asyncio.sleep(self.delay_s() / 2)
        return self.wrong or grant

    async def hold(self, account: str, operation: str, seconds: float) -> None:
        lane, now = await self._reach(account, operation)
        self.holds.append((operation, seconds))
        lane[1] = max(lane[1], now + seconds)

    async def aclose(self) -> None:
        self.closed += 1

    async def _reach(self, account: str, operation: str) -> tuple[list[float], float]:
        await asyncio.sleep(self.delay_s() / 2)
        if self.failure is not None:
            raise self.failure
        lane = self.lanes.setdefault((account, operation), [-math.inf, -math.inf])
        return lane, asyncio.get_running_loop().time()


AWAY = AwayError("it is down")
