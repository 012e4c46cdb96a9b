"""`planning`: one plan in one transaction, while other workers go on."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledger.facts import alone, fact, packable
from tests.unit.bulk.ledger.ledgers import each, line, placed
from tests.unit.bulk.ledger.postgres.databases import connected, doubled, job_of, lost, opened, planned_job
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, PlannedLine
from xoxo_async.bulk.ledger.postgres.writing import RefusedWriteError, Why
from xoxo_async.bulk.ledger.protocol import Identity, Planned, PlanTerms, Share
from xoxo_async.errors import LedgerConflictError, LedgerError, PlanError

pytestmark = pytest.mark.anyio

OURS = Identity("https://one.example", "abc")


async def test_workers_go_on_while_a_person_is_asked(database: str) -> None:
    """Other workers claim and record lines of earlier plans, and see no new line; the plan then goes on."""

    async def ask(outcome: Planned, shares: list[Share] | None) -> None:
        assert (outcome.added, outcome.withdrawn) == (1, 2)
        assert shares is not None
        assert sum(share.rows for share in shares) == 9
        with anyio.fail_after(30):
            sent = await other.claim(50)
            assert [one.key for one in sent] == [f"k{number}" for number in range(10)]
            await other.record([fact(one, Evidence.ANSWERED_PLACED) for one in sent[:5]])
            await other.record([fact(one, Evidence.NOT_PROCESSED) for one in sent[5:9]])
            await other.set_fact("a", "b")
            assert (await other.counts()).rows == 10

    async with opened(database) as ledger, opened(database) as other:
        await ledger.plan("march", each(alone(*range(10))))
        # Row 9 is under way by the end, and row 8 is planned again, but was sent before: neither can be withdrawn.
        with pytest.raises(LedgerConflictError, match=r"row 9 \(key k8\) was sent before, and may exist"):
            await ledger.plan("march", each(alone(*range(8), 20)), PlanTerms(missing="withdraw", approve=ask))
        assert (await ledger.counts()).rows == 10
        assert (await ledger.plan("march", each(alone(*range(9), 20)), PlanTerms(missing="withdraw"))).unwanted == 1
        assert await other.get_fact("a") == "b"


async def test_a_line_sent_meanwhile_is_not_withdrawn(database: str) -> None:
    """It was planned and missing when the person was asked; by the end of the plan it is in doubt."""

    async def ask(outcome: Planned, _shares: list[Share] | None) -> None:
        assert (outcome.withdrawn, outcome.unwanted) == (2, 0)
        await lost(other, 1)

    async with opened(database) as ledger, opened(database) as other:
        await ledger.plan("march", each(alone(0, 1)))
        told = await ledger.plan("march", each(alone(5)), PlanTerms(missing="withdraw", approve=ask))
        assert (told.withdrawn, told.unwanted) == (1, 1)
        assert [(one.key, one.state, one.unwanted) async for one in ledger.lines()] == [
            ("k0", LineState.UNKNOWN, True),
            ("k1", LineState.CANCELLED, False),
            ("k5", LineState.PLANNED, False),
        ]


async def test_what_is_asked_is_undone_before_the_answer(database: str) -> None:
    """While a person is asked, no line has another price, state or mark than before."""

    async def ask(_outcome: Planned, _shares: list[Share] | None) -> None:
        now = [one async for one in ledger.lines()]
        assert now == before

    terms = PlanTerms(missing="withdraw", approve=ask, pricing=doubled)
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(0, 1, 2)))
        await lost(ledger, 1)
        before = [one async for one in ledger.lines()]
        await ledger.plan("march", each(alone(1)), terms)
        assert [(one.state, one.unwanted, one.worth) async for one in ledger.lines()] == [
            (LineState.UNKNOWN, True, 2_000_000),
            (LineState.PLANNED, False, 2_000_000),
            (LineState.CANCELLED, False, 1_000_000),
        ]


async def test_two_plans_of_a_job_take_turns(database: str) -> None:
    """Two programs that plan the same rows at once add each of them once; a plan of another job does not wait."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_outcome: Planned, _shares: list[Share] | None) -> None:
        asked.set()
        await go_on.wait()

    async with opened(database) as one, opened(database) as other, opened(database, "april") as april:
        first = asyncio.create_task(one.plan("march", each(alone(0, 1)), PlanTerms(identity=OURS, approve=slow)))
        await asked.wait()
        second = asyncio.create_task(other.plan("march", each(alone(0, 1, 2)), PlanTerms(identity=OURS)))
        assert (await april.plan("april", each([line(1)]), PlanTerms(identity=OURS))).added == 1
        assert not second.done()
        go_on.set()
        assert (await first).added == 2
        assert await second == (1, 2, 1, 0, 0)
        assert [row.transition async for row in one.journal()] == ["T0"] * 3


@pytest.mark.parametrize("error", [OSError("the file"), TimeoutError("too long"), EOFError()])
async def test_an_error_of_the_caller_is_its_own(database: str, error: Exception) -> None:
    """An error of the input, or of `approve`, is no failure of the database, though it may look like one."""

    async def broken() -> AsyncIterator[PlannedLine]:
        yield line(1)
        raise error

    async def no(_outcome: Planned, _shares: list[Share] | None) -> None:
        raise error

    async with opened(database) as ledger:
        with pytest.raises(type(error)) as caught:
            await ledger.plan("march", broken())
        assert caught.value is error
        with pytest.raises(type(error)) as caught:
            await ledger.plan("march", each([line(1)]), PlanTerms(approve=no))
        assert caught.value is error
        assert (await ledger.counts()).rows == 0


async def test_an_approved_plan_outlasts_its_caller(database: str) -> None:
    """Once a person has said yes, a cancelled caller finds the plan committed."""

    async def cancel(_outcome: Planned, _shares: list[Share] | None) -> None:
        planning.cancel()

    async with opened(database) as ledger:
        planning = asyncio.create_task(ledger.plan("march", each([line(1)]), PlanTerms(approve=cancel)))
        with pytest.raises(asyncio.CancelledError):
            await planning
        assert ledger.job == "march"
        assert [one.key for one in await ledger.claim(5)] == ["k1"]


async def test_a_plan_knows_lines_added_outside_plans(database: str) -> None:
    """The lines of a refused pack are orders by themselves; a plan repeats, misses or withdraws them as others."""
    async with opened(database) as ledger:
        await ledger.plan("march", each(packable(*range(3))))
        (pack,) = await ledger.claim(1)
        await ledger.record(
            [Change(seq=pack.seq, evidence=Evidence.REFUSED_NO_ORDER, epoch=pack.epoch, error_id="PLE10041")]
        )
        assert await ledger.plan("march", each(packable(*range(3))), PlanTerms(missing="refuse")) == (0, 3, 0, 0, 0)
        with pytest.raises(PlanError, match=r"(?s)lacks 1 planned row of.*row 3 \(key k2\)"):
            await ledger.plan("march", each(packable(0, 1)), PlanTerms(missing="refuse"))
        assert (await ledger.plan("march", each(packable(0, 1)), PlanTerms(missing="withdraw"))).withdrawn == 1
        await lost(ledger, 1)
        told = await ledger.plan("march", each(packable(1)), PlanTerms(missing="withdraw"))
        assert (told.withdrawn, told.unwanted) == (0, 1)
        assert [one.key for one in await ledger.claim(5)] == ["k1"]


async def test_a_plan_without_account_gets_one_later(database: str) -> None:
    """The first plan that names the account binds the lines of earlier plans, too."""
    async with opened(database) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.plan("march", each([line(2)]), PlanTerms(identity=OURS))
        async with connected(database) as connection:
            accounts = await connection.fetch("SELECT DISTINCT account FROM xoxo.line")
        assert [row["account"] for row in accounts] == [(await job_of(database)).account]
        await ledger.record([placed(one, 20 + one.row) for one in await ledger.claim(2)])
        assert (await ledger.counts()).issued == 2
    async with opened(database, "april") as april:
        with pytest.raises(LedgerConflictError, match="of the job 'march'"):
            await april.plan("april", each([line(1)]), PlanTerms(identity=OURS))


async def test_a_paused_job_stays_paused(database: str) -> None:
    """A plan adds lines; it does not let them be claimed."""
    async with opened(database) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.pause("funds")
        await ledger.plan("march", each([line(2)]))
        assert await ledger.paused() == "funds"
        assert await ledger.claim(5) == []


async def test_a_large_plan_is_counted_for_the_planner(database: str) -> None:
    """With the statistics of an empty table, each statement would read the whole job."""
    await planned_job(database, 1000)
    async with connected(database) as connection:
        rows = await connection.fetch(
            "SELECT relname, reltuples FROM pg_class WHERE oid IN ('xoxo.line'::regclass, 'xoxo.journal'::regclass)"
        )
        assert {row["relname"]: row["reltuples"] for row in rows} == {"line": 1000, "journal": 1000}


async def test_a_plan_disturbed_for_ever_says_so(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where other workers keep changing its lines, it gives up with an error, and leaves the ledger as it was."""

    async def refused(*_: Any) -> None:
        raise RefusedWriteError(Why.LINE)

    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(0, 1)))
        with monkeypatch.context() as patched:
            patched.setattr("xoxo_async.bulk.ledger.postgres.whole.write", refused)
            patched.setattr("xoxo_async.bulk.ledger.postgres.whole._WAIT_S", 0)
            with pytest.raises(LedgerError, match="other workers keep changing the same lines"):
                await ledger.plan("march", each(alone(1)), PlanTerms(missing="withdraw"))
        assert (await ledger.counts()).states == {LineState.PLANNED: 2}


async def test_pages_have_room_for_what_changes(database: str) -> None:
    """An update that finds no room in its page writes into five indexes, too: twice the work of the database."""

    async def lines() -> AsyncIterator[PlannedLine]:
        for number in range(1000):
            body = b'{"productId":1001,"quantity":1,"denomination":500,"email":"someone@example.com","poNumber":"%d"}'
            key = f"row-{number}"
            yield PlannedLine(key, f"march-{key}", f"{number:064x}", body % number, number + 1, Decimal(500))

    async with opened(database) as ledger:
        await ledger.plan("march", lines())
        while claimed := await ledger.claim(64):
            await ledger.record([placed(one, one.seq) for one in claimed])
    async with connected(database) as connection:
        while True:  # a connection that has ended tells its numbers soon after
            (row,) = await connection.fetch(
                "SELECT n_tup_hot_upd AS hot, n_tup_upd AS updates FROM pg_stat_user_tables"
                " WHERE relid = 'xoxo.line'::regclass"
            )
            if row["updates"] == 2000:
                break
            await asyncio.sleep(0.02)
    assert row["hot"] >= 0.97 * row["updates"]
