"""What metrics count, without a library: labels with few values, and the lines of bulk jobs by state."""

from typing import Final

import xoxo_async.errors
from xoxo_async.bulk.events import RunFinished, RunStarted
from xoxo_async.errors import XoxoError

__all__ = ["JOB_STATES", "JobLines", "Labels", "outcome_of"]

_MOST_OPERATIONS: Final = 50
_MOST_JOBS: Final = 1_000

JOB_STATES: Final = ("issued", "pending", "rejected", "unknown", "not_sent")
"""The states of a report: together they are all lines of a job."""

_ERRORS: Final = frozenset(
    name for name, value in vars(xoxo_async.errors).items() if isinstance(value, type) and issubclass(value, XoxoError)
)


def outcome_of(error: str) -> str:
    """Return the label for how a call or an attempt ended: `ok`, one of the SDK's errors, `CancelledError`, `other`.

    Args:
        error: The `error` of an event.
    """
    if not error:
        return "ok"
    return error if error in _ERRORS or error == "CancelledError" else "other"


class Labels:
    """Keeps the number of operations in labels bounded: those of your own count as well, up to fifty names."""

    def __init__(self) -> None:
        self._operations: Final[set[str]] = set()

    def operation(self, name: str) -> str:
        """Return an operation's label: its name, or `other` once there are too many.

        Args:
            name: The operation's name.
        """
        known = self._operations
        if name in known:
            return name
        if len(known) >= _MOST_OPERATIONS:
            return "other"
        known.add(name)
        return name


class JobLines:
    """The lines of all jobs by state, as the begin or the end of each job's last run has told them."""

    def __init__(self) -> None:
        self._jobs: Final[dict[tuple[str, str], RunStarted | RunFinished]] = {}

    def note(self, event: RunStarted | RunFinished) -> None:
        """Take the numbers of a run that begins or ends.

        Args:
            event: The event.
        """
        key = event.job, event.ledger
        self._jobs.pop(key, None)
        self._jobs[key] = event
        if len(self._jobs) > _MOST_JOBS:
            del self._jobs[next(iter(self._jobs))]  # the one that was heard of the longest ago

    def total(self, state: str) -> int:
        """Return how many lines all jobs have in a state.

        Args:
            state: One of `JOB_STATES`.
        """
        return sum(getattr(event, state) for event in self._jobs.values())
