"""`adding`: new lines in one stroke, known ones after a look, and no poNumber twice in an account."""

import msgspec
import pytest

from tests.unit.bulk.ledger.facts import alone, packable, planned
from tests.unit.bulk.ledger.ledgers import each, line
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, opened, planned_job
from xoxo_async.bulk.ledger.lines import LineState, PlannedLine
from xoxo_async.bulk.ledger.postgres.adding import Adding, SeenOrdinals
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.errors import LedgerConflictError, LedgerError, PlanError

pytestmark = pytest.mark.anyio

OURS = PlanTerms(identity=Identity("https://one.example", "abc"))


def test_seen_lines_may_have_negative_ordinals() -> None:
    """A line that was added outside a plan is noted by itself, and takes no other line's bit."""
    seen = SeenOrdinals(20)
    for ordinal in (3, -9, -5_000_000_000):
        seen.add(ordinal)
    assert [ordinal for ordinal in (-5_000_000_000, -9, -1, 1, 3, 9, 20, 21) if ordinal in seen] == [
        -5_000_000_000, -9, 3,
    ]  # fmt: skip


async def added(database: str, *chunks: list[PlannedLine], last: bool = True) -> Adding:
    """Add chunks to the job `march` in one transaction."""
    job = await job_of(database)
    async with connected(database) as connection, connection.transaction():
        adding = Adding(connection, job, 1.0, None)
        for place, chunk in enumerate(chunks, 1):
            await adding.add(chunk, last=last and place == len(chunks))
    return adding


async def test_known_and_new_lines_may_be_mixed(database: str) -> None:
    """Also where a chunk has only new ones after one with known ones; ordinals have no gap."""
    await planned_job(database, 3)
    adding = await added(database, alone(0, 1, 5), alone(6, 7), alone(2), alone(8, 9))
    assert (adding.lines, adding.added, adding.single, adding.shared, adding.last) == (8, 5, 5, 0, 8)
    async with connected(database) as connection:
        rows = await connection.fetch("SELECT ordinal, key FROM xoxo.line ORDER BY id")
        assert [tuple(row.values()) for row in rows] == [
            (place, f"k{number}") for place, number in enumerate((0, 1, 2, 5, 6, 7, 8, 9), 1)
        ]
        noted = await connection.fetchval("SELECT count(*) FROM xoxo.journal WHERE transition = 'T0'")
        assert noted == 8


@pytest.mark.parametrize("repeated", ["same chunk", "next chunk"])
async def test_a_row_may_not_repeat_another_one(database: str, repeated: str) -> None:
    """Two rows of one plan with one key are refused, in whichever chunk they are; so is a contradiction."""
    await planned_job(database, 1)
    lines, again = alone(4, 5), msgspec.structs.replace(planned(4, room=0), row=90)
    chunks = [[*lines, again]] if repeated == "same chunk" else [lines, [again]]
    with pytest.raises(PlanError, match="row 90, column key: k4 is in row 5 already"):
        await added(database, *chunks)
    other = msgspec.structs.replace(again, digest="other")
    with pytest.raises(LedgerConflictError, match=r"row 90 \(key k4\) was planned with other contents \(row 5\)"):
        await added(database, *[[other if one is again else one for one in chunk] for chunk in chunks])


@pytest.mark.parametrize("shared", [False, True])
async def test_another_jobs_po_number_is_refused(database: str, shared: bool) -> None:
    """An account has each poNumber once, also those of lines that share an order; the error names job, key and row."""
    lines = packable(1, 2) if shared else alone(1, 2)
    async with opened(database, "march") as march, opened(database, "april") as april:
        await march.plan("march", each(lines), OURS)
        mine = msgspec.structs.replace(line(8), po_number=lines[1].po_number)
        with pytest.raises(
            LedgerConflictError, match=r"row 8 \(key k8\) has the poNumber of row 3 \(key k2\) of the job 'march'"
        ):
            await april.plan("april", each([mine]), OURS)
        others = PlanTerms(identity=Identity("https://two.example", "abc"))
        assert (await april.plan("april", each([mine]), others)).added == 1


async def test_shared_orders_are_added_whole(database: str) -> None:
    """Full packs come with their chunk, the rest with the last one; a pack of one line is that line."""
    await planned_job(database, 1)
    adding = await added(database, packable(*range(10, 22)), [planned(30, value=250)])
    assert (adding.lines, adding.added, adding.single, adding.shared) == (13, 13, 1, 2)
    async with connected(database) as connection:
        rows = await connection.fetch(
            "SELECT lines, count(p.pack) AS parts FROM xoxo.line AS l"
            " LEFT JOIN xoxo.packed_line AS p ON p.pack = l.id GROUP BY l.id ORDER BY l.id"
        )
        assert [tuple(row.values()) for row in rows] == [(1, 0), (10, 10), (1, 0), (2, 2)]


async def test_a_row_added_meanwhile_ends_the_plan(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program adds a row between the look and the insert: the plan says so, and adds nothing."""
    await planned_job(database, 2)

    async def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(Adding, "_find_stored", nothing)
    with pytest.raises(LedgerError, match="another program added some of these rows at the same moment"):
        await added(database, alone(1, 7))
    async with opened(database) as ledger:
        assert (await ledger.counts()).states == {LineState.PLANNED: 2}
