"""`trust`: with a ledger that may lack sends, every planned row is looked up before it is sent."""

import shutil
from pathlib import Path

import anyio
import pytest

from tests.unit.bulk.jobs import Client, issuer, lines, refuses_known
from xoxo_async.bulk import Pause, PostgresLedger, SqliteLedger
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.postgres.operations import raise_generation
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio


async def test_a_lost_ledger_is_replaced_without_buying_twice(client: Client, tmp_path: Path) -> None:
    """Every planned row is looked up first: what exists is adopted, what does not is sent."""
    async with SqliteLedger(tmp_path / "lost.db") as ledger:
        await issuer(client, ledger).run(lines("a", "b"))
    async with SqliteLedger(tmp_path / "new.db") as ledger:
        report = await issuer(client, ledger, restore=True).run(lines("a", "b", "c"))
        assert (report.issued, report.unknown, len(client.sent)) == (3, 0, 3)
        assert len(client.looked_up) >= 3
        told = [row.reason async for row in ledger.journal(seq=0)]
    assert told == ["generation 2: a person said that this ledger replaces another one"]


async def test_rows_of_a_restored_ledger_are_doubted_immediately(client: Client, tmp_path: Path) -> None:
    """A process that dies right after the plan leaves no row that a resume sends without a look-up."""
    async with SqliteLedger(tmp_path / "lost.db") as ledger:
        await issuer(client, ledger).run(lines("a", "b"))
    async with SqliteLedger(tmp_path / "new.db") as ledger:
        await issuer(client, ledger, restore=True).plan(lines("a", "b"))
        assert (await ledger.counts()).states == {LineState.UNKNOWN: 2}
    async with SqliteLedger(tmp_path / "new.db") as ledger:
        report = await issuer(client, ledger).resume()  # nobody says --restore again
        assert (report.issued, len(client.sent)) == (2, 2)


async def test_an_older_copy_looks_up_planned_rows(client: Client, tmp_path: Path) -> None:
    """It was copied before its rows were sent, so it lacks the sends; the vendor refuses no poNumber."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).plan(lines("a", "b"))
    shutil.copy(tmp_path / "l.db", tmp_path / "copy.db")
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).resume()
    async with SqliteLedger(tmp_path / "copy.db") as ledger:
        report = await issuer(client, ledger, restore=True).resume()
    assert (report.issued, len(client.sent)) == (2, 2)


async def test_a_restored_ledger_adopts_no_different_order(client: Client, ledger: SqliteLedger) -> None:
    """It is another order under the row's poNumber: a person looks at it."""
    await issuer(client, ledger, restore=True).plan(lines("a"))
    (line,) = [line async for line in ledger.lines()]
    client.books[line.po_number] = Order(order_id=7, quantity=3)
    report = await issuer(client, ledger).resume()
    assert (report.unknown, client.sent) == (1, [])
    (line,) = [line async for line in ledger.lines()]
    assert line.state is LineState.MANUAL
    assert "order 7 has this poNumber, but its quantity is 3, not 1" in line.error


async def test_a_foreign_order_is_adopted_with_restore(client: Client, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Without `restore` a person decides about the other sender's order, after any number of resumes."""
    async with SqliteLedger(tmp_path / "lost.db") as lost:
        await issuer(client, lost).run(lines("a"))
    refuses_known(client)
    for report in (await issuer(client, ledger).run(lines("a")), await issuer(client, ledger).resume()):
        assert (report.issued, report.unknown, report.exit_code) == (0, 1, 4)
    (line,) = [line async for line in ledger.lines()]
    assert line.state is LineState.MANUAL
    assert "The vendor has: order 1, product 1, 1 pieces." in line.error
    assert "(--job)" in line.error
    assert "--restore" in line.error
    report = await issuer(client, ledger, restore=True).resume()
    assert (report.issued, report.unknown) == (1, 0)
    assert len(client.sent) == 2  # the second was refused


async def test_a_run_ends_when_its_database_is_restored(client: Client, database: str) -> None:
    """It neither sends nor waits for ever; the next run of the same issuer looks up each planned row first."""
    async with PostgresLedger(f"{database}#march", codes_key="") as ledger:

        async def restored(_po_number: str) -> None:
            await raise_generation(database)

        client.happens = restored
        ours = issuer(client, ledger, restore=True)  # type: ignore[arg-type]
        report = await ours.run(lines("a", "b", "c"))
        assert (report.pause, report.issued, len(client.sent)) == (Pause.JOB, 1, 1)
        assert "restored to an older state" in report.reason
        client.happens = lambda _po_number: anyio.sleep(0)
        report = await ours.resume()
        assert (report.issued, len(client.sent)) == (3, 3)
        assert len(client.looked_up) >= 5
