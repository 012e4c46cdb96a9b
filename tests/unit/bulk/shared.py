"""A ledger that many workers share, made of one SQLite ledger: leases, and proof of death on a test's word."""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.ledger.bookkeeping import state_for_all
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Holder
from xoxo_async.bulk.ledger.recording import RecordRequest
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.statements import read_lines
from xoxo_async.bulk.ledger.sqlite.tasks import Record

LEASE_S = 0.1


class Place:
    """The database: what all its workers share."""

    def __init__(self, path: Path) -> None:
        self.ledger = SqliteLedger(path)
        self.settler: Worker | None = None
        self.settles_until = 0.0
        self.workers: list[Worker] = []

    async def __aenter__(self) -> Self:
        await self.ledger.open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.ledger.aclose()

    def join(self) -> "Worker":
        """Return an opening of one more worker."""
        worker = Worker(self)
        self.workers.append(worker)
        return worker


class Worker:
    """One worker's opening of the ledger. Everything that it does not decide itself is the place's."""

    holder = None

    def __init__(self, place: Place) -> None:
        self.place = place
        self.dead = False
        self.held: dict[int, int] = {}
        self.claims = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.place.ledger, name)

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        self.claims += 1
        lines = await self.place.ledger.claim(limit, budget=budget)
        self.held |= {line.seq: line.epoch for line in lines}
        return lines

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        future: asyncio.Future[list[LedgerLine]] = asyncio.get_running_loop().create_future()
        request = RecordRequest(tuple(changes), rules, tuple(doubts), shared=True)
        self.place.ledger._writer()._queue.put(Record(future, request))
        return await future

    async def recover(self) -> int:
        moved = 0
        for worker in self.place.workers:
            if worker.dead and worker.held:
                held, worker.held = worker.held, {}
                moved += await self.place.ledger._writer().step(lambda session, held=held: _doubt(session, held))
        return moved

    async def settles(self) -> bool:
        place, now = self.place, time.monotonic()
        if place.settler is not self and place.settler is not None and now < place.settles_until:
            return False
        place.settler, place.settles_until = self, now + LEASE_S
        return True

    async def holders(self) -> list[Holder]:
        return [Holder("here", n, len(worker.held), 0.5) for n, worker in enumerate(self.place.workers)]


def _doubt(session: LedgerSession, held: dict[int, int]) -> int:
    """Put in doubt (T7) what a dead worker still holds."""
    session._epoch += 1
    moment = session.moment()
    lines = [
        line
        for line in read_lines(session.connection, held)
        if line.state is LineState.SENDING and line.epoch == held[line.seq]
    ]
    moves = state_for_all(Evidence.SENDER_DIED, lines, moment, at=moment.now)
    session.write(moves, moment.now)
    return len(moves)
