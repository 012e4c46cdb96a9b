"""What a worker knows about itself: whether its ledger answers, its token is good and its jobs may be worked on."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ["Health", "WorkerState"]

_SILENT_S: Final = 180.0
"""Seconds without an answer of the ledger after which a worker counts as dead. A restart of the database takes less,
and a worker that is killed because of it would only have to begin anew."""


class Health(NamedTuple):
    """The answer to a health check.

    Attributes:
        ok: Whether it is well.
        reason: Why, in words.
    """

    ok: bool
    reason: str


class WorkerState:
    """The state of one worker; a health check reads it.

    Args:
        clock: A monotonic clock, in seconds.

    Attributes:
        issued: Order lines that they placed, or found placed.
        token: What is wrong with the token; empty if nothing is.
        stopping: Whether the worker was told to stop.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.issued: int = 0
        self.token = ""
        self.stopping = False
        self._clock: Final = clock
        self._answered_at = clock()
        self._has_answered = False
        self._ledger = ""
        self._held: Final[dict[str, str]] = {}
        self._open: frozenset[str] = frozenset()

    @property
    def has_answered(self) -> bool:
        """Whether the ledger has answered once."""
        return self._has_answered

    def ledger_answered(self) -> None:
        """Note an answer of the ledger."""
        self._answered_at, self._has_answered, self._ledger = self._clock(), True, ""

    def ledger_failed(self, reason: str) -> None:
        """Note that the ledger failed.

        Args:
            reason: Its error, in words.
        """
        self._ledger = reason

    def found_jobs(self, jobs: frozenset[str]) -> None:
        """Note which jobs have open lines.

        Args:
            jobs: Their names.
        """
        self._open = jobs
        for job in self._held.keys() - jobs:
            del self._held[job]

    def job_is(self, job: str, paused: str | None) -> None:
        """Note whether a job is paused.

        Args:
            job: Its name.
            paused: Why it is; None if it is not.
        """
        if paused is None:
            self._held.pop(job, None)
        else:
            self._held[job] = f"is paused: {paused}"

    def job_is_left_out(self, job: str, why: str) -> None:
        """Note that a job cannot be worked on.

        Args:
            job: Its name.
            why: In words.
        """
        self._held[job] = f"is left out: {why}"

    def job_fails(self, job: str, why: str) -> None:
        """Note that the last shift of a job failed.

        Args:
            job: Its name.
            why: In words.
        """
        self._held[job] = f"fails: {why}"

    def shift_ended(self, issued: int) -> None:
        """Add what a shift issued to the sum.

        Args:
            issued: Order lines that it placed, or found placed.
        """
        self.issued += issued

    def live(self) -> Health:
        """Return whether the worker lives: its loop turns, since it answers, and its ledger has answered lately."""
        silent_s = self._clock() - self._answered_at
        if silent_s > _SILENT_S:
            return Health(ok=False, reason=f"the ledger has not answered for {silent_s:.0f} s: {self._ledger}")
        return Health(ok=True, reason="at work")

    def ready(self) -> Health:
        """Return whether the worker can issue orders now."""
        if self.stopping:
            return Health(ok=False, reason="stopping")
        if self._ledger:
            return Health(ok=False, reason=f"the ledger fails: {self._ledger}")
        if not self._has_answered:
            return Health(ok=False, reason="the ledger has not answered yet")
        if self.token:
            return Health(ok=False, reason=f"no token: {self.token}")
        if self._open and self._open <= self._held.keys():
            job = min(self._open)
            return Health(ok=False, reason=f"job {job} {self._held[job]}")
        return Health(ok=True, reason="at work" if self._open else "no job has open lines")
