"""What a ledger tells: lines, the line of a key, the journal, and the facts kept beside them."""

from decimal import Decimal

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import alone, fact, packable
from tests.unit.bulk.ledger.ledgers import CODES, each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.protocol import Identity
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def one_placed(subject: Subject) -> None:
    """Leave a ledger with one placed line."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.record([placed((await ledger.claim(1))[0])])


async def test_lines_of_some_states_come_in_order(subject: Subject) -> None:
    """`lines` streams several states in order of `seq`, over many chunks."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 1701)))
        claimed = await ledger.claim(1300)
        lost = [Change(seq=c.seq, evidence=Evidence.OUTCOME_LOST, epoch=c.epoch) for c in claimed if c.seq % 2]
        await ledger.record(lost)
        seqs = [one.seq async for one in ledger.lines(states={LineState.UNKNOWN, LineState.PLANNED})]
        assert seqs == [*range(1, 1301, 2), *range(1301, 1701)]
        assert [one.seq async for one in ledger.lines(after=1690)] == list(range(1691, 1701))


async def test_a_line_is_found_by_its_key(subject: Subject) -> None:
    """`find` returns the line as it is now, and None for an unknown key."""
    await one_placed(subject)
    async with subject.open() as ledger:
        found = await ledger.find("k1")
        assert found is not None
        assert (found.seq, found.state, found.order_id, found.codes) == (1, LineState.PLACED, 7, None)
        assert await ledger.find("po1") is None


async def test_the_journal_tells_a_lines_life(subject: Subject) -> None:
    """The journal has each move in order, by line, after an entry, and across openings."""
    await one_placed(subject)
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
        first, second = [one async for one in ledger.lines()]
        rows = [row async for row in ledger.journal(seq=first.seq)]
        assert [row.to_state for row in rows][-2:] == [LineState.SENDING, LineState.PLACED]
        assert [row.id async for row in ledger.journal(seq=first.seq, after=rows[0].id)] == [row.id for row in rows[1:]]
        assert {row.seq async for row in ledger.journal()} == {first.seq, second.seq}


async def test_facts_are_kept_beside_the_lines(subject: Subject) -> None:
    """`get_fact` returns the latest value, and a fact cannot change what the ledger keeps for itself."""
    await one_placed(subject)
    async with subject.open() as ledger:
        for value in ("1", "2"):
            await ledger.set_fact("job", value)
    async with subject.open() as ledger:
        assert (await ledger.get_fact("job"), await ledger.get_fact("none"), ledger.job) == ("2", None, "march")


async def test_a_packed_line_is_found_in_its_order(subject: Subject) -> None:
    """`find` returns the shared order, and `packed` its lines in the order in which codes are dealt."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([*packable(0, 1, 2), *alone(7)]))
        order, single = await ledger.find("k1"), await ledger.find("k7")
        assert order is not None
        assert single is not None
        packed = await ledger.packed([order, single])
        assert list(packed) == [order.seq]
        assert [(one.key, one.first, one.pieces) for one in packed[order.seq]] == [
            ("k0", 0, 1),
            ("k1", 1, 1),
            ("k2", 2, 1),
        ]
        assert [one.po_number for one in packed[order.seq]] == [one.po_number for one in packable(0, 1, 2)]
        assert await ledger.packed([]) == {}


async def test_the_numbers_add_up_and_charges_are_summed(subject: Subject) -> None:
    """Each row is counted once by state and by outcome, and charges are summed by currency."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(*range(6))))
        await ledger.set_fact("currency", "INR")
        assert await ledger.committed() == 0
        one, two, three, four = await ledger.claim(4)
        await ledger.record(
            [
                fact(one, Evidence.ANSWERED_PLACED, charged=90),
                fact(two, Evidence.ANSWERED_PLACED, charged=5, currency="EUR"),
                fact(three, Evidence.REFUSED_NO_ORDER),
                fact(four, Evidence.OUTCOME_LOST),
            ]
        )
        await ledger.withdraw(["k5"], reason="gone")
        counts = await ledger.counts()
        assert (counts.rows, counts.issued, counts.pending, counts.rejected) == (6, 2, 0, 1)
        assert (counts.unknown, counts.not_sent, counts.orders) == (1, 2, 6)
        assert counts.charged == {"INR": Decimal(90), "EUR": Decimal(5)}
        assert sum(counts.states.values()) == 6
        assert await ledger.committed() == 90 + 100 + 100  # the lost one may cost its worth, the foreign one too


async def test_codes_are_read_only_where_asked(subject: Subject) -> None:
    """`lines` fills in codes only with `with_codes`, and the repr of a line never shows them."""
    await one_placed(subject)
    async with subject.open() as ledger:
        (bare,) = [one async for one in ledger.lines()]
        (full,) = [one async for one in ledger.lines(with_codes=True)]
        assert (bare.codes, full.codes) == (None, CODES)
        assert "BEARER" not in repr(full)


async def test_a_look_writes_nothing(subject: Subject) -> None:
    """An opening that only reads works beside the holder, and refuses every method that writes."""
    await one_placed(subject)
    async with subject.open() as ledger:
        look = subject.look()
        if look is None:
            pytest.skip("the store has no opening that only reads")
        async with look as view:
            assert view.job == "march"
            assert (await view.counts()).issued == 1
            one = await view.find("k1")
            assert one is not None
            writes = [
                view.claim(1),
                view.record([placed(one)]),
                view.plan("march", each([line(2)])),
                view.recover(),
                view.restored(reason="r"),
                view.withdraw(None, reason="r"),
                view.reprice(lambda _product, _value, _count: None),
                view.set_fact("a", "b"),
                view.rebind(Identity("https://one.example", ""), reason="r"),
                view.vet({}),
            ]
            for writing in writes:
                with pytest.raises(LedgerError, match="read only"):
                    await writing
        assert (await ledger.counts()).rows == 1
