"""`whole`: what is done to a job as a whole meets each line as it is, whoever else is at work."""

import asyncio
from decimal import Decimal

import pytest

from tests.unit.bulk.ledger.facts import alone, fact, packable, planned
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.postgres import databases
from tests.unit.bulk.ledger.postgres.databases import connected, doubled, job_of, lost, opened
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.postgres import whole
from xoxo_async.bulk.ledger.postgres.whole import Whole, read_backlog, undisturbed
from xoxo_async.bulk.ledger.postgres.writing import RefusedWriteError, Why
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.errors import LedgerConflictError, LedgerError
from xoxo_async.postgres.driver import DatabaseConnection

pytestmark = pytest.mark.anyio

S = LineState
TERMS = PlanTerms(facts={CURRENCY: "INR"})


async def revisions(connection: DatabaseConnection) -> dict[str, int]:
    return {row["key"]: row["rev"] for row in await connection.fetch("SELECT key, rev FROM xoxo.line")}


async def test_disturbed_work_is_done_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it wrote before is undone; after many times it gives up; another error ends it at once."""
    monkeypatch.setattr(whole, "_WAIT_S", 0)
    turns = 0

    async with connected(database) as connection:

        async def work() -> int:
            nonlocal turns
            turns += 1
            await connection.execute("INSERT INTO xoxo.meta VALUES ('turn', $1)", str(turns))
            if turns < 3:
                raise RefusedWriteError(Why.LINE)
            return turns

        async def never() -> None:
            raise RefusedWriteError(Why.MARK)

        async def broken() -> None:
            raise ValueError("a bug")

        assert await undisturbed(connection, work) == 3
        assert await connection.fetchval("SELECT value FROM xoxo.meta WHERE name = 'turn'") == "3"
        with pytest.raises(LedgerError, match="other workers keep changing the same lines"):
            await undisturbed(connection, never)
        with pytest.raises(ValueError, match="a bug"):
            await undisturbed(connection, broken)


async def test_two_that_wait_for_each_other_both_end(database: str) -> None:
    """The database ends one of two transactions that lock the same lines in different orders; it is done again."""
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(0, 1)))
    keys = ["k0", "k1"]

    async def lock(order: list[str], met: asyncio.Barrier) -> int:
        turns = 0
        async with connected(database) as connection:

            async def work() -> int:
                nonlocal turns
                turns += 1
                for place, key in enumerate(order):
                    await connection.execute("SELECT FROM xoxo.line WHERE key = $1 FOR UPDATE", key)
                    if not place and turns == 1:
                        await met.wait()
                return turns

            return await undisturbed(connection, work)

    met = asyncio.Barrier(2)
    first, second = sorted(await asyncio.gather(lock(keys, met), lock(keys[::-1], met)))
    assert first <= 2  # on a busy machine the database may end both of them
    assert second > 1


async def test_a_new_price_is_written_once(database: str) -> None:
    """It raises the revision of a line whose price changes: a claim rests on the price. Others stay as they are."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each([*alone(0, 1, 2), planned(5, value=250, room=0)]), TERMS)
        await ledger.record([fact(one, Evidence.ANSWERED_PLACED, charged=95) for one in await ledger.claim(1)])
        await lost(ledger, 1)
        before = await revisions(connection)
        await ledger.reprice(lambda _product, value, count: value * count + (20 if value == 100 else 0))
        after = await revisions(connection)
        assert {key for key in after if after[key] != before[key]} == {"k1", "k2"}
        assert await ledger.committed() == 95 + 120
        await ledger.reprice(lambda _product, value, count: value * count + (20 if value == 100 else 0))
        assert await revisions(connection) == after
        await ledger.reprice(lambda _product, value, _count: None if value == 100 else value)
        assert [one.worth async for one in ledger.lines()] == [1_000_000, 1_200_000, None, 2_500_000]
        assert await ledger.committed() == 95 + 120  # one in doubt keeps the price that is known


async def test_a_result_counts_with_the_new_price(database: str) -> None:
    """A result counts in the budget with the worth that the line has by then."""
    async with opened(database) as ledger, opened(database) as other:
        await ledger.plan("march", each(alone(0, 1)), TERMS)
        sent = await other.claim(2)
        assert await ledger.committed() == 200
        await ledger.reprice(doubled)
        assert await ledger.committed() == 400
        await other.record([fact(sent[0], Evidence.ANSWERED_PLACED, charged=99), fact(sent[1], Evidence.NOT_PROCESSED)])
        assert await ledger.committed() == 99
        assert [one.worth for one in await other.claim(2)] == [2_000_000]


async def test_a_packs_lines_have_prices_of_their_own(database: str) -> None:
    """They are updated with it, and count when the pack is given up."""
    async with opened(database) as ledger:
        await ledger.plan("march", each(packable(0, 1)), TERMS)
        await ledger.reprice(doubled)
        (share,) = await ledger.backlog()
        assert (share.orders, share.rows, share.worth) == (1, 2, 4_000_000)
        await ledger.withdraw(["k0"], reason="gone")
        assert [one.worth for one in await ledger.claim(5)] == [2_000_000]


async def test_money_of_a_backlog_is_exact(database: str) -> None:
    """A denomination is the number that was written, and never a float."""
    async with opened(database) as ledger, connected(database) as connection:
        exact = Decimal("0.1") + Decimal("0.2")
        lines = [planned(number, room=0) for number in range(2)]
        odd = [
            type(one)(
                key=one.key, po_number=one.po_number, digest=one.digest, row=one.row, worth=exact,
                request=b'{"productId":7,"denomination":0.30,"quantity":%d}' % (1 + place),
            )
            for place, one in enumerate(lines)
        ]  # fmt: skip
        await ledger.plan("march", each(odd))
        shares = await read_backlog(connection, (await job_of(database)).id)
        assert sorted((share.denomination, share.quantity, share.worth) for share in shares) == [
            (exact, 1, 3000),
            (exact, 2, 3000),
        ]


async def test_everything_is_withdrawn_or_doubted_in_chunks(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line once, whatever is sent before."""
    monkeypatch.setattr(whole, "_CHUNK", 3)
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(*range(20))))
        await ledger.record([fact(one, Evidence.NOT_PROCESSED) for one in await ledger.claim(2)])
        await lost(ledger, 3)
        assert await ledger.restored(reason="a backup") == 20
        assert (await ledger.counts()).states == {S.UNKNOWN: 20}
        assert [row.evidence async for row in ledger.journal()][-20:] == ["ledger_restored"] * 20
    async with opened(database, "april") as ledger:
        await ledger.plan("april", each(alone(*range(30, 50))))
        await ledger.record([fact(one, Evidence.NOT_PROCESSED) for one in await ledger.claim(2)])
        assert await ledger.withdraw(None, reason="gone") == 18
        assert (await ledger.counts()).states == {S.PLANNED: 2, S.CANCELLED: 18}


async def test_a_withdrawal_beside_a_claim_takes_other_lines(database: str) -> None:
    """No line is both sent and withdrawn, however often the two meet."""
    async with opened(database) as ledger, opened(database) as other:
        await ledger.plan("march", each(alone(*range(60))))

        async def claim() -> int:
            taken = 0
            for _ in range(12):
                taken += len(await other.claim(3))
            return taken

        async def withdraw() -> int:
            gone = 0
            for number in range(59, -1, -1):
                try:
                    gone += await ledger.withdraw([f"k{number}"], reason="gone")
                except LedgerConflictError:
                    continue
            return gone

        sent, gone = await asyncio.gather(claim(), withdraw())
        states = (await ledger.counts()).states
        assert states.get(S.SENDING, 0) == sent
        assert states.get(S.CANCELLED, 0) == gone
        assert sum(states.values()) == 60


async def test_a_named_line_is_wanted_again(database: str) -> None:
    """A look-up that was decided before does not write over it: the revision has changed."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each(alone(0)))
        (one,) = await lost(ledger, 1)
        job = await job_of(database)
        for wanted in (False, True):
            async with connection.transaction():
                part = Whole(connection, job, databases.START)
                if wanted:
                    await part.want_again([one.seq])
                else:
                    await part.unwanted(await whole.lock_lines(connection, job.id, [one.seq]))
            (stored,) = [line async for line in ledger.lines()]
            assert stored.unwanted is not wanted
        assert (await revisions(connection))["k0"] >= 4
        absent = Change(seq=one.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=one.epoch)
        (after,) = await ledger.record([absent])
        assert not after.unwanted
