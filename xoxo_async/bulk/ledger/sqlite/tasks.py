"""What is asked of a ledger's writer, and how its answers find their way back to the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from xoxo_async.bulk.ledger.bookkeeping import ClaimRequest
from xoxo_async.bulk.ledger.recording import RecordRequest

__all__ = ["Claim", "Record", "Step", "Stop", "Task", "resolve"]


class Task:
    """Something asked of the writer, and the future its asker waits on."""

    __slots__ = ("error", "future", "result")

    def __init__(self, future: "asyncio.Future[Any] | None") -> None:
        self.future: Final = future
        self.result: object = None
        self.error: Exception | None = None


class Record(Task):
    """Facts to record."""

    __slots__ = ("request",)

    def __init__(self, future: "asyncio.Future[Any] | None", request: RecordRequest) -> None:
        super().__init__(future)
        self.request: Final = request


class Claim(Task):
    """Lines wanted."""

    __slots__ = ("request",)

    def __init__(self, future: "asyncio.Future[Any] | None", request: ClaimRequest) -> None:
        super().__init__(future)
        self.request: Final = request


class Step(Task):
    """Work of its own: a transaction, or a piece of one that stays open until `last`; None is to give it up."""

    __slots__ = ("last", "plan", "run")

    def __init__(
        self,
        future: "asyncio.Future[Any] | None",
        run: Callable[[], object] | None,
        *,
        last: bool,
        plan: bool,
    ) -> None:
        super().__init__(future)
        self.run: Final = run
        self.plan: Final = plan
        self.last: Final = last


class Stop(Task):
    """The end."""

    __slots__ = ()


def resolve(tasks: Sequence[Task]) -> None:
    """Wake whoever still waits for some tasks; on the event loop.

    Args:
        tasks: With their results.
    """
    for task in tasks:
        if task.future is None or task.future.done():
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
