"""`same_input`: a file whose every row has ended is not read again, and any other is."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.jobs import Client, DeclinedError, issuer, say_no
from xoxo_async import errors
from xoxo_async.bulk import SqliteLedger, read_orders
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.ledger.facts import INPUT
from xoxo_async.bulk.settings import kept_bounds

pytestmark = pytest.mark.anyio

HEAD = "key;product_id;denomination;email\n"
ROWS = ("a;1;100;a@example.com", "b;1;100;b@example.com")


def write(path: Path, *rows: str) -> None:
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))


class Reads:
    """Counts how often a file is read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.number = 0
        real = RowsFile.rows

        def rows(file: RowsFile[Any], problems: Any, halt: Any) -> Any:
            self.number += 1
            return real(file, problems, halt)

        patch.setattr(RowsFile, "rows", rows)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Write a file of two orders; its separator is something to recognise."""
    path = tmp_path / "orders.csv"
    write(path, *ROWS)
    return path


async def test_a_run_with_nothing_left_reads_no_row(
    client: Client, ledger: SqliteLedger, orders: Path, reads: Reads
) -> None:
    """It says what it recognised all the same, and the ledger keeps new bounds."""
    first = await issuer(client, ledger).plan(read_orders(orders))
    await issuer(client, ledger).issue()
    again = issuer(client, ledger, max_errors=7)
    totals = await again.plan(read_orders(orders))
    assert (reads.number, totals.lines, totals.orders) == (1, 0, 0)
    assert totals.recognised == first.recognised != ""
    assert (await kept_bounds(ledger)).max_errors == 7
    report = await again.run(read_orders(orders))
    assert (reads.number, report.rows, report.issued, report.placed_now, len(client.sent)) == (1, 2, 2, 0, 2)


async def test_approval_is_asked_of_nothing_too(
    client: Client, ledger: SqliteLedger, orders: Path, reads: Reads
) -> None:
    """Whoever asks a person hears that there is nothing to send."""
    await issuer(client, ledger).run(read_orders(orders))
    with pytest.raises(DeclinedError):
        await issuer(client, ledger).plan(read_orders(orders), approve=say_no)
    assert reads.number == 1


@pytest.mark.parametrize("change", ["bytes", "check", "notify", "format", "choices", "left", "missing"])
async def test_anything_else_is_read(
    client: Client, ledger: SqliteLedger, orders: Path, reads: Reads, change: str
) -> None:
    """A row more, another way to read or to check it, or a row that was not sent yet."""
    await issuer(client, ledger).plan(read_orders(orders))
    if change != "left":
        await issuer(client, ledger).issue()
    if change == "bytes":
        write(orders, *ROWS, "c;1;100;c@example.com")
    settings: dict[str, Any] = {"check": {"skip_invalid": True}, "notify": {"notify": True}}.get(change, {})
    how: dict[str, Any] = {"format": {"format": "csv"}, "choices": {"delimiter": ";"}}.get(change, {})
    if change == "missing":
        await anyio.Path(orders).unlink()
        with pytest.raises(errors.PlanError, match="cannot be read"):
            await issuer(client, ledger).plan(read_orders(orders))
        return
    if change == "notify":
        with pytest.raises(errors.LedgerConflictError, match="planned without --notify"):
            await issuer(client, ledger, **settings).run(read_orders(orders, **how))
    else:
        await issuer(client, ledger, **settings).run(read_orders(orders, **how))
    assert reads.number == 2
    assert len(client.sent) == (3 if change == "bytes" else 2)


async def test_another_job_is_refused_all_the_same(client: Client, ledger: SqliteLedger, orders: Path) -> None:
    """Its rows would be other orders: they are not what this ledger has sent."""
    await issuer(client, ledger).run(read_orders(orders))
    with pytest.raises(errors.LedgerError, match="march"):
        await issuer(client, ledger, job="april").run(read_orders(orders))
    assert len(client.sent) == 2


@pytest.mark.parametrize("row", ["b;1;100;a@example.com", "b;1;0;b@example.com"])
async def test_what_must_be_said_again_is_read_again(
    client: Client, ledger: SqliteLedger, orders: Path, reads: Reads, row: str
) -> None:
    """A row that was left out, or one whose receiver gets the same twice."""
    write(orders, ROWS[0], row)
    said = []
    for _ in range(2):
        await issuer(client, ledger, skip_invalid=True).run(read_orders(orders))
        totals = await issuer(client, ledger, skip_invalid=True).plan(read_orders(orders))
        said.append((totals.skipped, totals.warned))
    assert said[0] == said[1] != (0, 0)
    assert reads.number == 4


async def test_a_plan_that_is_declined_leaves_no_mark(
    client: Client, ledger: SqliteLedger, orders: Path, reads: Reads
) -> None:
    """The mark is part of the plan's transaction: without the rows there is none."""
    with pytest.raises(DeclinedError):
        await issuer(client, ledger).plan(read_orders(orders), approve=say_no)
    assert await ledger.get_fact(INPUT) is None
    await issuer(client, ledger).run(read_orders(orders))
    assert (reads.number, len(client.sent)) == (2, 2)
