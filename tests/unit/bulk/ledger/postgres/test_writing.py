"""A process that dies at any statement loses no order and buys none twice."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.sampling import Sample
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.postgres.world import RULES, planned_line
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect

_START = 1_800_000_000.0
_LINES = 4

_PROCESS = """
import asyncio, os, sys
import asyncpg
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
url, job, books, point, when = sys.argv[1:]
count = 0
def dying(name):
    call = getattr(asyncpg.Connection, name)
    async def run(self, *arguments, **options):
        global count
        count += 1
        if count == int(point) and when == "before":
            os._exit(9)
        result = await call(self, *arguments, **options)
        if count == int(point) and when == "after":
            os._exit(9)
        return result
    setattr(asyncpg.Connection, name, run)
for name in ("execute", "fetch", "fetchrow", "fetchval"):
    dying(name)
def place(line):
    with open(books, "a") as file:
        file.write(line.po_number + "\\n")
    return len(open(books).readlines())
async def main():
    async with PostgresLedger(url, job=job, codes_key="", clock=lambda: 1_800_000_000.0) as ledger:
        await ledger.recover()
        for _ in range(2):
            first, second = await ledger.claim(2)
            order = place(first)
            proof = Change(seq=first.seq, evidence=Evidence.ANSWERED_PLACED, epoch=first.epoch, order_id=order,
                           delivery=Delivery.DELIVERED, codes=b'[{"code":"C%d"}]' % order)
            await ledger.record([proof])
            place(second)
            await ledger.record([Change(seq=second.seq, evidence=Evidence.OUTCOME_LOST, epoch=second.epoch)])
    print(count)
asyncio.run(main())
"""


async def _plan(database: str, job: str) -> None:
    terms = PlanTerms(identity=Identity("https://vendor.example/chef", job))
    async with PostgresLedger(database, job=job, codes_key="", clock=lambda: _START) as ledger:
        await ledger.plan(job, each(planned_line(number) for number in range(_LINES)), terms)


def _orders(books: Path) -> list[str]:
    return books.read_text().split() if books.exists() else []


def _run(database: str, job: str, books: Path, point: int, when: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", _PROCESS, database, job, str(books), str(point), when]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


async def _finish(database: str, job: str, orders: list[str]) -> None:
    """Recover and settle as another worker, until nothing is open; then compare with the vendor's books."""
    connection = await connect(DatabaseAddress.read(database), purpose="test")
    await connection.execute("UPDATE xoxo.worker SET lease_until = clock_timestamp() - interval '1 second'")
    await connection.close()
    now = _START + 20
    async with PostgresLedger(database, job=job, codes_key="", clock=lambda: now) as ledger:
        await ledger.recover()
        for line in [one async for one in ledger.lines()]:
            assert line.state is not LineState.SENDING
            if line.po_number in orders:
                assert line.state in {LineState.PLACED, LineState.UNKNOWN}
        for _ in range(6):
            now += 120
            for line in [one async for one in ledger.lines(states=(LineState.UNKNOWN,))]:
                found = orders.index(line.po_number) + 1 if line.po_number in orders else None
                evidence = Evidence.LOOKUP_MATCHED if found else Evidence.LOOKUP_ABSENT
                change = Change(seq=line.seq, evidence=evidence, epoch=line.epoch, at=now, order_id=found)
                await ledger.record([change], rules=RULES)
            for line in await ledger.claim(_LINES):
                orders.append(line.po_number)
                proof = Change(seq=line.seq, evidence=Evidence.ANSWERED_PLACED, epoch=line.epoch, order_id=len(orders))
                await ledger.record([proof])
        assert (await ledger.counts()).states == {LineState.PLACED: _LINES}
    assert sorted(orders) == [f"po-{number}" for number in range(_LINES)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_process_may_die_at_every_statement(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Before it and after it."""
    asyncio.run(_plan(database, "whole"))
    whole = _run(database, "whole", tmp_path / "whole", 0, "never")
    assert whole.returncode == 0, whole.stderr
    statements = int(whole.stdout)
    asyncio.run(_finish(database, "whole", _orders(tmp_path / "whole")))
    points = [(point, when) for point in range(1, statements + 1) for when in ("before", "after")]
    seed = f"{request.config.getoption('randomly_seed', None)} {Path(__file__).name}"
    for point, when in Sample(seed).of(points, 8):
        job = f"{when}-{point}"
        asyncio.run(_plan(database, job))
        died = _run(database, job, tmp_path / job, point, when)
        assert died.returncode in {0, 9}, died.stderr
        asyncio.run(_finish(database, job, _orders(tmp_path / job)))
