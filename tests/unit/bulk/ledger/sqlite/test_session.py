"""`ledger_session`: what applies is written, what does not is named, and an order belongs to one line."""

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
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


async def persons(ledger: SqliteLedger, count: int) -> list[LedgerLine]:
    """Leave lines to a person: their first sends were refused, and nobody knows why."""
    await ledger.plan("march", each([line(number) for number in range(1, count + 1)]))
    lines = await ledger.claim(count)
    for evidence in (Evidence.REFUSED_UNCLEAR, Evidence.LOOKUPS_EXHAUSTED):
        lines = await ledger.record(
            [Change(seq=one.seq, evidence=evidence, epoch=one.epoch, reason="r") for one in lines]
        )
    return lines


def word(one: LedgerLine, order_id: int, evidence: Evidence = Evidence.PERSON_CORRECTED) -> Change:
    """Return what a person says of a line's order."""
    return Change(seq=one.seq, evidence=evidence, epoch=one.epoch, order_id=order_id, reason="looked it up")


async def orders(ledger: SqliteLedger) -> dict[str, int | None]:
    """Return every line's order."""
    return {one.key: one.order_id async for one in ledger.lines()}


async def test_a_correction_to_another_lines_order_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Whether a person or an answer gave it that order; the line keeps its own, and can be corrected after that."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        one, two, three = await persons(ledger, 3)
        await ledger.record([word(one, 5, Evidence.PERSON_PLACED), word(two, 6, Evidence.PERSON_PLACED)])
        late = Change(seq=three.seq, evidence=Evidence.ANSWERED_PLACED, epoch=three.epoch, order_id=9)
        await ledger.record([late])
        for taken, owner in ((6, 2), (9, 3)):
            with pytest.raises(LedgerConflictError, match=f"order {taken} is line {owner}'s, not line 1's"):
                await ledger.record([word(one, taken)])
            assert await orders(ledger) == {"k1": 5, "k2": 6, "k3": 9}
        await ledger.record([word(one, 7)])
        assert await orders(ledger) == {"k1": 7, "k2": 6, "k3": 9}
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        assert await orders(ledger) == {"k1": 7, "k2": 6, "k3": 9}


async def test_a_correction_is_journalled_and_drops_the_codes_of_the_wrong_order(tmp_path: Path) -> None:
    """They are somebody else's cash; what the order cost is not known any more either."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        (one,) = await persons(ledger, 1)
        codes = msgspec.structs.replace(
            placed(one, 5), evidence=Evidence.PERSON_PLACED, reason="a typo", codes=b'[{"code":"WRONG"}]', held=1
        )
        await ledger.record([codes])
        await ledger.record([word(one, 7)])
        (after,) = [line async for line in ledger.lines(with_codes=True)]
        assert (after.order_id, after.codes, after.amount_charged, after.held) == (7, None, None, 0)
        told = [(row.transition, row.order_id, row.reason) async for row in ledger.journal(seq=1)][-2:]
        assert told == [("T13", 5, "a typo"), ("T13", 7, "looked it up")]


async def test_what_a_look_up_proved_no_person_corrects(tmp_path: Path) -> None:
    """The poNumber says whose the order is."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        (one,) = await ledger.record([Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch)])
        found = Change(seq=one.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=one.epoch, order_id=5)
        await ledger.record([found])
        for evidence in (Evidence.PERSON_CORRECTED, Evidence.PERSON_REJECTED, Evidence.PERSON_RESEND):
            with pytest.raises(LedgerConflictError):
                await ledger.record([word(one, 7, evidence)])
        assert await orders(ledger) == {"k1": 5}


async def test_restoring_doubts_what_waits_and_nothing_else(tmp_path: Path) -> None:
    """Each generation is journalled; what was sent, refused or withdrawn stays as it is."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(number) for number in range(1, 6)]))
        sent, refused = await ledger.claim(2)
        refusal = Change(seq=refused.seq, evidence=Evidence.REFUSED_NO_ORDER, epoch=refused.epoch)
        await ledger.record([placed(sent, 7), refusal])
        await ledger.withdraw(["k3"], reason="gone")
        assert await ledger.restored(reason="the disk died") == 2
        states = [(one.key, one.state, one.suspect) async for one in ledger.lines()]
        assert states == [
            ("k1", LineState.PLACED, False),
            ("k2", LineState.REJECTED, False),
            ("k3", LineState.CANCELLED, False),
            ("k4", LineState.UNKNOWN, True),
            ("k5", LineState.UNKNOWN, True),
        ]
        assert await ledger.restored(reason="and again") == 2  # their absence is counted anew
        told = [row.reason async for row in ledger.journal(seq=0)]
        assert told == ["generation 2: the disk died", "generation 3: and again"]


async def test_an_absence_counts_from_the_restoring(tmp_path: Path) -> None:
    """The ledger that was lost may have sent it a moment ago."""
    now = 1_800_000_000.0
    rules = Rules(settle_s=150, spacing_s=10)
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: now) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.restored(reason="r")
        (one,) = [one async for one in ledger.lines()]
        states: list[LineState] = []
        for passed in (0, 140, 151, 162):
            now = 1_800_000_000.0 + passed
            absent = Change(seq=one.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=one.epoch, at=now)
            (after,) = await ledger.record([absent], rules=rules)
            states.append(after.state)
        assert states == [LineState.UNKNOWN, LineState.UNKNOWN, LineState.UNKNOWN, LineState.PLANNED]


async def test_a_line_that_is_withdrawn_was_never_claimed(tmp_path: Path) -> None:
    """One that was sent, and proven absent, may be in a proxy still: only a person rejects it."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.NOT_PROCESSED, epoch=one.epoch)])
        with pytest.raises(LedgerConflictError, match=r"row 1 \(key k1\) was sent before, and may exist"):
            await ledger.withdraw(["k1", "k2"], reason="gone")
        assert await ledger.withdraw(["k2"], reason="gone") == 1


async def test_doubt_about_a_connection_is_recorded_with_the_result_that_shows_it(tmp_path: Path) -> None:
    """In one transaction, and last: what an answer or a look-up proved is in doubt, what a person said is not."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(number) for number in range(1, 5)]))
        answered, looked_up, said, odd = await ledger.claim(4)
        lost = [Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch) for one in (looked_up, said)]
        await ledger.record([placed(answered, 7), *lost])
        found = Change(seq=looked_up.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=looked_up.epoch, order_id=8)
        word = Change(seq=said.seq, evidence=Evidence.LATE_PROOF, epoch=said.epoch, order_id=9, reason="r")
        await ledger.record([found, word])
        names = [(one.po_number, number) for one, number in ((answered, 7), (looked_up, 8), (said, 9), (odd, 10))]
        result = Change(seq=odd.seq, evidence=Evidence.OUTCOME_LOST, epoch=odd.epoch, error="another product")
        written = await ledger.record([result], doubts=[*names, (answered.po_number, 99), ("nobody's", 7)])
        assert [(one.key, one.state) for one in written[1:]] == [("k1", LineState.UNKNOWN), ("k2", LineState.UNKNOWN)]
        lines = [(one.state, one.order_id, one.codes) async for one in ledger.lines(with_codes=True)]
        assert lines == [
            (LineState.UNKNOWN, None, None),
            (LineState.UNKNOWN, None, None),
            (LineState.PLACED, 9, None),
            (LineState.UNKNOWN, None, None),
        ]


async def test_a_copy_leaves_its_rows_to_be_looked_up_and_not_to_be_withdrawn(tmp_path: Path) -> None:
    """What the original may have sent is somebody's order, until the vendor says otherwise."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
    shutil.copy(tmp_path / "l.db", tmp_path / "copy.db")
    async with SqliteLedger(tmp_path / "copy.db") as ledger:
        assert ledger.copied
        for keys in (["k1"], None):
            with pytest.raises(LedgerConflictError, match="may have been sent; nothing was withdrawn"):
                await ledger.withdraw(keys, reason="gone")
        assert await ledger.restored(reason="a copy", copied=True) == 2
        assert [(one.state, one.foreign) async for one in ledger.lines()] == [(LineState.UNKNOWN, True)] * 2


async def test_a_person_s_word_makes_a_restored_row_nobody_else_s(tmp_path: Path) -> None:
    """Who says that the ledger replaces another one says whose the orders are; a row sent before keeps its doubt."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.restored(reason="the disk died")
        assert [one.foreign async for one in ledger.lines()] == [False, False]
        await ledger.restored(reason="a copy", copied=True)
        assert [one.foreign async for one in ledger.lines()] == [False, False]
