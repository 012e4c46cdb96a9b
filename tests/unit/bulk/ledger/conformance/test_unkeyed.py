"""A ledger of calls without a key: its kind, what a fact leads to there, and rows that are placed without an id."""

from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject, killed_while_sending
from tests.unit.bulk.ledger.facts import fact
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine, Rules
from xoxo_async.bulk.ledger.overview import OPEN_SHOWN
from xoxo_async.bulk.ledger.protocol import Ledger, PlanTerms
from xoxo_async.bulk.ledger.table import Moment, decide
from xoxo_async.effects import EffectClass
from xoxo_async.errors import LedgerConflictError, LedgerError

pytestmark = pytest.mark.anyio

LINKS = b'[{"code":"https://gift.example/one"},{"code":"https://gift.example/two"}]'


def terms_of(subject: Subject, kind: JobKind = JobKind.POINTS) -> PlanTerms:
    """Return the terms of a plan of a kind."""
    return msgspec.structs.replace(subject.terms, kind=kind)


async def planned(ledger: Ledger, subject: Subject, count: int, kind: JobKind = JobKind.POINTS) -> None:
    """Plan some rows."""
    await ledger.plan(subject.job, each([line(number) for number in range(1, count + 1)]), terms_of(subject, kind))


def done(one: LedgerLine, **facts: object) -> Change:
    """Return a success without an id."""
    about = {"seq": one.seq, "evidence": Evidence.ANSWERED_DONE, "epoch": one.epoch, "delivery": Delivery.DELIVERED}
    return Change(**(about | facts))


def credited(one: LedgerLine, unique_id: int) -> Change:
    """Return a success with an id."""
    return done(one, evidence=Evidence.ANSWERED_PLACED, order_id=unique_id)


@pytest.mark.parametrize("kind", JobKind)
async def test_the_first_plan_keeps_the_kind(subject: Subject, kind: JobKind) -> None:
    """It is None before, and stays for later openings, also for those that only read."""
    async with subject.open() as ledger:
        assert ledger.kind is None
        await planned(ledger, subject, 1, kind)
        assert ledger.kind is kind
    async with subject.open() as ledger:
        assert ledger.kind is kind
        await planned(ledger, subject, 2, kind)
    looking = subject.look()
    if looking is not None:
        async with looking as ledger:
            assert ledger.kind is kind


@pytest.mark.parametrize(("kind", "other"), [(JobKind.POINTS, JobKind.ORDERS), (JobKind.ORDERS, JobKind.LINKS)])
async def test_a_plan_of_another_kind_is_refused(subject: Subject, kind: JobKind, other: JobKind) -> None:
    """It leaves the ledger as it was."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 1, kind)
        with pytest.raises(LedgerError, match=f"a job of {kind.words}, not of {other.words}"):
            await planned(ledger, subject, 2, other)
        assert ledger.kind is kind
        assert (await ledger.counts()).rows == 1


async def test_a_plan_that_is_undone_keeps_no_kind(subject: Subject) -> None:
    """The next plan may be of any kind, and facts are decided by that one."""

    async def failing() -> AsyncIterator[PlannedLine]:
        yield line(1)
        raise ValueError

    async with subject.open() as ledger:
        with pytest.raises(ValueError):  # noqa: PT011 - the caller's own
            await ledger.plan(subject.job, failing(), terms_of(subject))
        assert ledger.kind is None
        await planned(ledger, subject, 1, JobKind.ORDERS)
        (one,) = await ledger.claim(1)
        with pytest.raises(LedgerConflictError, match="answered_done does not apply"):
            await ledger.record([done(one)])


async def test_no_single_line_is_armed(subject: Subject) -> None:
    """`arm` is for orders: a ledger of points refuses it, and a ledger that armed one is of orders."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 1)
        with pytest.raises(LedgerError, match="a job of points, not of orders"):
            await ledger.arm(subject.job, line(2), identity=subject.terms.identity)
        assert (await ledger.counts()).rows == 1


async def test_an_armed_line_makes_a_job_of_orders(subject: Subject) -> None:
    """A plan of points is refused there."""
    async with subject.open() as ledger:
        await ledger.arm(subject.job, line(1), identity=subject.terms.identity)
        assert ledger.kind is JobKind.ORDERS
        with pytest.raises(LedgerError, match="a job of orders, not of points"):
            await planned(ledger, subject, 2)


FOR_THE_LEDGER = {
    Evidence.SLOT_IN_HAND,
    Evidence.SENDER_DIED,
    Evidence.LEDGER_RESTORED,
    Evidence.LEDGER_COPIED,
    Evidence.UNWANTED,
}


async def in_every_state(ledger: Ledger, subject: Subject) -> list[LedgerLine]:
    """Bring rows into every state that rows without a key have."""
    await planned(ledger, subject, 8)
    await ledger.withdraw(["k8"], reason="gone")
    claimed = await ledger.claim(6)
    lead = [Evidence.OUTCOME_LOST, Evidence.REFUSED_UNCLEAR, Evidence.REFUSED_NO_ORDER, Evidence.OUTCOME_LOST]
    await ledger.record([fact(one, evidence) for one, evidence in zip(claimed[1:], lead, strict=False)])
    await ledger.record([fact(claimed[4], Evidence.NO_LOOKUP), done(claimed[5])])
    return [one async for one in ledger.lines()]


async def test_every_state_but_conflict_is_reached(subject: Subject) -> None:
    """An unclear refusal is unknown: no look-up can say whose the row is."""
    async with subject.open() as ledger:
        states = {one.state for one in await in_every_state(ledger, subject)}
        assert states == set(LineState) - {LineState.CONFLICT}


@pytest.mark.parametrize("evidence", sorted(set(Evidence) - FOR_THE_LEDGER))
async def test_the_table_decides_each_fact(subject: Subject, evidence: Evidence) -> None:
    """The ledger stores, returns and journals what `decide` says of a call without a key."""
    async with subject.open() as ledger:
        for before in await in_every_state(ledger, subject):
            change = Change(
                seq=before.seq, evidence=evidence, epoch=before.epoch, order_id=before.seq, reason="asked", error="said"
            )
            now = round(ledger.now(), 3)
            effect = EffectClass.UNKEYED
            moment = Moment(now=now, epoch=before.epoch, rules=Rules(), ahead=subject.now - now, effect=effect)
            expected = decide(before, change, moment)
            if expected.refusal:
                with pytest.raises(LedgerConflictError, match=rf"line {before.seq} \(key {before.key}\)"):
                    await ledger.record([change])
            else:
                assert await ledger.record([change]) == [expected.line]
            assert await anext(ledger.lines(after=before.seq - 1)) == expected.line


async def test_look_ups_that_find_nothing_send_nothing(subject: Subject) -> None:
    """However often absence is stated, a row without a key stays where it is: no T9."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 1)
        (one,) = await ledger.claim(1)
        await ledger.record([fact(one, Evidence.OUTCOME_LOST)])
        for _ in range(3):
            subject.now += 1000
            with pytest.raises(LedgerConflictError, match="lookup_absent does not apply to a unknown line"):
                await ledger.record([fact(one, Evidence.LOOKUP_ABSENT)])
        assert await ledger.claim(1) == []


async def test_a_dead_senders_row_goes_to_a_person(subject: Subject) -> None:
    """It is unknown (T7), then manual (T10), and a person may have it sent again once the vendor has had its time."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 1)
    killed_while_sending(subject)
    subject.prove_death()
    async with subject.open() as ledger:
        assert await ledger.recover() == 1
        (one,) = [one async for one in ledger.lines()]
        (manual,) = await ledger.record([fact(one, Evidence.NO_LOOKUP)])
        assert manual.state is LineState.MANUAL
        resend = msgspec.structs.replace(fact(manual, Evidence.PERSON_RESEND), reason="the dashboard lacks it")
        with pytest.raises(LedgerConflictError, match="person_resend does not apply to a manual line"):
            await ledger.record([resend])
        subject.now += 1000
        (again,) = await ledger.record([resend])
        assert again.state is LineState.PLANNED
        assert [line.seq for line in await ledger.claim(1)] == [one.seq]


async def test_a_row_without_an_id_is_issued(subject: Subject) -> None:
    """A success without an id counts as issued; an id that comes later is added."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 2)
        one, two = await ledger.claim(2)
        await ledger.record([done(one), credited(two, 700)])
        counts = await ledger.counts()
        assert (counts.issued, counts.unknown, counts.not_sent) == (2, 0, 0)
        (named,) = await ledger.record([credited(one, 701)])
        assert (named.state, named.order_id) == (LineState.PLACED, 701)


async def test_one_id_under_two_rows_is_doubt(subject: Subject) -> None:
    """One of the two answers is wrong: both rows go to a person, and none is sent again."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 2)
        one, two = await ledger.claim(2)
        await ledger.record([credited(one, 700)])
        await ledger.record([credited(two, 700)])
        assert [one.state async for one in ledger.lines()] == [LineState.UNKNOWN, LineState.UNKNOWN]
        await ledger.record([fact(one, Evidence.NO_LOOKUP) async for one in ledger.lines()])
        assert [one.state async for one in ledger.lines()] == [LineState.MANUAL, LineState.MANUAL]


@pytest.mark.parametrize("sealed", [False, True])
async def test_links_of_a_row_are_kept(subject: Subject, sealed: bool) -> None:
    """Links are kept like codes although the row has no id, counted against its pieces, and marked."""
    key = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=" if sealed else ""
    asked = [
        PlannedLine(key=f"k{n}", po_number=f"links:{n}", digest=f"d{n}", request=b'{"quantity":2}', row=n)
        for n in (1, 2)
    ]
    async with subject.open(codes_key=key) as ledger:
        await ledger.plan(subject.job, each(asked), terms_of(subject, JobKind.LINKS))
        one, two = await ledger.claim(2)
        (after,) = await ledger.record([done(one, delivery=Delivery.NONE, codes=LINKS)])
        assert (after.state, after.delivery, after.held) == (LineState.PLACED, Delivery.DELIVERED, 2)
        (twin,) = await ledger.record([done(two, delivery=Delivery.NONE, codes=LINKS)])
        assert (twin.delivery, twin.held) == (Delivery.PENDING, 0)
        assert (await ledger.counts()).alarms_total == 1
    async with subject.open(codes_key=key) as ledger:
        found = await ledger.find("k1", with_codes=True)
        assert found is not None
        assert [link["code"] for link in msgspec.json.decode(found.codes or b"[]")] == [
            "https://gift.example/one", "https://gift.example/two",
        ]  # fmt: skip
    assert not sealed or b"gift.example" not in subject.stored()


async def test_a_closed_row_is_no_alarm(subject: Subject) -> None:
    """A person settles the alarm about its answer; it keeps its links, and the alarm of another row stays."""
    asked = [
        PlannedLine(key=f"k{n}", po_number=f"links:{n}", digest=f"d{n}", request=b'{"quantity":2}', row=n)
        for n in (1, 2)
    ]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each(asked), terms_of(subject, JobKind.LINKS))
        for number, one in enumerate(await ledger.claim(2)):
            few = b'[{"code":"https://gift.example/%d"}]' % number
            short = done(one, delivery=Delivery.PENDING, codes=few, held=1, error="1 of 2 links")
            await ledger.record([short])
        counts = await ledger.counts()
        assert (counts.pending, counts.issued, counts.alarms_total) == (2, 0, 2)
        first = await ledger.find("k1")
        assert first is not None
        close = done(first, evidence=Evidence.PERSON_CLOSED, reason="handed out", error="handed out")
        for _ in range(2):  # said again, it is no news
            (closed,) = await ledger.record([close])
            assert (closed.state, closed.delivery, closed.held) == (LineState.PLACED, Delivery.DELIVERED, 1)
        counts = await ledger.counts()
        assert (counts.pending, counts.issued, [alarm.key for alarm in counts.alarms]) == (1, 1, ["k2"])
        assert [(row.transition, row.reason) async for row in ledger.journal(seq=first.seq)][-1] == (
            "T18",
            "handed out",
        )
    async with subject.open() as ledger:
        assert ((await ledger.counts()).alarms_total, (await ledger.find("k1"))) == (1, closed)


async def test_more_links_of_a_row_are_added(subject: Subject) -> None:
    """A second answer about a row adds what the first one lacked, and takes nothing away."""
    asked = PlannedLine(key="k1", po_number="links:1", digest="d", request=b'{"quantity":2}', row=1)
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([asked]), terms_of(subject, JobKind.LINKS))
        (one,) = await ledger.claim(1)
        first, both = LINKS[: LINKS.index(b",")] + b"]", LINKS
        (after,) = await ledger.record([done(one, delivery=Delivery.NONE, codes=first)])
        assert (after.delivery, after.held) == (Delivery.PENDING, 1)
        seen = Change(seq=one.seq, evidence=Evidence.DELIVERY_SEEN, epoch=one.epoch, codes=both)
        (after,) = await ledger.record([seen])
        assert (after.delivery, after.held) == (Delivery.DELIVERED, 2)
        found = await ledger.find("k1", with_codes=True)
        assert found is not None
        assert len(msgspec.json.decode(found.codes or b"[]")) == 2


async def test_a_restored_ledger_asks_a_person(subject: Subject) -> None:
    """Planned rows may have been sent: they are unknown (T15), and then a person's."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 2)
        assert await ledger.restored(reason="a backup") == 2
        await ledger.record([fact(one, Evidence.NO_LOOKUP) async for one in ledger.lines()])
        assert [one.state async for one in ledger.lines()] == [LineState.MANUAL, LineState.MANUAL]
        assert await ledger.claim(2) == []


def of_cancelling(one: LedgerLine, evidence: Evidence) -> Change:
    """Return a fact about the cancellation of a row's points, which have the id that `id_of` gives."""
    return Change(seq=one.seq, evidence=evidence, epoch=one.epoch, order_id=id_of(one), reason="wrong amount")


def id_of(one: LedgerLine) -> int:
    """Return the id of the points of a row."""
    return 700 + one.seq


async def test_cancelled_points_are_charged_no_more(subject: Subject) -> None:
    """They stay issued, and count as taken back; what is in doubt costs its points until somebody knows."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 4)
        claimed = await ledger.claim(4)
        await ledger.record(
            [
                msgspec.structs.replace(credited(one, id_of(one)), amount_charged=Decimal(50), currency="points")
                for one in claimed
            ]
        )
        await ledger.record([of_cancelling(one, Evidence.CANCEL_ASKED) for one in claimed[:2]])
        await ledger.record([of_cancelling(claimed[0], Evidence.CANCEL_DONE)])
        counts = await ledger.counts()
        assert (counts.issued, counts.pending, counts.unknown, counts.taken_back) == (3, 0, 1, 1)
        assert counts.charged == {"points": Decimal(150)}
        overview = await ledger.overview()
        assert overview.counts == counts
    async with subject.open() as ledger:
        assert (await ledger.counts()).charged == {"points": Decimal(150)}


async def test_a_doubt_is_named_among_many_cancelled(subject: Subject) -> None:
    """An overview names a few rows that wait: one whose cancellation is in doubt comes before those that are gone."""
    async with subject.open() as ledger:
        await planned(ledger, subject, OPEN_SHOWN + 2)
        claimed = await ledger.claim(OPEN_SHOWN + 2)
        await ledger.record([credited(one, id_of(one)) for one in claimed])
        await ledger.record([of_cancelling(one, Evidence.CANCEL_ASKED) for one in claimed])
        *gone, doubted = sorted(claimed, key=lambda one: one.seq)
        await ledger.record([of_cancelling(one, Evidence.CANCEL_DONE) for one in gone])
        assert doubted.key in {one.key for one in (await ledger.overview()).open}


async def test_a_credit_is_cancelled_by_its_id(subject: Subject) -> None:
    """A fact about another id changes nothing, also no other row; only an answer about another id is an alarm."""
    async with subject.open() as ledger:
        await planned(ledger, subject, 2)
        one, two = await ledger.claim(2)
        await ledger.record([credited(one, id_of(one)), credited(two, id_of(two))])
        stale = msgspec.structs.replace(of_cancelling(one, Evidence.CANCEL_ASKED), order_id=99)
        with pytest.raises(LedgerConflictError) as refused:
            await ledger.record([stale, of_cancelling(two, Evidence.CANCEL_ASKED)])
        assert refused.value.seqs == {one.seq}
        lines = {line.seq: (line.order_id, line.delivery) async for line in ledger.lines()}
        assert lines == {
            one.seq: (id_of(one), Delivery.DELIVERED),
            two.seq: (id_of(two), Delivery.CANCELLING),
        }
        assert (await ledger.counts()).alarms_total == 0
        asked = [entry.seq async for entry in ledger.journal() if entry.evidence == Evidence.CANCEL_ASKED]
        assert asked == [two.seq]
        another = msgspec.structs.replace(of_cancelling(two, Evidence.CANCEL_DONE), order_id=99)
        with pytest.raises(LedgerConflictError, match=rf"order {id_of(two)} is stored, and order 99"):
            await ledger.record([another])
        assert (await ledger.counts()).alarms_total == 1
        (after,) = await ledger.record([of_cancelling(two, Evidence.CANCEL_DONE)])
        assert (after.order_id, after.delivery) == (id_of(two), Delivery.CANCELLED)
