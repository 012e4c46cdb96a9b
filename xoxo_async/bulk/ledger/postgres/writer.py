"""The one task that writes for an open ledger: all waiting callers share a statement, and so a commit.

Results that cannot be written stay in memory, and come first once the database answers again; until then nothing is
claimed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from xoxo_async.bulk.ledger.bookkeeping import ClaimRequest
from xoxo_async.bulk.ledger.lines import Change, LedgerLine, Rules
from xoxo_async.bulk.ledger.postgres.claiming import Claiming
from xoxo_async.bulk.ledger.postgres.records import Records
from xoxo_async.bulk.ledger.recording import RecordRequest, given_back, refusal_of
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.failures import DatabaseError

__all__ = ["LedgerWriter"]


class _Task:
    """A request, and the future on which its caller waits; None if nobody does."""

    __slots__ = ("future", "request")

    def __init__(
        self, request: RecordRequest | ClaimRequest, future: "asyncio.Future[list[LedgerLine]] | None"
    ) -> None:
        self.request: Final = request
        self.future: Final = future

    def answer(self, error: Exception | None) -> None:
        if self.future is None or self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(self.request.lines)


class LedgerWriter:
    """The writing task of one open ledger.

    Args:
        records: Writes facts.
        claiming: Claims lines.
    """

    def __init__(self, records: Records, claiming: Claiming) -> None:
        self._records: Final = records
        self._claiming: Final = claiming
        self._tasks: list[_Task] = []
        self._kept: list[RecordRequest] = []
        self._woken: Final = asyncio.Event()
        self._ending = False
        self._running: Final = asyncio.create_task(self._run(), name="xoxo ledger writer")

    def claim(self, limit: int, budget: int | None) -> "asyncio.Future[list[LedgerLine]]":
        """Queue a claim of lines to send."""
        return self._put(ClaimRequest(limit, budget))

    def record(
        self, changes: Sequence[Change], rules: Rules, doubts: Sequence[tuple[str, int]]
    ) -> "asyncio.Future[list[LedgerLine]]":
        """Queue facts to record; they are recorded also if the caller no longer waits."""
        return self._put(RecordRequest(changes, rules, doubts))

    def give_back(self, lines: Sequence[LedgerLine]) -> None:
        """Queue the return of claimed lines whose caller is gone; nothing was sent for them."""
        if lines:
            self._tasks.append(_Task(given_back(lines), None))
            self._woken.set()

    def _put(self, request: RecordRequest | ClaimRequest) -> "asyncio.Future[list[LedgerLine]]":
        future: asyncio.Future[list[LedgerLine]] = asyncio.get_running_loop().create_future()
        self._tasks.append(_Task(request, future))
        self._woken.set()
        return future

    async def stop(self) -> None:
        """End after all queued requests, with a last try for results that could not be written."""
        self._ending = True
        self._woken.set()
        await self._running

    async def _run(self) -> None:
        while self._tasks or not self._ending:
            if not self._tasks:
                self._woken.clear()
                await self._woken.wait()
                continue
            tasks, self._tasks = self._tasks, []
            await self._serve(tasks)
        if self._kept:
            with suppress(DatabaseError, LedgerError):
                await self._write([])

    async def _serve(self, tasks: Sequence[_Task]) -> None:
        records = [task for task in tasks if isinstance(task.request, RecordRequest)]
        claims = [task for task in tasks if isinstance(task.request, ClaimRequest)]
        failed = await self._serve_records(records) if records or self._kept else None
        await self._serve_claims(claims, failed)

    async def _serve_records(self, tasks: Sequence[_Task]) -> Exception | None:
        """Write facts; return why it failed."""
        requests = [task.request for task in tasks if isinstance(task.request, RecordRequest)]
        error: Exception | None = None
        try:
            await self._write(requests)
        except DatabaseError as failed:
            error = _kept_error(failed.message, requests)
        except LedgerError as failed:
            error = _kept_error(failed.message, requests)
        except Exception as failed:  # noqa: BLE001 - every error must reach the callers
            error = failed
        if error is not None:
            self._kept += requests
        for task in tasks:
            if isinstance(task.request, RecordRequest):
                task.answer(error or refusal_of(task.request))
        return error

    async def _write(self, requests: Sequence[RecordRequest]) -> None:
        await self._records.write([*self._kept, *requests])
        self._kept.clear()

    async def _serve_claims(self, tasks: Sequence[_Task], failed: Exception | None) -> None:
        if not tasks:
            return
        requests = [task.request for task in tasks if isinstance(task.request, ClaimRequest)]
        error = failed
        if error is None:
            try:
                await self._claiming.claim(requests)
            except DatabaseError as refused:
                error = LedgerError(refused.message)
            except Exception as refused:  # noqa: BLE001 - every error must reach the callers
                error = refused
        for task in tasks:
            if isinstance(task.request, ClaimRequest):
                task.answer(error or task.request.refusal)


def _kept_error(message: str, requests: Sequence[RecordRequest]) -> LedgerError:
    results = sum(len(request.changes) for request in requests)
    return LedgerError(
        f"{message}; {results} results are kept in memory, and written before anything else once the database answers"
    )
