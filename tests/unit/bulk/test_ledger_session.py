"""`ledger_session`: what applies is written, what does not is named, and an order belongs to one line."""

from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledgers import each, line, placed
from xoxo_async.bulk.ledger import Change, Evidence, LineState
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio


async def test_one_illegal_change_does_not_hold_up_the_legal_ones(tmp_path: Path) -> None:
    """What applies is written, then the rest is named; facts only the ledger may state are refused too."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        one, two = await ledger.claim(2)
        withdrawn = Change(seq=two.seq, evidence=Evidence.WITHDRAWN, epoch=two.epoch)
        nowhere = Change(seq=99, evidence=Evidence.NOT_PROCESSED, epoch=1)
        armed = Change(seq=two.seq, evidence=Evidence.SLOT_IN_HAND, epoch=two.epoch)
        huge = placed(two, order_id=2**63)
        with pytest.raises(LedgerConflictError, match=r"refused 4 of 5 changes.*k2"):
            await ledger.record([withdrawn, nowhere, armed, huge, placed(one)])
        states = [one.state async for one in ledger.lines()]
        assert states == [LineState.PLACED, LineState.SENDING]


async def test_a_second_order_for_a_line_is_an_alarm_and_overwrites_nothing(tmp_path: Path) -> None:
    """T12: the other order is journalled and raised."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1)]))
        [one] = await ledger.claim(1)
        await ledger.record([placed(one, 7)])
        with pytest.raises(LedgerConflictError, match="order 7 is stored, and order 8"):
            await ledger.record([placed(one, 8)])
        assert [line.order_id async for line in ledger.lines()] == [7]
        alarms = [(row.transition, row.order_id) async for row in ledger.journal(seq=1)]
        assert alarms[-1] == ("!", 8)


async def test_an_order_belongs_to_one_line(tmp_path: Path) -> None:
    """An answer that names another line's order is doubt, a look-up a mismatch, a person's word an error."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        first, second, third = await ledger.claim(3)
        one, other = await ledger.record([placed(first, 7), placed(second, 7)])
        assert (one.state, other.state, other.order_id) == (LineState.PLACED, LineState.UNKNOWN, None)
        assert "order 7" in other.error
        (other,) = await ledger.record([placed(third, 7)])
        assert other.state is LineState.UNKNOWN
        found = Change(seq=second.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=second.epoch, order_id=7)
        (other,) = await ledger.record([found])
        assert other.state is LineState.MANUAL
        word = Change(seq=second.seq, evidence=Evidence.PERSON_PLACED, epoch=second.epoch, order_id=7, reason="r")
        with pytest.raises(LedgerConflictError, match="order 7 is line 1's"):
            await ledger.record([word])
        right = msgspec.structs.replace(word, order_id=8)
        (other,) = await ledger.record([right])
        assert other.state is LineState.PLACED
        codes = [one.codes async for one in ledger.lines(with_codes=True)]
        assert codes[1:] == [None, None]
