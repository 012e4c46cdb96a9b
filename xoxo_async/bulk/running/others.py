"""What a run does for other workers of its ledger: it recovers the lines of dead ones, and pauses the job for all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.errors import LedgerError

__all__ = ["OtherWorkers"]

_RECOVER_EVERY_S: Final = 5.0
"""Seconds between two looks for dead workers. Their lines wait for the end of a lease anyway, which takes longer."""

_FOR_ALL: Final = frozenset({Pause.FUNDS, Pause.CREDENTIALS, Pause.REFUSALS})
"""Pauses that every worker of the job would meet, and that a person has to end."""


class OtherWorkers:
    """Look after the ledger for all its workers while one of them runs.

    Args:
        ledger: The ledger.
        stop: The run's stop signal; a pause for funds, credentials or refusals pauses the job.
        pauses_job: Whether such a pause is for the whole job.
        every_s: Seconds between two looks for dead workers.
    """

    def __init__(
        self, ledger: Ledger, stop: StopSignal, *, pauses_job: bool, every_s: float = _RECOVER_EVERY_S
    ) -> None:
        self._ledger: Final = ledger
        self._stop: Final = stop
        self._pauses_job: Final = pauses_job
        self._every_s: Final = every_s
        self._told = False

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Look after the ledger while the block runs."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._recover)
            group.start_soon(self._pass_on)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    async def pause_job(self, pause: Pause, reason: str) -> None:
        """Pause the job if every other worker would meet the same refusal; once.

        Args:
            pause: Why this run paused.
            reason: The same in words.

        Raises:
            LedgerError: It cannot be written.
        """
        if self._pauses_job and pause in _FOR_ALL and not self._told:
            await self._ledger.pause(reason)
            self._told = True

    async def _recover(self) -> None:
        """Put lines of dead workers in doubt, again and again: a worker may die at any time."""
        while True:
            await anyio.sleep(self._every_s)
            try:
                await self._ledger.recover()
            except LedgerError:
                continue  # the run's own claims and results say whether the ledger still works

    async def _pass_on(self) -> None:
        """Pause the job as soon as this run pauses, and not when its last answer has come."""
        await self._stop.wait()
        try:
            await self.pause_job(self._stop.pause, self._stop.reason)
        except LedgerError:
            return  # the end of the run tries again
