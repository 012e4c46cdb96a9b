"""`sqlite.planning`: the steps of a plan, in one transaction that is committed or given up."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bulk.ledger.facts import packable
from tests.unit.bulk.ledger.ledgers import connected, each, line
from xoxo_async.bulk.ledger.clock import Boot, LedgerClock
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.protocol import NO_TERMS, Planned, PlanTerms
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.journal import read_journal
from xoxo_async.bulk.ledger.sqlite.planning import run_plan
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.statements import last_seq

pytestmark = pytest.mark.anyio


class Steps:
    """A writer that does each step at once, and notes how the plan ended."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        clock = LedgerClock(lambda: 5.0, lambda: Boot("", 5.0), "", 0.0)
        self.session = LedgerSession(connection, None, CodeMarks(lambda: CodeBox("")), clock)
        self.number = 0
        self.ended = ""

    def __call__(self, run: Callable[[LedgerSession], object] | None, *, last: bool = False) -> "asyncio.Future[Any]":
        """Do a step."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.number += 1
        self.ended = "given up" if run is None else "committed" if last else self.ended
        try:
            future.set_result(None if run is None else run(self.session))
        except Exception as error:  # noqa: BLE001 - as the writer does
            future.set_exception(error)
        return future


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    """Give the steps of an empty ledger."""
    for connection in connected(tmp_path / "l.db"):
        yield Steps(connection)


async def planned(steps: Steps, lines: AsyncIterator[PlannedLine], terms: PlanTerms = NO_TERMS) -> tuple[Planned, int]:
    """Plan lines; return the result, and how often `then` was called."""
    told: list[bool] = []
    outcome = await run_plan(steps, "march", lines, terms, lambda: told.append(True))
    await asyncio.sleep(0)
    return outcome, len(told)


async def test_lines_are_added_in_chunks(steps: Steps) -> None:
    """A chunk is a step, and each line has its journal row (T0)."""
    outcome, told = await planned(steps, each([line(number) for number in range(2500)]))
    assert (outcome, told, steps.ended) == ((2500, 0, 2500, 0, 0), 1, "committed")
    assert steps.number == 6  # begin, three chunks, close, commit
    assert last_seq(steps.session.connection) == 2500
    assert [row.transition for row in read_journal(steps.session.connection, 2500, 0, 9)] == ["T0"]


async def test_known_lines_are_counted_apart(steps: Steps) -> None:
    """Also where lines share orders, across chunks of one plan."""
    await planned(steps, each(packable(*range(15))))
    outcome, _ = await planned(steps, each(packable(*range(1010))))
    assert (outcome.added, outcome.known, outcome.orders) == (995, 15, 100)


@pytest.mark.parametrize("where", ["lines", "approve"])
async def test_an_error_gives_the_plan_up(steps: Steps, where: str) -> None:
    """The caller's own error is raised, and `then` is not called."""

    async def lines() -> AsyncIterator[PlannedLine]:
        yield line(1)
        if where == "lines":
            raise ValueError(where)

    async def refuse(_planned: Planned, _shares: object) -> None:
        raise ValueError("approve")

    with pytest.raises(ValueError, match=where):
        await planned(steps, lines(), PlanTerms(approve=refuse))
    assert steps.ended == "given up"
