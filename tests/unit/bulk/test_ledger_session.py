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
    """Two answers that name one order put both lines in doubt; what a look-up gave a line, no other gets."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        first, second, third = await ledger.claim(3)
        await ledger.record([placed(first, 7), placed(second, 7)])
        doubted = [one async for one in ledger.lines(states=(LineState.UNKNOWN,), with_codes=True)]
        assert [(one.seq, one.order_id, one.codes, one.suspect) for one in doubted] == [
            (first.seq, None, None, True),
            (second.seq, None, None, True),
        ]
        assert all("order 7" in one.error for one in doubted)
        found = Change(seq=first.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=first.epoch, order_id=7)
        (one,) = await ledger.record([found])
        assert (one.state, one.order_id) == (LineState.PLACED, 7)
        (other,) = await ledger.record([placed(third, 7)])  # a look-up is better proof than another line's answer
        assert other.state is LineState.UNKNOWN
        (other,) = await ledger.record([msgspec.structs.replace(found, seq=second.seq, epoch=second.epoch)])
        assert other.state is LineState.MANUAL
        word = Change(seq=second.seq, evidence=Evidence.PERSON_PLACED, epoch=second.epoch, order_id=7, reason="r")
        with pytest.raises(LedgerConflictError, match="order 7 is line 1's"):
            await ledger.record([word])
        right = msgspec.structs.replace(word, order_id=8)
        (other,) = await ledger.record([right])
        assert other.state is LineState.PLACED


async def test_a_look_up_takes_an_order_from_a_line_that_only_an_answer_gave_it(tmp_path: Path) -> None:
    """An answer may have come to another request; the poNumber says whose the order is."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        first, second = await ledger.claim(2)
        lost = Change(seq=second.seq, evidence=Evidence.OUTCOME_LOST, epoch=second.epoch)
        await ledger.record([placed(first, 7), lost])
        found = Change(seq=second.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=second.epoch, order_id=7)
        await ledger.record([found])
        assert [one.state async for one in ledger.lines()] == [LineState.UNKNOWN, LineState.UNKNOWN]
        (one,) = await ledger.record([found])
        assert (one.seq, one.state, one.order_id) == (2, LineState.PLACED, 7)
