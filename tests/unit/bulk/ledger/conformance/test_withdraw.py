"""`Ledger.withdraw`: lines that were never sent are cancelled (T14), all or none."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import alone, fact, packable
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio


async def states(ledger: Ledger) -> dict[LineState, int]:
    return {state: lines for state, lines in (await ledger.counts()).states.items() if lines}


@pytest.mark.parametrize("kind", ["alone", "packed", "both"])
async def test_all_planned_rows_are_withdrawn(subject: Subject, kind: str) -> None:
    """No row is left to send, each row is counted once, and a second withdrawal changes nothing."""
    lines = {
        "alone": alone(*range(25)),
        "packed": packable(*range(25)),
        "both": [*alone(0, 1), *packable(*range(2, 25))],
    }
    async with subject.open() as ledger:
        await ledger.plan("march", each(lines[kind]))
        assert await ledger.withdraw(None, reason="the campaign is off") == 25
        assert await states(ledger) == {LineState.CANCELLED: 25}
        assert await ledger.claim(50) == []
        assert await ledger.backlog() == []
        assert await ledger.withdraw(None, reason="again") == 0
        assert await ledger.withdraw(["k3"], reason="again") == 0
        assert (await ledger.plan("march", each(lines[kind]))).known == 25
        assert (await ledger.counts()).rows == 25


async def test_rows_of_a_pack_are_withdrawn_by_key(subject: Subject) -> None:
    """Two rows of a shared order are withdrawn, then the rest, and the journal has the reason of each."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(packable(*range(10))))
        assert await ledger.withdraw(["k3", "k4"], reason="left") == 2
        assert await states(ledger) == {LineState.PLANNED: 8, LineState.CANCELLED: 2}
        assert await ledger.withdraw([f"k{n}" for n in range(10)], reason="all") == 8
        assert await states(ledger) == {LineState.CANCELLED: 10}
        line = await ledger.find("k3")
        assert line is not None
        assert [row.reason async for row in ledger.journal(seq=line.seq) if row.transition == "T14"] == ["left"]


@pytest.mark.parametrize(
    "keys", [["k1", "nobody"], ["k0", "k1"], ["k2", "k1"]], ids=["unknown", "placed", "given back"]
)
async def test_rows_are_withdrawn_all_or_none(subject: Subject, keys: list[str]) -> None:
    """An unknown key, a placed line or a line that was claimed before stops the whole withdrawal."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([*alone(0, 2), *packable(1, 3)]))
        placed, back = await ledger.claim(2)
        await ledger.record([fact(placed, Evidence.ANSWERED_PLACED), fact(back, Evidence.NOT_PROCESSED)])
        with pytest.raises(LedgerConflictError, match="nothing was changed"):
            await ledger.withdraw(keys, reason="gone")
        assert await states(ledger) == {LineState.PLANNED: 3, LineState.PLACED: 1}
        assert (await ledger.counts()).orders == 3


async def test_withdrawing_all_leaves_lines_sent_before(subject: Subject) -> None:
    """A line that was claimed before stays planned when all others are withdrawn."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(0, 1)))
        (line,) = await ledger.claim(1)
        await ledger.record([Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)])
        assert await ledger.withdraw(None, reason="off") == 1
        assert [line.key for line in await ledger.claim(5)] == ["k0"]


async def test_a_line_claimed_before_is_not_withdrawn(subject: Subject) -> None:
    """Its request may still be in a proxy, so only a person may reject it."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.NOT_PROCESSED, epoch=one.epoch)])
        with pytest.raises(LedgerConflictError, match=r"row 1 \(key k1\) was sent before, and may exist"):
            await ledger.withdraw(["k1", "k2"], reason="gone")
        assert await ledger.withdraw(["k2"], reason="gone") == 1


async def test_a_copy_withdraws_nothing(subject: Subject) -> None:
    """The original may have sent its rows, so they are looked up before any of them can be withdrawn."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
    copy = subject.copy()
    if copy is None:
        pytest.skip("the store cannot tell a copy")
    async with copy.open() as ledger:
        assert ledger.copied
        for keys in (["k1"], None):
            with pytest.raises(LedgerConflictError, match="may have been sent; nothing was withdrawn"):
                await ledger.withdraw(keys, reason="gone")
        assert await ledger.restored(reason="a copy", copied=True) == 2
        assert [(one.state, one.foreign) async for one in ledger.lines()] == [(LineState.UNKNOWN, True)] * 2
