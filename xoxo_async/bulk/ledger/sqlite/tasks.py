"""The tasks of a ledger's writer, and how their results reach the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from xoxo_async.bulk.ledger.arming import ArmRequest
from xoxo_async.bulk.ledger.bookkeeping import ClaimRequest
from xoxo_async.bulk.ledger.recording import RecordRequest

__all__ = ["Arm", "Claim", "Record", "Step", "Stop", "Task", "resolve"]


class Task:
    """A task for the writer, and the future on which its caller waits."""

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


class Arm(Task):
    """A line to be sent at once."""

    __slots__ = ("request",)

    def __init__(self, future: "asyncio.Future[Any] | None", request: ArmRequest) -> None:
        super().__init__(future)
        self.request: Final = request


class Step(Task):
    """A transaction of its own, or a piece of one that stays open until `last`; without `run`, give it up."""

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
    """Resolve the futures of tasks that still have a waiting caller; runs on the event loop.

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
