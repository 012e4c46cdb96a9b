"""`preparing`: a plan takes all rows or none, and exactly the approved rows are sent."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.bulk.jobs import Client, DeclinedError, contents, issuer, lines, say_no
from xoxo_async import errors
from xoxo_async.bulk import InputChanged, OrderLine, SqliteLedger, read_orders
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.hooks import Event

pytestmark = pytest.mark.anyio


async def test_a_key_with_other_content_stops_the_plan(client: Client, ledger: SqliteLedger) -> None:
    """A person must decide between the two; no row of the second file is planned."""
    await issuer(client, ledger).run(lines("a"))
    dearer = OrderLine(key="a", product_id=1, denomination=Decimal(500))
    with pytest.raises(errors.LedgerConflictError, match="key a"):
        await issuer(client, ledger).run([*lines("b"), dearer])
    assert ((await ledger.counts()).rows, len(client.sent)) == (1, 1)


@pytest.mark.parametrize("pack", [False, True])
async def test_other_content_says_what_differs(client: Client, ledger: SqliteLedger, pack: bool) -> None:
    """Fields by their names in a file; an address is not repeated. Also for a row that shares an order."""
    row = OrderLine(key="a", product_id=1, denomination=Decimal(100))
    await issuer(client, ledger, pack=pack).run([row, *lines("b")])
    other = msgspec.structs.replace(row, denomination=Decimal("100.5"), quantity=2, email="a@b.example")
    with pytest.raises(errors.LedgerConflictError) as caught:
        await issuer(client, ledger, pack=pack).run([other])
    said = "denomination was 100 and is 100.5"
    assert said in str(caught.value)
    assert "quantity was 1 and is 2" in str(caught.value)
    assert "email has changed" in str(caught.value)
    assert "a@b" not in str(caught.value)


async def test_one_bad_row_spoils_the_plan(client: Client, ledger: SqliteLedger) -> None:
    """Nothing was sent for the good ones before it, and ledger and account are as they were."""
    bad = OrderLine(key="bad", product_id=1, denomination=Decimal(100), quantity=0)
    with pytest.raises(errors.PlanError, match="row 2, column quantity"):
        await issuer(client, ledger).run([*lines("a"), bad, *lines("c")])
    assert ((await ledger.counts()).rows, client.sent) == (0, [])
    report = await issuer(client, ledger, skip_invalid=True).run([*lines("a"), bad, *lines("c")])
    assert (report.rows, len(client.sent)) == (2, 2)


async def test_a_plan_sends_nothing_until_it_is_issued(client: Client, ledger: SqliteLedger) -> None:
    """In between a person may look at what it adds up to."""
    run = issuer(client, ledger)
    totals = await run.plan(lines("a", "b"))
    assert (totals.lines, totals.orders, client.sent) == (2, 2, [])
    assert (await run.issue()).placed_now == 2


async def test_a_new_ledger_needs_a_job_name(client: Client, ledger: SqliteLedger) -> None:
    """PoNumbers are derived from it: another name would order everything anew, and is refused."""
    with pytest.raises(errors.ConfigError, match="needs a job name"):
        await issuer(client, ledger, job="").plan(lines("a"))
    await issuer(client, ledger).plan(lines("a"))
    assert (await issuer(client, ledger, job="").run(lines("a"))).rows == 1
    with pytest.raises(errors.LedgerError, match="holds the job 'march'"):
        await issuer(client, ledger, job="april").plan(lines("a"))


def _file(path: Path, head: str, *rows: str) -> Path:
    path.write_text("\n".join([f"{head},product_id,denomination", *(f"{row},1,100" for row in rows)]) + "\n")
    return path


async def test_another_key_column_is_refused(client: Client, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Every row would be new. The old column decides while it is there; one that was renamed has to be named."""
    path = _file(tmp_path / "o.csv", "Emp,Payroll", "E1,P1", "E2,P2")
    await issuer(client, ledger).run(read_orders(path, columns={"Emp": "key"}, keep=["Payroll"]))
    with pytest.raises(errors.PlanError, match=r'takes the key from column Payroll.*add --map "Emp=key"'):
        await issuer(client, ledger).run(read_orders(path, columns={"Payroll": "key"}, keep=["Emp"]))
    renamed = _file(tmp_path / "n.csv", "Employee ID", "E1", "E2")
    with pytest.raises(errors.PlanError, match=r'column Emp, and this file lacks it.*add --map "Employee ID=key"'):
        await issuer(client, ledger).run(read_orders(renamed))
    report = await issuer(client, ledger).run(read_orders(renamed, columns={"Employee ID": "key"}))
    assert (report.rows, len(client.sent)) == (2, 2)
    await issuer(client, ledger).run(read_orders(renamed))
    with pytest.raises(errors.PlanError, match="lacks it and takes the key from column key"):
        await issuer(client, ledger).run(read_orders(_file(tmp_path / "k.csv", "key", "E1")))


async def test_a_key_column_by_its_own_name_counts(client: Client, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Also where nobody had to name it, and where the new one is a usual name."""
    await issuer(client, ledger).run(read_orders(_file(tmp_path / "o.csv", "Key", "E1")))
    path = _file(tmp_path / "p.csv", "key,Staff No", "E1,S1")
    await issuer(client, ledger).run(read_orders(path, keep="all"))
    with pytest.raises(errors.PlanError, match=r'have their key from column key.*add --map "key=key"'):
        await issuer(client, ledger).run(read_orders(path, columns={"Staff No": "key"}, keep=["key"]))
    assert len(client.sent) == 1


async def test_new_rows_beside_absent_ones_are_told(client: Client, ledger: SqliteLedger) -> None:
    """The same people may have got other keys; a file that only grows, or only shrinks, tells nothing."""
    told: list[Event] = []
    client.hooks = [told.append]
    await issuer(client, ledger).run(lines("a", "b", "c"))
    for keys in (("a", "b", "c", "d"), ("a", "b")):
        totals = await issuer(client, ledger, missing="keep").plan(lines(*keys))
        assert totals.absent == 0
    await issuer(client, ledger).issue()
    totals = await issuer(client, ledger).plan(lines("a", "x", "y"))
    assert (totals.absent, totals.added) == (3, 2)
    assert [event for event in told if isinstance(event, InputChanged)] == [
        InputChanged(job="march", ledger=ledger.name, absent=3, added=2)
    ]


async def test_a_repeated_receiver_is_a_warning(client: Client, ledger: SqliteLedger) -> None:
    """Both rows are issued; the warning names the later row, and a resume, which reads no rows, has none."""
    rows = [
        OrderLine(key=key, product_id=1, denomination=Decimal(100), email="a@example.com") for key in ("a", "b", "c")
    ]
    run = issuer(client, ledger)
    totals = await run.plan(rows)
    assert totals.warned == 2
    assert totals.warnings[0] == "row 2 (key b): its receiver gets product 1 for 100 from row 1 too"
    report = await run.run(rows)
    assert (report.issued, report.warnings) == (3, totals.warnings)
    assert (await issuer(client, ledger).resume()).warnings == ()


@pytest.mark.parametrize("before", [(), ("a", "b")], ids=["new ledger", "planned before"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"pack": True}, {"restore": True}, {"missing": "withdraw"}, {"missing": "keep"}],
    ids=["plain", "pack", "restore", "withdraw", "keep"],
)
async def test_a_no_leaves_no_trace(
    client: Client, ledger: SqliteLedger, before: tuple[str, ...], settings: dict[str, Any]
) -> None:
    """Ledger and vendor are as they were before the plan."""
    if before:
        await issuer(client, ledger).plan(lines(*before))
    was = await contents(ledger)
    again = lines("b", "c") if settings.get("missing") else lines("a", "b", "c")
    expected = {*before, *(line.key for line in again)}
    with pytest.raises(DeclinedError):
        await issuer(client, ledger, **settings).run(again, approve=say_no)
    assert await contents(ledger) == was
    assert client.sent == []
    assert (await issuer(client, ledger, missing="keep").run(again)).issued == len(expected)


async def test_approval_counts_all_that_would_be_sent(client: Client, ledger: SqliteLedger) -> None:
    """Rows of earlier plans count in, rows that were issued do not."""
    asked: list[tuple[int, int, int]] = []

    async def approve(totals: PlanTotals) -> None:
        asked.append((totals.lines, totals.pieces, totals.orders))

    await issuer(client, ledger).run(lines("a"))
    await issuer(client, ledger).plan(lines("b"))
    await issuer(client, ledger).run(lines("a", "b", "c", "d"), approve=approve)
    assert asked == [(3, 3, 3)]
    assert len(client.sent) == 4


async def test_the_rows_are_read_once(client: Client, ledger: SqliteLedger) -> None:
    """A second reading of a generator could bring other rows than the approved ones."""
    read: list[str] = []

    def rows() -> Iterator[OrderLine]:
        for line in lines("a", "b"):
            read.append(line.key)
            yield line

    asked: list[int] = []

    async def approve(totals: PlanTotals) -> None:
        asked.append(totals.lines)
        read.append("asked")

    report = await issuer(client, ledger).run(rows(), approve=approve)
    assert (read, asked, report.issued) == (["a", "b", "asked"], [2], 2)


async def test_rows_ending_in_an_error_change_nothing(client: Client, ledger: SqliteLedger) -> None:
    """A query that fails half-way does not count as a shorter list of orders."""

    async def rows() -> AsyncIterator[OrderLine]:
        for line in lines("a", "b"):
            yield line
        raise OSError("the database is gone")

    await issuer(client, ledger).plan(lines("z"))
    was = await contents(ledger)
    with pytest.raises(OSError, match="the database is gone"):
        await issuer(client, ledger, missing="withdraw").run(rows())
    assert await contents(ledger) == was
    assert client.sent == []


async def test_a_question_that_is_cancelled_is_a_no(client: Client, ledger: SqliteLedger) -> None:
    """Ctrl-C at the question: the ledger is as it was, and can be worked on at once."""
    was = await contents(ledger)

    async def wait(_totals: PlanTotals) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        with anyio.CancelScope() as scope:
            await issuer(client, ledger).run(lines("a"), approve=wait)
        assert await contents(ledger) == was
        assert (await issuer(client, ledger).run(lines("a"))).issued == 1


async def test_a_resume_looks_at_what_is_left(client: Client, ledger: SqliteLedger) -> None:
    """The outlook counts what is planned, and sends nothing."""
    await issuer(client, ledger).run(lines("a"))
    await issuer(client, ledger).plan(lines("b", "c"))
    totals = await issuer(client, ledger).outlook()
    assert (totals.lines, totals.orders, len(client.sent)) == (2, 2, 1)


async def test_a_row_missing_from_input_is_not_bought(client: Client, ledger: SqliteLedger) -> None:
    """The run stops and names it, until somebody says what is meant; then it is withdrawn, or sent."""
    await issuer(client, ledger).plan(lines("a", "b", "c"))
    with pytest.raises(errors.PlanError, match=r"lacks 1 planned row .*\n  row 2 \(key b\)"):
        await issuer(client, ledger).run(lines("a", "c"))
    assert client.sent == []
    report = await issuer(client, ledger, missing="withdraw").run(lines("a", "c"))
    assert (report.issued, report.withdrawn, report.not_sent, report.exit_code) == (2, 1, 1, 0)
    assert len(client.sent) == 2
    await issuer(client, ledger).plan(lines("a", "b", "c", "d", "e"))
    assert (await issuer(client, ledger, missing="keep").run(lines("e"))).issued == 4


async def test_a_withdrawn_row_stays_withdrawn(client: Client, ledger: SqliteLedger) -> None:
    """Also when the input has it again."""
    await issuer(client, ledger).plan(lines("a", "b"))
    assert await issuer(client, ledger).withdraw(["b"], reason="left") == 1
    report = await issuer(client, ledger).run(lines("a", "b"))
    assert (report.issued, report.withdrawn, len(client.sent)) == (1, 1, 1)


async def test_a_bad_row_is_not_a_missing_one(client: Client, ledger: SqliteLedger) -> None:
    """A bad row is in the input, so it must not be withdrawn, which is final."""
    run = issuer(client, ledger, missing="withdraw", skip_invalid=True)
    await run.plan(lines("a", "b"))
    bad = OrderLine(key="b", product_id=1, denomination=Decimal(100), quantity=0)
    with pytest.raises(errors.PlanError, match="1 of its rows is bad and may be these") as caught:
        await run.run([*lines("a"), bad])
    assert caught.value.problems == ("row 2, column quantity: must be a whole number from 1 to 9999, not 0",)
    assert (await ledger.counts()).states == {LineState.PLANNED: 2}
    assert (await run.run(lines("a"))).withdrawn == 1
