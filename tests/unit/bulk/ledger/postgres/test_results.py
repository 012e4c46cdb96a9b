"""A result that can never be written keeps no other one out: it is put aside with an alarm, and tried again."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.facts import alone
from tests.unit.bulk.ledger.ledgers import each, placed
from tests.unit.bulk.ledger.postgres.databases import connected, opened
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import Evidence, LineState
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_an_amount_that_no_column_holds_keeps_no_other_result_out(database: str) -> None:
    """Results of one statement and of one call, later ones and claims go on; an alarm names the line."""
    async with opened(database) as ledger, opened(database) as other:
        await ledger.plan("march", each(alone(*range(5))))
        await ledger.set_fact(CURRENCY, "INR")
        first, second, third, fourth = await ledger.claim(4)
        wrong = msgspec.structs.replace(placed(first, 1), amount_charged=Decimal("1e16"))
        together, beside = await asyncio.gather(
            ledger.record([wrong, placed(second, 2)]), ledger.record([placed(third, 3)]), return_exceptions=True
        )
        assert isinstance(together, LedgerError)
        assert "line 1 cannot be written" in together.message
        assert not isinstance(beside, BaseException)
        assert [line.state for line in beside] == [LineState.PLACED]
        (last,) = await ledger.record([placed(fourth, 4)])
        assert last.state is LineState.PLACED
        assert [line.key for line in await ledger.claim(1)] == ["k4"]
        counts = await other.counts()
        assert counts.states == {LineState.PLACED: 3, LineState.SENDING: 2}
        assert [(alarm.key, "cannot be written" in alarm.text) for alarm in counts.alarms] == [("k0", True)]


async def test_what_was_put_aside_is_tried_again_at_the_end(database: str) -> None:
    """A person has mended the database meanwhile."""
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(0, 1)))
        first, second = await ledger.claim(2)
        await ledger.record([placed(first, 1)])
        async with connected(database) as connection:
            kept = await connection.fetchval("SELECT codes FROM xoxo.placed WHERE id = $1", first.seq)
            await connection.execute("UPDATE xoxo.placed SET codes = 'sealed1:AAAA' WHERE id = $1", first.seq)
            with pytest.raises(LedgerError, match="cannot be written"):
                await ledger.record([msgspec.structs.replace(placed(first, 1), evidence=Evidence.DELIVERY_SEEN)])
            (after,) = await ledger.record([placed(second, 2)])
            assert after.state is LineState.PLACED
            await connection.execute("UPDATE xoxo.placed SET codes = $2 WHERE id = $1", first.seq, kept)
    async with opened(database) as ledger:
        rows = [row.evidence async for row in ledger.journal(seq=first.seq)]
    assert rows[-2:] == ["not written", Evidence.DELIVERY_SEEN]
