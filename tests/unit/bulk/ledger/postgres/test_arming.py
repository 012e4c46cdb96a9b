"""Single lines beside what else happens to their job: a pause, a lost connection, a plan that has not ended."""

import asyncio
from typing import Any

import pytest

from tests.unit.bulk.ledger.facts import alone, planned
from tests.unit.bulk.ledger.ledgers import each, placed
from tests.unit.bulk.ledger.postgres.databases import before, connected, lose, opened, waits
from xoxo_async.bulk.ledger.lines import Armed, LineState
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.errors import LedgerError, LineBusyError

pytestmark = pytest.mark.anyio


async def test_a_pause_between_the_look_and_the_write_is_kept(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who has paused the job relies on it."""
    async with opened(database) as first, opened(database) as second:
        await first.plan("march", each(alone(0)))
        before(monkeypatch, "WITH added", lambda _: second.pause("a person says stop"))
        with pytest.raises(LedgerError, match="paused: a person says stop"):
            await first.arm("march", planned(1, room=0))
        assert await first.find("k1") is None


async def test_a_line_that_is_written_after_its_connection_was_lost_is_armed_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next delivery waits for the lost statement, and the line is not under way for ever."""
    async with opened(database) as first, opened(database) as second:
        await first.plan("march", each(alone(0)))
        async with connected(database) as connection, connection.transaction():
            lost: list[asyncio.Task[None]] = []

            async def hold(blocked: Any) -> None:
                await connection.execute("SELECT FROM xoxo.job FOR UPDATE")
                lost.append(asyncio.create_task(lose(database, blocked)))

            before(monkeypatch, "WITH added", hold)
            with pytest.raises(LedgerError):
                await first.arm("march", planned(1, room=0))
            await lost[0]
            again = asyncio.create_task(first.arm("march", planned(1, room=0)))
            await waits(database, "xoxo ledger writer", 2)
        armed = await again
        assert armed.mine
        assert not (await second.arm("march", planned(1, room=0))).mine
        (after,) = await first.record([placed(armed.line)])
        assert after.state is LineState.PLACED


async def test_a_line_that_a_plan_is_adding_keeps_nothing_else_waiting(database: str) -> None:
    """The plan asks a person, who may take long: its own lines are busy, and others go on."""
    async with opened(database) as first, opened(database) as second:
        await first.plan("march", each(alone(0)))
        (held,) = await second.claim(1)
        asked, answered = asyncio.Event(), asyncio.Event()

        async def approve(*_: object) -> None:
            asked.set()
            await answered.wait()

        plan = asyncio.create_task(first.plan("march", each(alone(0, 1)), PlanTerms(approve=approve)))
        await asked.wait()
        busy, other, result = await asyncio.gather(
            second.arm("march", planned(1, room=0)),
            second.arm("march", planned(2, room=0)),
            second.record([placed(held)]),
            return_exceptions=True,
        )
        assert isinstance(busy, LineBusyError)
        assert "k1" in str(busy)
        assert isinstance(other, Armed)
        assert other.mine
        assert not isinstance(result, BaseException)
        answered.set()
        assert (await plan).added == 1
        assert (await second.arm("march", planned(1, room=0))).mine
