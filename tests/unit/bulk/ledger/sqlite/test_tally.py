"""`sqlite.tally`: the counts that a ledger keeps are those of a full count, whatever happens to its lines."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import connected, each, in_states, line, placed
from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.meta import set_metas
from xoxo_async.bulk.ledger.sqlite.schema import connect
from xoxo_async.bulk.ledger.sqlite.tally import Tally, count_all, read_tally
from xoxo_async.bulk.ledger.tallying import TallyRow

pytestmark = pytest.mark.anyio


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def row(state: LineState, orders: int, charged: str = "0", priced: int = 0) -> TallyRow:
    return TallyRow(state, Delivery.NONE, "", True, orders, priced, Decimal(charged))


def test_changes_add_up_and_are_kept(connection: sqlite3.Connection) -> None:
    """Exactly; a group in which nothing is left is gone."""
    tally = Tally()
    tally.begin(connection)
    tally.add([row(LineState.PLANNED, 2), row(LineState.PLACED, 1, "0.10", 1)])
    tally.add([row(LineState.PLANNED, -2), row(LineState.PLACED, 1, "0.20", 1)])
    set_metas(connection, tally.take())
    assert read_tally(connection) == [row(LineState.PLACED, 2, "0.30", 2)]
    again = Tally()
    again.begin(connection)
    again.add([row(LineState.PLACED, 1)])
    set_metas(connection, again.take())
    assert read_tally(connection) == [row(LineState.PLACED, 3, "0.30", 2)]


def test_an_older_ledger_is_counted_once(connection: sqlite3.Connection) -> None:
    """It keeps no counts before its first new holder."""
    in_states(connection, LineState.PLACED, LineState.PLANNED, LineState.PLANNED)
    assert read_tally(connection) is None
    tally = Tally()
    tally.begin(connection)
    set_metas(connection, tally.take())
    assert read_tally(connection) == count_all(connection) == [row(LineState.PLACED, 1), row(LineState.PLANNED, 2)]


def test_an_undone_transaction_changes_nothing(connection: sqlite3.Connection) -> None:
    """What it added is forgotten with it."""
    tally = Tally()
    tally.begin(connection)
    tally.add([row(LineState.PLANNED, 2)])
    tally.forget()
    assert tally.take() == {}
    assert read_tally(connection) is None
    with pytest.raises(LookupError, match="not read"):
        tally.add([row(LineState.PLANNED, 2)])


async def test_a_ledger_keeps_its_counts(tmp_path: Path) -> None:
    """Through plans, claims, answers and withdrawals; a plan that is given up counts nothing."""
    path = tmp_path / "march.db"

    async def given_up() -> None:
        with pytest.raises(RuntimeError, match="no"):
            await ledger.plan("march", broken())

    async def broken():  # type: ignore[no-untyped-def]
        async for one in each([line(number) for number in range(100, 3100)]):
            yield one
        raise RuntimeError("no")

    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(number) for number in range(1, 9)]))
        await given_up()
        first, second, _ = await ledger.claim(3)
        await ledger.record([placed(first), placed(second, 8)])
        await ledger.arm("march", line(50))
        await ledger.withdraw(["k8"], reason="left")
        counts = await ledger.counts()
    assert (counts.rows, counts.issued, counts.unknown, counts.not_sent) == (9, 2, 2, 5)
    assert counts.charged == {"INR": Decimal("99.00")}
    connection = connect(path, query_only=True)
    try:
        assert read_tally(connection) == count_all(connection)
    finally:
        connection.close()
