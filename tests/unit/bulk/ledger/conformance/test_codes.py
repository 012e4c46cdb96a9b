"""Voucher codes: each belongs to the line that listed it first, and what contradicts that is an alarm."""

import json
from collections.abc import Callable, Sequence

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.bulk.ledger.conformance.subjects import SUBJECTS, Subject, fresh, refuses_stale
from tests.unit.bulk.ledger.facts import FORMS, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.vouchers import StoredCode, codes_of

pytestmark = pytest.mark.anyio

FIRST, SEEN = Evidence.ANSWERED_PLACED, Evidence.DELIVERY_SEEN
ANSWERS = st.lists(st.tuples(st.integers(0, 2), st.lists(FORMS, max_size=5), st.booleans()), max_size=12)


def told(line: LedgerLine, evidence: Evidence, *codes: str, said: Delivery = Delivery.DELIVERED) -> Change:
    """Return a fact about an order and the codes that it lists."""
    return msgspec.structs.replace(listed(line, evidence, [StoredCode(code) for code in codes]), delivery=said)


def listed(line: LedgerLine, evidence: Evidence, codes: Sequence[StoredCode]) -> Change:
    """Return the same, from whole vouchers."""
    return Change(
        seq=line.seq,
        evidence=evidence,
        epoch=line.epoch,
        order_id=500 + line.seq,
        delivery=Delivery.DELIVERED,
        codes=msgspec.json.encode(codes),
        held=len(codes),
    )


async def sending(ledger: Ledger, *pieces: int) -> list[LedgerLine]:
    """Plan and claim lines of so many pieces."""
    await ledger.plan("march", each([planned(n, pieces=count, room=0) for n, count in enumerate(pieces)]))
    return await ledger.claim(len(pieces))


async def kept(ledger: Ledger) -> dict[str, list[str]]:
    """Return the codes that lines hold, by key."""
    return {line.key: [code.code for code in codes_of(line.codes)] async for line in ledger.lines(with_codes=True)}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
async def test_a_code_stays_with_its_first_line(subject: Subject, together: bool) -> None:
    """The second line is pending, and the alarm names the order and both rows, also after reopening."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 1, 2)
        changes = [told(one, FIRST, "SAME"), told(two, FIRST, "OTHER", "SAME")]
        after = [
            line for batch in ([changes] if together else [[c] for c in changes]) for line in await ledger.record(batch)
        ]
        assert [(line.delivery, line.held) for line in after] == [(Delivery.DELIVERED, 1), (Delivery.PENDING, 1)]
        text = "order 502 (row 2, key k1) lists a voucher code that order 501 (row 1, key k0) has: it stays there"
        assert after[1].error == text
        assert await kept(ledger) == {"k0": ["SAME"], "k1": ["OTHER"]}
    for opening in (subject.look(), subject.open()):
        if opening is None:
            continue
        async with opening as ledger:
            counts = await ledger.counts()
            (alarm,) = counts.alarms
            assert (alarm.text, alarm.key, alarm.row, alarm.order_id) == (text, "k1", 2, 502)
            assert (counts.issued, counts.pending, counts.alarms_total) == (1, 1, 1)


async def test_a_doubted_order_leaves_no_codes(subject: Subject) -> None:
    """The codes of an answer out of step (T16) may be another line's: they are dropped, and free for it."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 1, 1)
        await ledger.record([told(one, FIRST, "AAAA")])
        (doubted,) = await ledger.record([], doubts=[(one.po_number, 501)])
        found = Change(seq=one.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=doubted.epoch, order_id=501)
        await ledger.record([found])
        assert await kept(ledger) == {"k0": [], "k1": []}
        (after,) = await ledger.record([told(two, FIRST, "AAAA")])
        assert after.delivery is Delivery.DELIVERED
        assert (await ledger.counts()).alarms_total == 0


async def test_an_alarm_is_recorded_once(subject: Subject) -> None:
    """Every resume reads a pending line again, and no alarm is repeated."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 1, 1)
        await ledger.record([told(one, FIRST, "SAME"), told(two, FIRST, "SAME")])
        for _ in range(3):
            await ledger.record([told(two, SEEN, "SAME")])
        assert (await ledger.counts()).alarms_total == 1
        (after,) = await ledger.record([told(two, SEEN, "OWN")])  # the vendor has mended it
        assert after.delivery is Delivery.DELIVERED
        assert (await ledger.counts()).alarms_total == 1


async def test_only_the_first_hundred_alarms_are_read(subject: Subject) -> None:
    """`counts` returns a hundred alarms and the number of all."""
    async with subject.open() as ledger:
        lines = await sending(ledger, *[1] * 130)
        await ledger.record([told(line, FIRST, "SAME") for line in lines])
        counts = await ledger.counts()
    assert (counts.issued, counts.pending) == (1, 129)
    assert (len(counts.alarms), counts.alarms_total) == (100, 129)


async def test_codes_beyond_the_pieces_may_be_anothers(subject: Subject) -> None:
    """When another line owns one of the codes, the remaining ones fit and belong to this line."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 1, 1)
        await ledger.record([told(one, FIRST, "AAAA"), told(two, FIRST, "AAAA", "BBBB")])
        assert await kept(ledger) == {"k0": ["AAAA"], "k1": ["BBBB"]}
        counts = await ledger.counts()
        assert (counts.issued, counts.alarms_total) == (2, 1)


async def test_codes_nobody_got_can_come_later(subject: Subject) -> None:
    """An answer with too many codes marks none of them, so that their own order can still get them."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 1, 1)
        (after,) = await ledger.record([told(one, FIRST, "AAAA", "BBBB")])
        assert (after.delivery, after.held) == (Delivery.PENDING, 0)
        (after,) = await ledger.record([told(two, FIRST, "BBBB")])
        assert after.delivery is Delivery.DELIVERED
        (after,) = await ledger.record([told(one, SEEN, "AAAA")])
        assert after.delivery is Delivery.DELIVERED
        assert await kept(ledger) == {"k0": ["AAAA"], "k1": ["BBBB"]}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
async def test_other_codes_than_before_replace_none(subject: Subject, together: bool) -> None:
    """The line keeps its code, stays delivered, and the other code raises an alarm."""
    async with subject.open() as ledger:
        (line,) = await sending(ledger, 1)
        changes = [told(line, FIRST, "AAAA"), told(line, SEEN, "BBBB"), told(line, SEEN, "AAAA")]
        for batch in [changes] if together else [[change] for change in changes]:
            after = (await ledger.record(batch))[-1]
        assert (after.delivery, after.held) == (Delivery.DELIVERED, 1)
        assert await kept(ledger) == {"k0": ["AAAA"]}
        assert "cannot all be its own" in (await ledger.counts()).alarms[0].text


async def test_the_ledger_counts_the_codes_itself(subject: Subject) -> None:
    """An answer that says delivered is pending when its codes are too few; cancelled stays cancelled."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 2, 1)
        after = await ledger.record(
            [told(one, FIRST, "A", "A ", "-"), told(two, FIRST, "B", said=Delivery.CANCELLED)],
        )
        assert [(line.delivery, line.held) for line in after] == [(Delivery.PENDING, 1), (Delivery.CANCELLED, 1)]


@pytest.mark.parametrize("codes", [b"", b"[", b"[7]", b'["A"]', b'[{"pin":"1"}]', b'[{"code":"\\ud800"}]', b"\xff"])
async def test_unreadable_codes_lose_no_order(subject: Subject, codes: bytes) -> None:
    """A line whose codes cannot be read is placed and pending."""
    async with subject.open() as ledger:
        (line,) = await sending(ledger, 1)
        (after,) = await ledger.record([msgspec.structs.replace(told(line, FIRST), codes=codes)])
        assert (after.state, after.delivery, after.held) == (LineState.PLACED, Delivery.PENDING, 0)


async def test_a_refused_change_marks_no_code(subject: Subject) -> None:
    """Codes of a refused change stay free for the line that they belong to."""
    async with subject.open() as ledger:
        one, two = await sending(ledger, 1, 1)
        stale = msgspec.structs.replace(told(one, SEEN, "AAAA"), epoch=0)
        await refuses_stale(subject, ledger, stale)
        (after,) = await ledger.record([told(two, FIRST, "AAAA")])
        assert after.delivery is Delivery.DELIVERED


async def test_a_ledger_without_codes_knows_repeats(subject: Subject) -> None:
    """It recognises a code by its hash, also when codes are kept later, and stores no code."""
    async with subject.open(store_codes=False) as ledger:
        one, two, three = await sending(ledger, 1, 1, 1)
        after = await ledger.record([told(one, FIRST, "BEARER-CASH"), told(two, FIRST, "BEARER-CASH")])
        assert [line.delivery for line in after] == [Delivery.DELIVERED, Delivery.PENDING]
        (again,) = await ledger.record([told(one, SEEN, "BEARER-CASH")])
        assert again.delivery is Delivery.DELIVERED
        vetted = await ledger.vet({one.seq: b'[{"code":"BEARER-CASH"}]', two.seq: b'[{"code":"BEARER-CASH"}]'})
        assert [[code.code for code in codes] for codes in vetted.values()] == [["BEARER-CASH"], []]
    assert b"BEARER" not in subject.stored()
    async with subject.open() as ledger:
        (after,) = await ledger.record([told(three, FIRST, "BEARER-CASH")])
        assert after.delivery is Delivery.PENDING
        assert (await ledger.counts()).alarms_total == 2


async def test_vetted_codes_are_never_kept(subject: Subject) -> None:
    """Also where the ledger is opened to keep codes by now: an export that fetches them leaves no code in the file."""
    async with subject.open(store_codes=False) as ledger:
        (line,) = await sending(ledger, 1)
        await ledger.record([told(line, FIRST, "BEARER-CASH")])
    async with subject.open() as ledger:
        vetted = await ledger.vet({line.seq: b'[{"code":"BEARER-CASH"}]'})
        assert [code.code for code in vetted[line.seq]] == ["BEARER-CASH"]
        assert [one.codes async for one in ledger.lines(with_codes=True)] == [None]
    assert b"BEARER" not in subject.stored()


async def test_vetted_codes_are_marked_too(subject: Subject) -> None:
    """`vet` gives one code to one line only, also when no answer listed it."""
    async with subject.open(store_codes=False) as ledger:
        lines = await sending(ledger, 1, 1)
        await ledger.record([msgspec.structs.replace(told(line, FIRST), codes=None) for line in lines])
        assert (await ledger.counts()).issued == 2
        vetted = await ledger.vet({line.seq: b'[{"code":"SAME"}]' for line in lines})
        assert [len(codes) for codes in vetted.values()] == [1, 0]
        counts = await ledger.counts()
        assert (counts.issued, counts.pending, counts.alarms_total) == (1, 1, 1)


@pytest.mark.parametrize("store", SUBJECTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, key=st.booleans())
def test_no_code_is_given_to_two_lines(
    store: str,
    answers: list[tuple[int, list[StoredCode], bool]],
    key: bool,
    database_of: Callable[[str, str], str],
) -> None:
    """With any answers in any order, no code moves to another line, and the counts add up."""

    async def play(subject: Subject) -> None:
        async with subject.open(codes_key="A" * 43 + "=" if key else "") as ledger:
            lines = [planned(0, room=0), planned(1, pieces=2, room=0), *(planned(n, value=250) for n in range(2, 5))]
            await ledger.plan(subject.job, each(lines), subject.terms)
            orders = await ledger.claim(9)
            assert len(orders) == 3
            batch: list[Change] = []
            before: dict[int, tuple[StoredCode, ...]] = {}
            for number, codes, more in answers:
                batch.append(listed(orders[number], FIRST, codes))
                if not more:
                    await ledger.record(batch)
                    batch, before = [], await _checked(ledger, before)
            await ledger.record(batch)
            await _checked(ledger, before)

    with fresh(store, database_of(store, "A" if key else "")) as subject:
        anyio.run(play, subject)
        anyio.run(subject.check)


async def _checked(ledger: Ledger, before: dict[int, tuple[StoredCode, ...]]) -> dict[int, tuple[StoredCode, ...]]:
    """Check what lines hold, beside what they held before; return it."""
    now: dict[int, tuple[StoredCode, ...]] = {}
    owners: dict[str, int] = {}
    async for line in ledger.lines(with_codes=True):
        now[line.seq] = codes = codes_of(line.codes)
        quantity = json.loads(line.body)["quantity"]
        assert len(codes) <= quantity
        assert (line.delivery is Delivery.DELIVERED) == (line.held == quantity)
        assert all(code.complete for code in codes[: line.held])
        for code in codes:
            assert not code.whole or owners.setdefault(code.code, line.seq) == line.seq
        for at, code in enumerate(before.get(line.seq, ())):
            assert not code.whole or codes[at].code == code.code
    counts = await ledger.counts()
    assert counts.issued + counts.pending + counts.rejected + counts.unknown + counts.not_sent == counts.rows == 5
    return now
