"""`reading`: lines and journal in order, in chunks, of one job among others."""

import pytest

from tests.unit.bulk.ledger.facts import alone, fact, packable, planned
from tests.unit.bulk.ledger.ledgers import each, line
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, lost, opened
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres.reading import (
    FIRST_ORDINAL,
    LAST_ORDINAL,
    Place,
    lock_lines,
    lock_next,
    place_after,
    read_journal,
    read_key,
    read_next,
    read_packed,
)
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.postgres.driver import DatabaseConnection

pytestmark = pytest.mark.anyio

S = LineState


async def mixed(database: str) -> int:
    """Make two jobs in turn, one of them with lines that were added outside its plans; return its number."""
    async with opened(database, "march") as march, opened(database, "april") as april:
        for first in (0, 10, 20):
            await march.plan("march", each([*alone(first), *packable(first + 1, first + 2)]))
            await april.plan("april", each([line(first)]), PlanTerms(identity=Identity("https://one.example", "b")))
            await march.withdraw([f"k{first + 1}"], reason="gone")  # its pack is given up
        await lost(march, 2)
    return (await job_of(database)).id


async def stream(
    connection: DatabaseConnection, job: int, states: tuple[LineState, ...], place: Place, limit: int
) -> list[LedgerLine]:
    """Read to the end, in chunks."""
    lines: list[LedgerLine] = []
    while True:
        chunk, place = await read_next(connection, job, states, place, limit)
        lines += chunk
        if len(chunk) < limit:
            return lines


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_lines_come_in_order_in_any_chunks(database: str, limit: int) -> None:
    """Those of plans and those added outside them, in one order, from any line on, in any states."""
    job = await mixed(database)
    async with connected(database) as connection:
        everything = await stream(connection, job, (), Place(0, 0), 1000)
        assert [one.key for one in everything if one.lines == 1] == [
            key for first in (0, 10, 20) for key in (f"k{first}", f"k{first + 1}", f"k{first + 2}")
        ]
        assert [one.seq for one in everything] == sorted(one.seq for one in everything)
        for states in ((), (S.PLANNED,), (S.UNKNOWN,), (S.UNKNOWN, S.CONFLICT, S.MANUAL), (S.UNKNOWN, S.CANCELLED)):
            wanted = [one for one in everything if not states or one.state in states]
            for after in (0, *(one.seq for one in everything), 10**6):
                place = await place_after(connection, job, after)
                got = await stream(connection, job, states, place, limit)
                assert got == [one for one in wanted if one.seq > after]


async def test_an_index_leads_to_lines_in_doubt(database: str) -> None:
    """It is few among many: a round of look-ups must not read a whole job."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each(alone(*range(3000))))
        await lost(ledger, 2)
        await connection.execute("ANALYZE xoxo.line")
        job = (await job_of(database)).id
        before = await _rows_read(connection)
        found, _ = await read_next(connection, job, (S.UNKNOWN, S.CONFLICT), Place(0, 0), 500)
        assert len(found) == 2
        assert await _rows_read(connection) - before < 100


async def _rows_read(connection: DatabaseConnection) -> int:
    """Return how many rows of the table this session has read."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    return int(
        await connection.fetchval(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_all_tables"
            " WHERE relid = 'xoxo.line'::regclass"
        )
    )


async def test_locked_lines_come_in_order_of_ordinals(database: str) -> None:
    """With their revisions; those added outside plans first; only those in some states, and up to an ordinal."""
    job = await mixed(database)
    async with connected(database) as connection, connection.transaction():
        planned_now = await lock_next(connection, job, (S.PLANNED,), FIRST_ORDINAL, LAST_ORDINAL, 1)
        assert [ordinal for ordinal, _ in planned_now] == [-one.line.seq for _, one in planned_now]
        rest = await lock_next(connection, job, (S.PLANNED,), planned_now[-1][0], LAST_ORDINAL, 100)
        assert [ordinal for ordinal, _ in rest] == sorted(ordinal for ordinal, _ in rest)
        assert all(ordinal <= 3 for ordinal, _ in await lock_next(connection, job, S, FIRST_ORDINAL, 3, 100))
        seqs = [one.line.seq for _, one in rest]
        assert [one.line.seq for one in await lock_lines(connection, job, [*seqs[::-1], 10**6])] == sorted(seqs)
        assert await lock_lines(connection, job + 1, seqs) == []


async def test_a_key_leads_to_its_order(database: str) -> None:
    """To the order that its line travels in, or to the line itself once it is an order."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each([planned(0, room=0), *packable(1, 2, 3)]))
        job = (await job_of(database)).id
        pack = await read_key(connection, job, "k2")
        assert pack is not None
        assert pack.lines == 3
        assert [(one.key, one.first) for one in await read_packed(connection, [pack.seq])] == [
            ("k1", 0),
            ("k2", 1),
            ("k3", 2),
        ]
        await ledger.withdraw(["k3"], reason="gone")
        after = await read_key(connection, job, "k2")
        assert after is not None
        assert (after.key, after.lines) == ("k2", 1)
        assert await read_key(connection, job + 1, "k2") is None


async def test_the_journal_is_read_in_chunks(database: str) -> None:
    """All of a job, one line's, or what is about the job as a whole; never another job's."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each(alone(0, 1)), PlanTerms(identity=Identity("https://one.example", "a")))
        async with opened(database, "april") as april:
            await april.plan("april", each(alone(0)), PlanTerms(identity=Identity("https://one.example", "b")))
            await april.restored(reason="another job's")
        (one,) = await ledger.claim(1)
        await ledger.record([fact(one, Evidence.OUTCOME_LOST)])
        await ledger.rebind(Identity("https://two.example", "a"), reason="moved")
        job = (await job_of(database)).id
        rows = await read_journal(connection, job, None, 0, 100)
        assert [row.transition for row in rows] == ["T0", "T0", "T1", "T6", "-"]
        assert await read_journal(connection, job, None, rows[1].id, 2) == rows[2:4]
        assert [row.transition for row in await read_journal(connection, job, one.seq, 0, 100)] == ["T0", "T1", "T6"]
        assert [row.evidence for row in await read_journal(connection, job, 0, 0, 100)] == ["rebound"]
