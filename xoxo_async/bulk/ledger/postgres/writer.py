"""The one task that writes for an open ledger: all waiting callers share a statement, and so a commit.

Results that cannot be written stay in memory, and come first once the database answers again; until then nothing is
claimed.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Generic, TypeVar

from xoxo_async.bulk.ledger.arming import ArmRequest
from xoxo_async.bulk.ledger.bookkeeping import ClaimRequest
from xoxo_async.bulk.ledger.lines import Armed, Change, LedgerLine, Rules
from xoxo_async.bulk.ledger.postgres.arming import Arming
from xoxo_async.bulk.ledger.postgres.claiming import Claiming
from xoxo_async.bulk.ledger.postgres.records import Records
from xoxo_async.bulk.ledger.postgres.results import Results
from xoxo_async.bulk.ledger.recording import RecordRequest, given_back, refusal_of
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.failures import DatabaseError

__all__ = ["LedgerWriter"]

_GATHER_S: Final = 0.001
"""Seconds that results wait for more of them while nobody waits for lines to send: each write is a commit."""

R = TypeVar("R", RecordRequest, ArmRequest, ClaimRequest)


class _Task(Generic[R]):
    """A request, and the future on which its caller waits; None if nobody does."""

    __slots__ = ("future", "request")

    def __init__(self, request: R, future: "asyncio.Future[Any] | None") -> None:
        self.request: Final[R] = request
        self.future: Final = future

    def answer(self, result: object, error: Exception | None) -> None:
        if self.future is None or self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class LedgerWriter:
    """The writing task of one open ledger.

    Args:
        records: Writes facts.
        claiming: Claims lines.
        arming: Adds single lines.
    """

    def __init__(self, records: Records, claiming: Claiming, arming: Arming) -> None:
        self._results: Final = Results(records)
        self._claiming: Final = claiming
        self._arming: Final = arming
        self._record_tasks: list[_Task[RecordRequest]] = []
        self._arm_tasks: list[_Task[ArmRequest]] = []
        self._claim_tasks: list[_Task[ClaimRequest]] = []
        self._woken: Final = asyncio.Event()
        self._ending = False
        self._running: Final = asyncio.create_task(self._run(), name="xoxo ledger writer")

    def claim(self, limit: int, budget: int | None) -> "asyncio.Future[list[LedgerLine]]":
        """Queue a claim of lines to send."""
        return self._put(self._claim_tasks, ClaimRequest(limit, budget))

    def arm(self, request: ArmRequest) -> "asyncio.Future[Armed]":
        """Queue a line that is to be sent at once."""
        return self._put(self._arm_tasks, request)

    def record(
        self, changes: Sequence[Change], rules: Rules, doubts: Sequence[tuple[str, int]]
    ) -> "asyncio.Future[list[LedgerLine]]":
        """Queue facts to record; they are recorded also if the caller no longer waits."""
        return self._put(self._record_tasks, RecordRequest(changes, rules, doubts, shared=True))

    def give_back(self, lines: Sequence[LedgerLine]) -> None:
        """Queue the return of claimed lines whose caller is gone; nothing was sent for them."""
        if lines:
            self._record_tasks.append(_Task(given_back(lines), None))
            self._woken.set()

    def _put(self, tasks: list[_Task[R]], request: R) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        tasks.append(_Task(request, future))
        self._woken.set()
        return future

    async def stop(self) -> None:
        """End after all queued requests, with a last try for results that could not be written."""
        self._ending = True
        self._woken.set()
        await self._running

    async def _run(self) -> None:
        while True:
            records, self._record_tasks = self._record_tasks, []
            arms, self._arm_tasks = self._arm_tasks, []
            claims, self._claim_tasks = self._claim_tasks, []
            if records or arms or claims:
                failed = await self._serve_records(records)
                await self._serve_arms(arms, failed)
                await self._serve_claims(claims, failed)
            elif self._ending:
                break
            else:
                self._woken.clear()
                await self._woken.wait()
                if not (self._claim_tasks or self._arm_tasks or self._ending):
                    await asyncio.sleep(_GATHER_S)
        await self._results.end()

    async def _serve_records(self, tasks: Sequence[_Task[RecordRequest]]) -> Exception | None:
        """Write facts; return why nothing may be claimed."""
        outcome = await self._results.write([task.request for task in tasks])
        for task in tasks:
            error = outcome.errors.get(id(task.request))
            task.answer(task.request.lines, error or refusal_of(task.request))
        return outcome.stop

    async def _serve_arms(self, tasks: Sequence[_Task[ArmRequest]], failed: Exception | None) -> None:
        if not tasks:
            return
        error = failed or await _error_of(self._arming.arm([task.request for task in tasks]))
        for task in tasks:
            task.answer(task.request.armed, error or task.request.error)

    async def _serve_claims(self, tasks: Sequence[_Task[ClaimRequest]], failed: Exception | None) -> None:
        if not tasks:
            return
        error = failed or await _error_of(self._claiming.claim([task.request for task in tasks]))
        for task in tasks:
            task.answer(task.request.lines, error or task.request.refusal)


async def _error_of(work: Awaitable[None]) -> Exception | None:
    """Do some work; return its error, which every caller gets."""
    try:
        await work
    except DatabaseError as error:
        return LedgerError(error.message)
    except Exception as error:  # noqa: BLE001 - every error must reach the callers
        return error
    return None
