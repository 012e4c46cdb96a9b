"""`postgres.kept`: the columns that ride along belong to one job."""

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import line
from tests.unit.bulk.ledger.postgres.databases import connected, planned_job
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.postgres.kept import keep, read_kept, read_kept_names

pytestmark = pytest.mark.anyio


def riding(**kept: str) -> PlannedLine:
    """Return a line with columns that ride along."""
    return msgspec.structs.replace(line(1), kept=encode_kept(kept))


async def test_each_job_has_its_own_columns(database: str) -> None:
    """Two jobs may have the same key; within a job, the first columns of a key stay."""
    march, april = (await planned_job(database, 1)).id, (await planned_job(database, 0, "april")).id
    async with connected(database) as connection:
        await keep(connection, march, [riding(Name="Ann")])
        await keep(connection, april, [riding(Dept="R&D", Name="Bob")])
        await keep(connection, april, [riding(Dept="other"), line(2)])
        await keep(connection, march, [line(2)])
        assert await read_kept(connection, march, ["k1", "k2"]) == {"k1": {"Name": "Ann"}}
        assert await read_kept(connection, april, ["k1"]) == {"k1": {"Dept": "R&D", "Name": "Bob"}}
        assert await read_kept_names(connection, march) == ["Name"]
        assert await read_kept_names(connection, april) == ["Dept", "Name"]
