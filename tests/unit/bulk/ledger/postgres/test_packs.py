"""`packs`: where the line of a key is, and what an order that does not exist leaves behind."""

import pytest

from tests.unit.bulk.ledger.facts import alone, packable
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, opened
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.postgres.packs import has_packs, keys_of, packed_keys, unpack

pytestmark = pytest.mark.anyio


async def test_a_job_tells_whether_it_has_packs(database: str) -> None:
    """Also once none of them is left."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each(alone(0)))
        job = (await job_of(database)).id
        assert not await has_packs(connection, job)
        await ledger.plan("march", each(packable(1, 2)))
        assert await has_packs(connection, job)
        await ledger.withdraw(None, reason="gone")
        assert await has_packs(connection, job)


async def test_each_line_of_a_pack_becomes_an_order(database: str) -> None:
    """Once: in the order of the pack, outside the range of plans, marked to be sent, counted and journalled."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each([*alone(0), *packable(1, 2)]))
        job = (await job_of(database)).id
        where = await keys_of(connection, job, ["k0", "k1", "k2", "k9"])
        pack = where["k2"][0]
        assert where == {"k0": (pack - 1, True), "k1": (pack, False), "k2": (pack, False)}
        assert await packed_keys(connection, [pack]) == [(pack, 0, "k1", 2), (pack, 1, "k2", 3)]
        async with connection.transaction():
            assert await unpack(connection, job, 0, [pack], 5.0) == 2
            assert await unpack(connection, job, 0, [pack], 5.0) == 0
            assert await unpack(connection, job, 0, [], 5.0) == 0
        rows = await connection.fetch("SELECT id, ordinal, key, look, worth FROM xoxo.line WHERE id > $1", pack)
        assert [(row["key"], row["look"], row["worth"]) for row in rows] == [
            ("k1", "send", 1_000_000),
            ("k2", "send", 1_000_000),
        ]
        assert all(row["ordinal"] == -row["id"] for row in rows)
        assert await packed_keys(connection, [pack]) == []
        assert (await keys_of(connection, job, ["k2"]))["k2"] == (rows[1]["id"], True)
        assert [row.at async for row in ledger.journal(seq=rows[0]["id"])] == [5.0]
        counts = await ledger.counts()
        assert counts.states[LineState.PLANNED] == 3  # the pack itself has no lines any more
        assert {one.key for one in await ledger.claim(9)} >= {"k0", "k1", "k2"}
