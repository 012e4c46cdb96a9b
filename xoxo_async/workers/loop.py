"""`Worker`: shift after shift on every job that has open lines, until it is stopped. It needs no queue."""

import os
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import anyio

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.report import Shift
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.runner import single_error
from xoxo_async.errors import ConfigError, LedgerError, XoxoError
from xoxo_async.workers.shifts import ShiftRunner, ShiftSettings
from xoxo_async.workers.state import WorkerState
from xoxo_async.workers.telling import Telling

__all__ = ["Engine", "Worker"]

_LOOK_EVERY_S: Final = 5.0
"""Seconds between two looks for jobs with open lines, and between two checks of the open ledger."""

_TOKEN_EVERY_S: Final = 15.0
_SHORTEST_SHIFT_S: Final = 5.0

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 30.0
"""Seconds until what failed is tried again: twice as long each time, up to the longest."""

_CHECK_S: Final = 5.0

_REFUSED_S: Final = 60.0
"""Seconds until a job that cannot be worked on is tried again: a person may have bound it to this account since."""


async def _nothing() -> None:
    """Check nothing."""


def _none() -> Mapping[str, str]:
    """Return that a worker can work on every job."""
    return {}


class Engine(Protocol):
    """Delivers shifts to a worker until the worker is stopped."""

    async def __call__(self, worker: "Worker") -> None:
        """Call `worker.shift` for every job that has open lines; return once `worker.stopping` is set."""
        ...


class Worker:
    """Work on jobs until stopped. Moves money.

    Any number of workers may work on the same jobs, on any machine, if the ledger is one that many may share.

    Args:
        client: An `XoxoClient`: sends and looks up.
        jobs: Returns the names of the jobs that have open lines.
        open_ledger: Returns the ledger of a job, not opened yet.
        run_shift: Does one shift: `xoxo_async.bulk.run_shift`.
        settings: How the shifts work.
        told: Called with each shift that ended.
        troubled: Called with a line about a trouble that the worker outlives, once until it changes.
        noted: Called with a line about the end of a trouble.
        others: Returns the other jobs that are not done, which no worker works on, and why; called after `jobs`. They
            are left out: told once, and not called done.
        check: Refuses a place that no worker can work on. It runs at the beginning, because a place without open jobs
            opens no ledger, and would be found unfit by the first order.
        many: Whether it works on all jobs there are. Then it leaves out a job that it cannot work on, such as one of
            another account; otherwise such a job ends it.
    """

    def __init__(
        self,
        client: BulkClient,
        jobs: Callable[[], Awaitable[Sequence[str]]],
        open_ledger: Callable[[str], Ledger],
        *,
        run_shift: ShiftRunner,
        settings: ShiftSettings | None = None,
        told: Callable[[Shift], None] = lambda _shift: None,
        troubled: Callable[[str], None] = lambda _line: None,
        noted: Callable[[str], None] = lambda _line: None,
        others: Callable[[], Mapping[str, str]] = _none,
        check: Callable[[], Awaitable[None]] = _nothing,
        many: bool = False,
    ) -> None:
        self.state: Final = WorkerState()
        self.progress: Final = Progress()
        self.name: Final = f"{platform.node()}:{os.getpid()}"
        """This process, for a queue that tells workers apart."""
        self.stopping: Final = anyio.Event()
        """Set once the worker was told to stop."""
        self.last: Final[dict[str, Shift]] = {}
        """The last shift of each job."""
        self.refused: Final[dict[str, str]] = {}
        """The jobs that cannot be worked on with these settings, and why."""
        self.failing: Final[dict[str, str]] = {}
        """The jobs whose last shift failed, and why. They are tried again after a while."""
        self.cut_in_flight: int = 0
        """Requests that were in flight when the worker was cut off: their orders are in doubt."""
        self._client: Final = client
        self._jobs: Final = jobs
        self._open_ledger: Final = open_ledger
        self._run_shift: Final = run_shift
        self._settings: Final = settings or ShiftSettings()
        self._told: Final = told
        self._telling: Final = Telling(self.state, troubled, noted)
        self._others: Final = others
        self._check: Final = check
        self.many: Final = many
        """Whether it works on all jobs there are."""
        self._ledger: Ledger | None = None  # the open one
        self._scopes: Final[set[anyio.CancelScope]] = set()  # of the shifts under way
        self._due: Final[dict[str, float]] = {}  # by job: when another shift makes sense
        self._waits_s: Final[dict[str, float]] = {}  # by job that fails: how long it waited last

    def stop(self) -> None:
        """Take no more lines: what is in flight ends, the rest is given back, then `run` returns."""
        self.state.stopping = True
        self.stopping.set()

    async def run(self, *, until_done: bool = False, engine: Engine | None = None) -> None:
        """Work until stopped.

        Args:
            until_done: Whether to return once no job has lines that a worker may work on.
            engine: Delivers the shifts; None asks for jobs again and again, which needs no queue.

        Raises:
            LedgerError: The ledger has not answered once, or no worker can work on it. Later failures are waited out.
            ConfigError: The ledger is of another account or address, or cannot be opened with these settings.
        """
        try:
            async with anyio.create_task_group() as group:
                await self._check()
                group.start_soon(self._watch)
                if engine is None:
                    await self._work(until_done=until_done)
                else:
                    if until_done:
                        group.start_soon(self._stop_when_done)
                    await engine(self)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            raise single_error(errors) from None

    async def shift(self, job: str, *, seconds: float | None = None) -> Shift | None:
        """Do one shift on a job; None if it was cut off, or failed.

        A failure that is the job's own is told once until it changes, and the job waits for a while, longer each time.

        Args:
            job: The job's name.
            seconds: How long; None takes the settings'.

        Returns:
            What it did and what it left. None also for a job that is left out, see `many`, that has to wait, or that
            has no open lines any more.

        Raises:
            LedgerError: The ledger fails for all jobs.
            ConfigError: The ledger is of another account or address, or needs another key, and is the only one.
        """
        if (job in self.refused or job in self.failing) and self._left_s(job) > 0:
            return None
        try:
            shift = await self._shift(job, self._settings.seconds if seconds is None else seconds)
        except ConfigError as error:
            if not self.many:
                raise
            self._due[job] = time.monotonic() + _REFUSED_S
            self._leave_out(job, error.message)
            return None
        except XoxoError as error:
            # The question for jobs fails as well if the trouble is not the job's own.
            if isinstance(error, LedgerError) and job not in await self.open_jobs():
                return None  # another process ended it meanwhile, and it may be purged
            self._fail(job, error.message)
            return None
        self.refused.pop(job, None)
        self._waits_s.pop(job, None)
        if self.failing.pop(job, None) is not None and shift is not None:
            self._telling.note(f"job {job}: its shifts work again")
        return shift

    def _leave_out(self, job: str, why: str) -> None:
        self.state.job_is_left_out(job, why)
        if self.refused.get(job) != why:
            self.refused[job] = why
            self._telling.trouble(f"job {job}: {why}")

    def _fail(self, job: str, why: str) -> None:
        wait_s = self._waits_s.get(job, _FIRST_WAIT_S)
        self._waits_s[job] = min(2 * wait_s, _LONGEST_WAIT_S)
        self._due[job] = time.monotonic() + wait_s
        self.state.job_fails(job, why)
        if self.failing.get(job) != why:
            self.failing[job] = why
            self._telling.trouble(f"job {job}: {why}")

    async def _shift(self, job: str, seconds: float) -> Shift | None:
        settings = self._settings
        self.progress.begin()
        async with self._open_ledger(job) as ledger:
            self._ledger = ledger
            self._telling.ledger_answered()
            shift: Shift | None = None
            with anyio.CancelScope() as scope:
                self._scopes.add(scope)
                try:
                    shift = await self._run_shift(
                        self._client,
                        ledger,
                        seconds=seconds,
                        concurrency=settings.concurrency,
                        settle_s=settings.settle_s,
                        resend=settings.resend,
                        pause_limit_s=settings.pause_limit_s,
                        address=settings.address,
                        progress=self.progress,
                        stopping=self.stopping,
                    )
                finally:
                    self._ledger = None
                    self._scopes.discard(scope)
                    if shift is None:
                        self.state.issued += self.progress.placed
        if shift is None:
            return None
        self._telling.ledger_answered()
        self.state.shift_ended(shift.issued)
        self.state.job_is(job, shift.paused)
        self.last[job] = shift
        self._told(shift)
        return shift

    def takes(self, job: str) -> bool:
        """Return whether a shift would work on a job now: it is not left out, or is to be tried again.

        Args:
            job: The job's name.
        """
        return job not in self.refused or self._left_s(job) <= 0

    def note(self, line: str) -> None:
        """Tell a line that is no trouble.

        Args:
            line: In words.
        """
        self._telling.note(line)

    async def open_jobs(self) -> list[str]:
        """Return the jobs that have open lines.

        Raises:
            LedgerError: They cannot be read.
        """
        jobs = list(await self._jobs())
        others = self._others()
        self._telling.ledger_answered()
        self.state.found_jobs(frozenset([*jobs, *others]))
        for job in self.refused.keys() - {*jobs, *others}:
            del self.refused[job]  # it is done
        for job, why in others.items():
            self._leave_out(job, why)
        return jobs

    def cut_off(self) -> None:
        """End the shifts under way at once: what is in flight is in doubt then, and the next shift looks it up."""
        self.stop()
        self.cut_in_flight = self.cut_in_flight or self.progress.in_flight
        for scope in self._scopes:
            scope.cancel()

    # Without a queue.

    async def _work(self, *, until_done: bool) -> None:
        wait_s = _FIRST_WAIT_S
        while not self.stopping.is_set():
            try:
                jobs = await self.open_jobs()
                if until_done and not jobs:
                    return
                await self._shifts(jobs)
                if until_done and all(self._is_over(job) for job in jobs):
                    return
            except XoxoError as error:
                if not self.outlives(error):
                    raise
                await self._sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                wait_s = _FIRST_WAIT_S
                self._telling.works()
                await self._sleep(min([_LOOK_EVERY_S, *(self._left_s(job) for job in jobs)]))

    async def _shifts(self, jobs: Sequence[str]) -> None:
        """Do one shift on every job whose time has come."""
        due = [job for job in jobs if self._left_s(job) <= 0]
        seconds = max(self._settings.seconds / max(len(due), 1), min(_SHORTEST_SHIFT_S, self._settings.seconds))
        for job in due:
            if self.stopping.is_set():
                return
            shift = await self.shift(job, seconds=seconds)
            if shift is None:
                continue
            again_s = _LOOK_EVERY_S if shift.again_in_s is None else shift.again_in_s
            self._due[job] = time.monotonic() + again_s

    async def _stop_when_done(self) -> None:
        """Stop once no job has lines that a worker may work on; a queue does not know when that is."""
        while True:
            await anyio.sleep(_LOOK_EVERY_S)
            try:
                jobs = await self.open_jobs()
            except LedgerError as error:
                self.outlives(error)
                continue
            if all(self._is_over(job) for job in jobs):
                self.stop()
                return

    def _is_over(self, job: str) -> bool:
        """Return whether no shift can do anything more for a job now."""
        if job in self.refused:
            return True
        shift = self.last.get(job)
        return shift is not None and (not shift.left or shift.needs_a_person)

    def _left_s(self, job: str) -> float:
        return max(self._due.get(job, 0.0) - time.monotonic(), 0.0)

    def outlives(self, error: XoxoError) -> bool:
        """Return whether a worker goes on after an error, and tell it once.

        Args:
            error: What no job's shift can do anything about.
        """
        return self._telling.outlives(error)

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.stopping.wait()

    # Health.

    async def _watch(self) -> None:
        """Ask the ledger and for a token now and then, for the health checks."""
        token_at = 0.0
        while True:
            if self._ledger is not None:
                await self._ask_ledger(self._ledger)
            if time.monotonic() >= token_at:
                await self._ask_for_token()
                token_at = time.monotonic() + _TOKEN_EVERY_S
            await anyio.sleep(_LOOK_EVERY_S)

    async def _ask_ledger(self, ledger: Ledger) -> None:
        try:
            with anyio.fail_after(_CHECK_S):
                paused = await ledger.paused()
        except TimeoutError:
            self._telling.ledger_failed(f"it has not answered for {_CHECK_S:g} s")
        except LedgerError as error:
            if self._ledger is ledger:  # otherwise the shift has ended and closed it
                self._telling.ledger_failed(error.message)
        else:
            self._telling.ledger_answered()
            if ledger.job is not None:
                self.state.job_is(ledger.job, paused)

    async def _ask_for_token(self) -> None:
        """Get a token unless there is one: no call while it lives."""
        try:
            with anyio.fail_after(_TOKEN_EVERY_S):
                await self._client.dispatcher.authorise()
        except TimeoutError:
            wrong = "the token endpoint does not answer"
        except XoxoError as error:
            wrong = error.message
        else:
            wrong = ""
        self._telling.token_is(wrong, every_s=_TOKEN_EVERY_S)
