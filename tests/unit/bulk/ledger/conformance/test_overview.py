"""`Ledger.overview`: the job in groups, as its lines are; and the notes that runs leave."""

from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import START, Subject
from tests.unit.bulk.ledger.facts import codes, packable
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.wishes import fact, proof, wish
from xoxo_async.bulk.ledger.facts import RUNS
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.overview import Overview, Penalty, Receivers, RunNote, notes_of
from xoxo_async.bulk.ledger.protocol import Ledger

pytestmark = pytest.mark.anyio


async def taken(ledger: Ledger) -> dict[str, LedgerLine]:
    """Claim everything."""
    return {line.key: line for line in await ledger.claim(50)}


async def test_an_overview_has_every_line_once(subject: Subject) -> None:
    """Its counts are `counts()`, and its groups add up to them: by product, amount, state, delivery and proof."""
    lines = [wish(1), wish(2, denomination="250.50", quantity=2), wish(3), wish(4), wish(5), wish(6, product_id=7)]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each(lines), subject.terms)
        claimed = await taken(ledger)
        await ledger.record(
            [
                proof(claimed["k1"]),
                proof(claimed["k2"], "490", Delivery.PENDING),
                proof(claimed["k3"]),
                fact(claimed["k4"], Evidence.REFUSED_NO_ORDER, error_id="PLE10018", error="no such value"),
                fact(claimed["k5"], Evidence.OUTCOME_LOST, error="the answer was lost"),
                fact(claimed["k6"], Evidence.NOT_PROCESSED),
            ]
        )
        overview, counts = await ledger.overview(), await ledger.counts()
    assert overview.counts == counts
    assert sum(group.lines for group in overview.groups) == counts.rows == 6
    placed = {
        (one.denomination, one.delivery, one.charged, one.orders, one.pieces)
        for one in overview.groups
        if one.state is LineState.PLACED
    }
    assert placed == {
        (Decimal(100), Delivery.DELIVERED, Decimal("99.50"), 2, 2),
        (Decimal("250.50"), Delivery.PENDING, Decimal(490), 1, 2),
    }
    [lost] = [one for one in overview.groups if one.state is LineState.UNKNOWN]
    assert (lost.product_id, lost.evidence, lost.worth, lost.currency) == (1001, "outcome_lost", 1_200_000, "")
    assert {one.product_id for one in overview.groups if one.state is LineState.PLANNED} == {7}
    assert [(one.state, one.error_id, one.error, one.lines, one.row) for one in overview.refused] == [
        (LineState.REJECTED, "PLE10018", "no such value", 1, 4),
        (LineState.UNKNOWN, "", "the answer was lost", 1, 5),
    ]
    assert [(one.key, one.state) for one in overview.open] == [("k5", LineState.UNKNOWN), ("k2", LineState.PLACED)]


async def test_a_persons_refusals_stand_apart(subject: Subject) -> None:
    """The vendor refused one row, and a person decided about another: neither has an error id."""
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([wish(1), wish(2)]), subject.terms)
        claimed = await taken(ledger)
        await ledger.record([fact(claimed["k1"], Evidence.REFUSED_NO_ORDER, error="no")])
        for evidence in (Evidence.OUTCOME_LOST, Evidence.LOOKUPS_EXHAUSTED):
            await ledger.record([fact(claimed["k2"], evidence)])
        line = await ledger.find("k2")
        assert line is not None
        await ledger.record([fact(line, Evidence.PERSON_REJECTED, reason="not wanted", error="not wanted")])
        overview = await ledger.overview()
    assert [(one.error, one.row, one.by_person) for one in overview.refused] == [
        ("no", 1, False),
        ("not wanted", 2, True),
    ]


async def test_an_empty_job_has_an_overview(subject: Subject) -> None:
    """All of it is empty, also for somebody who only reads."""
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([wish(1)]), subject.terms)
        await ledger.withdraw(None, reason="off")
        overview = await ledger.overview()
        assert (overview.beats, overview.receivers, overview.open, overview.labels) == ([], [], [], [])
        assert await ledger.overview() == overview
    look = subject.look()
    assert look is not None
    async with look as ledger:
        assert await ledger.overview() == overview


async def test_receivers_are_those_of_placed_lines(subject: Subject) -> None:
    """By the domain of their address, and whether the vendor was asked to mail them; a tag is no address."""
    lines = [
        wish(1, email="Ann@One.example", notify_receiver=True),
        wish(2, email="bob@one.example", notify_receiver=True),
        wish(3, email="cy@two.example", tag='"notifyReceiverEmail":1'),
        wish(4, contact="+919876543210"),
        wish(5, tag='x "email":"no@where.example"'),
        wish(6, email="not@placed.example"),
    ]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each(lines), subject.terms)
        claimed = await taken(ledger)
        await ledger.record([proof(line) for key, line in claimed.items() if key != "k6"])
        overview = await ledger.overview()
    assert sorted(overview.receivers, key=lambda one: (one.kind, one.domain)) == [
        Receivers("email", "one.example", True, 2),
        Receivers("email", "two.example", False, 1),
        Receivers("none", "", False, 1),
        Receivers("phone", "", False, 1),
    ]
    assert overview.domains == 2


async def test_beats_tell_when_orders_were_sent(subject: Subject) -> None:
    """And how long the only answer of each took, rounded down."""
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([wish(1), wish(2), wish(3), wish(4)]), subject.terms)
        first = (await ledger.claim(1))[0]
        subject.now = START + 0.257
        await ledger.record([proof(first)])
        subject.now = START + 100
        second, third = await ledger.claim(2)
        subject.now = START + 107.39
        await ledger.record([proof(second), fact(third, Evidence.OUTCOME_LOST)])
        overview = await ledger.overview()
    assert overview.width_s == 2
    assert [(one.at - START, one.state, one.answered_ms, one.orders) for one in overview.beats] == [
        (0, LineState.PLACED, 250, 1),
        (100, LineState.PLACED, 7300, 1),
        (100, LineState.UNKNOWN, None, 1),
    ]


def shares(overview: Overview, name: str) -> list[tuple[str, str, Decimal | None, int]]:
    """Return the groups of a label."""
    [label] = [one for one in overview.labels if one.name == name]
    return sorted((one.value, one.state.value, one.charged, one.lines) for one in label.groups)


async def test_labels_group_all_lines(subject: Subject) -> None:
    """By tag and by each kept column; a column with a value a row has no groups."""
    lines = [
        wish(n, {"Team": "red" if n % 2 else 'b"lue', 'The "it"': "x", "Name": f"N{n}"}, tag="spring")
        for n in range(1, 103)
    ]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([*lines, wish(200)]), subject.terms)
        first = (await ledger.claim(1))[0]
        await ledger.record([proof(first)])
        overview = await ledger.overview()
    assert [(one.name, one.values) for one in overview.labels] == [
        ("tag", 2),
        ("Team", 3),
        ('The "it"', 2),
        ("Name", 102),
    ]
    assert shares(overview, "Team") == [
        ("", "planned", None, 1),
        ('b"lue', "planned", None, 51),
        ("red", "placed", Decimal("99.50"), 1),
        ("red", "planned", None, 50),
    ]
    assert shares(overview, "tag")[0] == ("", "planned", None, 1)
    assert shares(overview, "Name") == []


async def test_a_shared_order_counts_by_its_lines(subject: Subject) -> None:
    """Each line has its part of the charge; an order that was refused and gave its lines back counts no more."""
    packed = [msgspec.structs.replace(one, kept=encode_kept({"Team": one.key})) for one in packable(1, 2, 3, 4)]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each(packed), subject.terms)
        [order] = await ledger.claim(1)
        await ledger.record([fact(order, Evidence.REFUSED_NO_ORDER, error_id="PLE10018")])
        refused = await ledger.overview()
        assert (refused.counts, refused.refused) == (await ledger.counts(), [])
        assert sum(one.lines for one in refused.groups) == 4
        await ledger.plan(subject.job, each([*packed, *packable(5, 6)]), subject.terms)
        together = next(line for line in await ledger.claim(10) if line.lines == 2)
        change = msgspec.structs.replace(proof(together, "180"), order_id=5, codes=codes("A", "B"), held=2)
        await ledger.record([change])
        overview = await ledger.overview()
        assert overview.counts == await ledger.counts()
    [group] = [one for one in overview.groups if one.state is LineState.PLACED]
    assert (group.orders, group.lines, group.pieces, group.charged) == (1, 2, 2, Decimal(180))
    assert shares(overview, "Team")[0] == ("", "placed", Decimal(90), 2)


async def test_pauses_are_told(subject: Subject) -> None:
    """When the job was paused and why, and when it went on."""
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([wish(1)]), subject.terms)
        await ledger.pause("the budget is spent")
        subject.now += 60
        await ledger.unpause()
        pauses = (await ledger.overview()).pauses
    assert [(one.at - START, one.paused, one.reason) for one in pauses] == [
        (0, True, "the budget is spent"),
        (60, False, ""),
    ]


async def test_a_run_replaces_its_note(subject: Subject) -> None:
    """The latest note of each run is kept, of the last forty runs."""
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([wish(1)]), subject.terms)
        began = RunNote("a", START, rate=100.0)
        await ledger.note_run(began)
        ended = msgspec.structs.replace(began, ended_at=START + 5, placed=7, penalties=(Penalty(START, 2.0, "orders"),))
        await ledger.note_run(ended)
        assert notes_of(await ledger.get_fact(RUNS)) == [ended]
        for number in range(40):
            await ledger.note_run(RunNote(str(number), START))
        assert [note.id for note in notes_of(await ledger.get_fact(RUNS))] == [str(number) for number in range(40)]
