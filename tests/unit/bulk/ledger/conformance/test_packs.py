"""Lines that share an order: known again, dealt their codes once, given back when the order is refused."""

import json
from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import codes, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import LedgerConflictError, PlanError

pytestmark = pytest.mark.anyio


def answered(line: LedgerLine, *names: str, delivery: Delivery = Delivery.DELIVERED) -> Change:
    """Return the proof of an order, with some of its codes."""
    return Change(
        seq=line.seq,
        evidence=Evidence.ANSWERED_PLACED,
        epoch=line.epoch,
        order_id=77,
        delivery=delivery,
        amount_charged=Decimal(1000),
        currency="INR",
        codes=codes(*names),
        held=len(names),
    )


async def dealt(ledger: Ledger) -> dict[str, list[str]]:
    """Return the codes of every packed line by its key."""
    found: dict[str, list[str]] = {}
    async for order in ledger.lines(with_codes=True):
        names = [code["code"] for code in json.loads(order.codes or b"[]")]
        for line in (await ledger.packed([order])).get(order.seq, []):
            found[line.key] = names[line.first : line.end]
    return found


async def test_lines_planned_twice_are_known(subject: Subject) -> None:
    """Rows that were packed before are known in any order, packed or not, and new rows make new orders."""
    lines = [planned(number) for number in range(25)]
    async with subject.open() as ledger:
        assert await ledger.plan("march", each(lines)) == (25, 0, 3, 0, 0)
        assert await ledger.plan("march", each(reversed(lines))) == (0, 25, 0, 0, 0)
        alone = [planned(number, room=0) for number in range(26)]
        assert await ledger.plan("march", each(alone)) == (1, 25, 1, 0, 0)
        counts = await ledger.counts()
    assert (counts.rows, counts.orders, counts.not_sent) == (26, 4, 26)


async def test_a_line_planned_alone_stays_alone(subject: Subject) -> None:
    """A line that was planned alone is not packed by a later plan."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(3, room=0)]))
        assert await ledger.plan("march", each([planned(number) for number in range(10)])) == (9, 1, 1, 0, 0)


@pytest.mark.parametrize("chunks", [1, 1200])
async def test_contradictions_and_repeats_are_refused(subject: Subject, chunks: int) -> None:
    """Other contents under a packed key, or a key twice in one plan, undo the whole plan."""
    many = [planned(number) for number in range(10, 10 + chunks)]
    async with subject.open() as ledger:
        again = msgspec.structs.replace(planned(1), row=99)
        with pytest.raises(PlanError, match="row 99, column key: k1 is in row 2 already"):
            await ledger.plan("march", each([planned(1), planned(2), *many, again]))
        with pytest.raises(LedgerConflictError, match="key k1"):
            await ledger.plan("march", each([planned(1), *many, planned(1, value=250)]))
        assert (await ledger.counts()).rows == 0
        await ledger.plan("march", each([planned(1), planned(2)]))
        with pytest.raises(LedgerConflictError, match="what is planned never changes"):
            await ledger.plan("march", each([planned(1, value=250, room=0)]))
        assert (await ledger.counts()).rows == 2


async def test_later_codes_go_to_pending_lines(subject: Subject) -> None:
    """Codes are dealt from the front, and later codes go to the lines that still wait."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0), planned(1, pieces=2), planned(2)]))
        (order,) = await ledger.claim(5)
        assert (order.lines, json.loads(order.request)["quantity"]) == (3, 4)
        (after,) = await ledger.record([answered(order, "a", "b", delivery=Delivery.PENDING)])
        counts = await ledger.counts()
        assert (counts.rows, counts.issued, counts.pending) == (3, 1, 2)
        late = Change(
            seq=order.seq,
            evidence=Evidence.DELIVERY_SEEN,
            epoch=after.epoch,
            delivery=Delivery.DELIVERED,
            codes=codes("d", "c", "b", "a"),
            held=4,
        )
        await ledger.record([late])
        counts = await ledger.counts()
        assert (counts.issued, counts.pending) == (3, 0)
        assert await dealt(ledger) == {"k0": ["a"], "k1": ["b", "d"], "k2": ["c"]}


async def test_codes_of_two_answers_add_up(subject: Subject) -> None:
    """A second answer that has only the missing codes completes the order."""
    async with subject.open(codes_key="A" * 43 + "=") as ledger:
        await ledger.plan("march", each([planned(0), planned(1)]))
        (order,) = await ledger.claim(5)
        (after,) = await ledger.record([answered(order, "a", delivery=Delivery.PENDING)])
        change = answered(order, "b", delivery=Delivery.PENDING)
        (after,) = await ledger.record([change])
        assert after.held == 2
        assert (await ledger.counts()).issued == 2
        assert await dealt(ledger) == {"k0": ["a"], "k1": ["b"]}


async def test_a_refused_pack_is_unpacked_once(subject: Subject) -> None:
    """After a certain refusal each line is planned alone under its own poNumber, and the pack is not counted."""
    lines = [planned(number) for number in range(3)]
    async with subject.open() as ledger:
        await ledger.plan("march", each(lines))
        (order,) = await ledger.claim(5)
        refused = Change(seq=order.seq, evidence=Evidence.REFUSED_NO_ORDER, epoch=order.epoch, error_id="PLE10041")
        (after,) = await ledger.record([refused])
        assert after.state is LineState.REJECTED
        counts = await ledger.counts()
        assert (counts.rows, counts.not_sent, counts.rejected) == (3, 3, 0)
        await ledger.record([refused])  # told twice
        alone = await ledger.claim(5)
        assert [line.po_number for line in alone] == [line.po_number for line in lines]
        assert [line.request for line in alone] == [line.request for line in lines]
        assert await ledger.plan("march", each(lines)) == (0, 3, 0, 0, 0)
        found = await ledger.find("k1")
        assert found is not None
        assert found.seq == alone[1].seq


async def test_a_doubted_pack_is_never_unpacked(subject: Subject) -> None:
    """An unclear refusal makes the pack a conflict, and its lines stay in it."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0), planned(1)]))
        (order,) = await ledger.claim(5)
        unclear = Change(seq=order.seq, evidence=Evidence.REFUSED_UNCLEAR, epoch=order.epoch)
        (after,) = await ledger.record([unclear])
        assert after.state is LineState.CONFLICT
        assert (await ledger.counts()).unknown == 2
        assert await ledger.claim(5) == []
