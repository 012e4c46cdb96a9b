"""Workers of one job, their vendor, and everything that may go wrong between them: leases end, workers die or sleep.

The vendor accepts repeated poNumbers, and a look-up finds an order only some time after it was placed. So whatever the
ledger hands out twice is bought twice, and the test sees it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal
from uuid import uuid4

from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine, Rules
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.errors import LedgerConflictError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect

__all__ = ["RULES", "Vendor", "Worker", "World", "planned_line", "world"]

RULES: Final = Rules(settle_s=100, spacing_s=10, absences=2)
FINAL: Final = {LineState.PLACED, LineState.REJECTED, LineState.CANCELLED, LineState.MANUAL}
DOUBTED: Final = (LineState.UNKNOWN, LineState.CONFLICT)

Answer = Literal["placed", "lost", "lost before", "refused", "not sent"]


def planned_line(number: int) -> PlannedLine:
    """Return a line."""
    body = b'{"productId":1001,"denomination":100,"quantity":1,"poNumber":"po-%d"}' % number
    return PlannedLine(key=f"k{number}", po_number=f"po-{number}", digest=f"d{number}", request=body, row=number + 1)


class Vendor:
    """Places every order that it gets, and shows it to look-ups after a while."""

    def __init__(self) -> None:
        self.orders: Final[list[tuple[str, float]]] = []

    def place(self, po_number: str, visible_at: float) -> int:
        self.orders.append((po_number, visible_at))
        return len(self.orders)

    def find(self, po_number: str, now: float) -> int | None:
        for number, (name, visible_at) in enumerate(self.orders, 1):
            if name == po_number and visible_at <= now:
                return number
        return None

    @property
    def twice(self) -> list[str]:
        return [name for name, count in Counter(name for name, _ in self.orders).items() if count > 1]


class Worker:
    """One opening of the ledger, with the lines that it holds and the answers that it has not recorded yet."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self.ledger: Final = ledger
        self.held: Final[list[tuple[LedgerLine, float]]] = []
        self.answers: Final[list[Change]] = []


class World:
    """A job, its workers and its vendor; the clock is moved by hand."""

    def __init__(self, database: str) -> None:
        self.database: Final = database
        self.job: Final = uuid4().hex
        self.terms: Final = PlanTerms(identity=Identity("https://vendor.example/chef", self.job))
        self.vendor: Final = Vendor()
        self.workers: Final[list[Worker]] = []
        self.now = 1_800_000_000.0
        self.planned = 0
        self.unwanted: Final[set[str]] = set()
        self.withdrawn: Final[set[str]] = set()

    async def join(self) -> Worker:
        """Open the ledger as one more worker."""
        ledger = PostgresLedger(self.database, job=self.job, codes_key="", clock=lambda: self.now)
        await ledger.open()
        self.workers.append(Worker(ledger))
        return self.workers[-1]

    async def plan(self, worker: Worker, count: int) -> None:
        lines = [planned_line(number) for number in range(self.planned, self.planned + count)]
        await worker.ledger.plan(self.job, each(lines), self.terms)
        self.planned += count

    async def plan_without(self, worker: Worker, row: int) -> None:
        """Plan the same input without one of its rows."""
        lines = [planned_line(number) for number in range(self.planned) if number != row]
        terms = PlanTerms(identity=self.terms.identity, missing="withdraw")
        try:
            done = await worker.ledger.plan(self.job, each(lines), terms)
        except LedgerConflictError:
            return  # it was given back after it was sent, and may exist
        if done.withdrawn:
            self.withdrawn.add(f"k{row}")
        for key in [key for key in self.unwanted if key != f"k{row}"]:
            self.unwanted.discard(key)
        doubted = [one.key async for one in worker.ledger.lines(states=DOUBTED)]
        self.unwanted.update(key for key in doubted if key == f"k{row}")

    async def claim(self, worker: Worker, limit: int) -> None:
        for line in await worker.ledger.claim(limit):
            assert line.key not in self.withdrawn, f"{line.key} is withdrawn, and was given out"
            assert line.key not in self.unwanted, f"{line.key} is unwanted, and was given out again"
            worker.held.append((line, self.now))

    def send(self, worker: Worker, which: int, answer: Answer, lag_s: float) -> None:
        """Send a line that a worker holds; it does so also when it is taken for dead, until the end of the hold."""
        if not worker.held:
            return
        line, since = worker.held.pop(which % len(worker.held))
        if self.now > since + MAX_HOLD_S or answer == "not sent":
            evidence, order = Evidence.NOT_PROCESSED, None
        elif answer == "lost before":
            evidence, order = Evidence.OUTCOME_LOST, None
        elif answer == "refused":
            evidence, order = Evidence.REFUSED_NO_ORDER, None
        else:
            order = self.vendor.place(line.po_number, self.now + lag_s)
            evidence = Evidence.ANSWERED_PLACED if answer == "placed" else Evidence.OUTCOME_LOST
        proof = order if evidence is Evidence.ANSWERED_PLACED else None
        worker.answers.append(
            Change(
                seq=line.seq,
                evidence=evidence,
                epoch=line.epoch,
                at=self.now,
                order_id=proof,
                delivery=Delivery.DELIVERED if proof else Delivery.NONE,
                codes=b'[{"code":"CODE-%d"}]' % proof if proof else None,
            )
        )

    async def record(self, worker: Worker, count: int) -> None:
        answers = [worker.answers.pop(0) for _ in range(min(count, len(worker.answers)))]
        if answers:
            with suppress(LedgerConflictError):  # of a worker that slept
                await worker.ledger.record(answers, rules=RULES)

    async def look_up(self, worker: Worker, which: int) -> None:
        lines = [one async for one in worker.ledger.lines(states=DOUBTED)]
        if lines:
            await self.settle(worker, lines[which % len(lines)])

    async def settle(self, worker: Worker, line: LedgerLine) -> None:
        order = self.vendor.find(line.po_number, self.now)
        evidence = Evidence.LOOKUP_MATCHED if order else Evidence.LOOKUP_ABSENT
        change = Change(seq=line.seq, evidence=evidence, epoch=line.epoch, at=self.now, order_id=order)
        with suppress(LedgerConflictError):  # it was settled meanwhile
            await worker.ledger.record([change], rules=RULES)

    async def lapse(self, worker: Worker) -> None:
        """End a worker's lease; the worker does not notice."""
        connection = await connect(DatabaseAddress.read(self.database), purpose="test")
        try:
            await connection.execute(
                "UPDATE xoxo.worker SET lease_until = least(lease_until, clock_timestamp() - interval '1 second')"
                " WHERE id = $1",
                worker.ledger.worker,
            )
        finally:
            await connection.close()

    async def check(self) -> None:
        """Compare what the ledger says with the vendor's orders, and its counts with its lines."""
        assert not self.vendor.twice, f"bought twice: {self.vendor.twice}"
        if not self.workers:
            return
        ledger = self.workers[0].ledger
        lines = [one async for one in ledger.lines()]
        counts = await ledger.counts()
        assert counts.states == dict(Counter(one.state for one in lines))
        assert counts.rows == len(lines) == self.planned
        for one in lines:
            if one.state is LineState.PLACED and one.order_id is not None:
                assert self.vendor.orders[one.order_id - 1][0] == one.po_number

    async def finish(self) -> None:
        """End all workers but one, and let that one work until nothing is open: no line may be stranded."""
        first, *others = self.workers
        for other in others:
            await self.lapse(other)
        for _ in range(40):
            await first.ledger.recover()
            await self.claim(first, 10)
            while first.held:
                self.send(first, 0, "placed", 0)
            await self.record(first, len(first.answers))
            self.now += 120
            doubted = [one async for one in first.ledger.lines(states=DOUBTED)]
            for line in doubted:
                await self.settle(first, line)
            lines = [one async for one in first.ledger.lines()]
            if all(one.state in FINAL or one.unwanted for one in lines) and not self._held_by(others, lines):
                break
        await self.check()
        assert {one.key for one in lines if one.state not in FINAL and not one.unwanted} == set()

    @staticmethod
    def _held_by(others: Sequence[Worker], lines: Sequence[LedgerLine]) -> bool:
        sending = {one.seq for one in lines if one.state is LineState.SENDING}
        return any(line.seq in sending for other in others for line, _ in other.held)

    async def close(self) -> None:
        for worker in self.workers:
            await worker.ledger.aclose()


@asynccontextmanager
async def world(database: str, workers: int = 2, lines: int = 0) -> AsyncIterator[World]:
    """Give a job with some workers and lines."""
    one = World(database)
    try:
        for _ in range(workers):
            await one.join()
        if lines:
            await one.plan(one.workers[0], lines)
        yield one
    finally:
        await one.close()
