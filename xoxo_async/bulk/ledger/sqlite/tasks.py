"""What is asked of a ledger's writer, and how its answers find their way back to the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, Evidence, LedgerLine
from xoxo_async.bulk.ledger.sqlite.session import ClaimOrder, LedgerSession, RecordOrder

__all__ = ["Claim", "Record", "Step", "Stop", "Task", "resolve", "returned"]


class Task:
    """Something asked of the writer, and the future its asker waits on."""

    __slots__ = ("error", "future", "result")

    def __init__(self, future: "asyncio.Future[Any] | None") -> None:
        self.future: Final = future
        self.result: object = None
        self.error: Exception | None = None


class Record(Task):
    """Facts to record."""

    __slots__ = ("order",)

    def __init__(self, future: "asyncio.Future[Any] | None", order: RecordOrder) -> None:
        super().__init__(future)
        self.order: Final = order


class Claim(Task):
    """Lines wanted."""

    __slots__ = ("order",)

    def __init__(self, future: "asyncio.Future[Any] | None", order: ClaimOrder) -> None:
        super().__init__(future)
        self.order: Final = order


class Step(Task):
    """Work of its own: a transaction, or a piece of one that stays open until `last`; None is to give it up."""

    __slots__ = ("last", "plan", "run")

    def __init__(
        self,
        future: "asyncio.Future[Any] | None",
        run: Callable[[LedgerSession], object] | None,
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


def returned(lines: Sequence[LedgerLine]) -> RecordOrder:
    """Return the facts that give claimed lines back: nothing was sent for them.

    Args:
        lines: As they were claimed.
    """
    return RecordOrder(
        [
            Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch, reason="the claim was given up")
            for line in lines
        ],
        DEFAULT_RULES,
    )


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
