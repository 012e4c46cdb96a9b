"""`allowance.lane`: which caller gets which slot, and when more are asked for."""

import asyncio
import math
from collections.abc import Iterator

import pytest

from xoxo_async.allowance.lane import AHEAD_S, FRESH_S, Caller, Lane
from xoxo_async.allowance.protocol import LATE_S, SPAN_S


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def caller(loop: asyncio.AbstractEventLoop, deadline: float | None = None, *, early: bool = False) -> Caller:
    return Caller(loop.create_future(), deadline, early=early)


def lane_with(loop: asyncio.AbstractEventLoop, callers: int, interval: float = 0.01, *, told_at: float = 100.0) -> Lane:
    lane = Lane("placeOrder", interval)
    lane.told_at = told_at
    for _ in range(callers):
        lane.enter(caller(loop))
    return lane


def slots_of(found: list[tuple[Caller, float]]) -> list[float]:
    return [slot for _, slot in found]


def test_a_grant_spans_a_fraction_of_a_second(loop: asyncio.AbstractEventLoop) -> None:
    """However many wait, no more slots are asked for than fit into the span, and at least one."""
    assert lane_with(loop, 1000).wanted(100) == SPAN_S / 0.01
    assert lane_with(loop, 3).wanted(100) == 3
    assert lane_with(loop, 1000, 6.0).wanted(100) == 1
    assert lane_with(loop, 0).wanted(100) == 0


def test_the_next_slots_are_asked_for_ahead(loop: asyncio.AbstractEventLoop) -> None:
    """While a grant lasts none is asked for; shortly before its last slot, for those that have none."""
    lane = lane_with(loop, 15)
    lane.granted(100.0, 10)
    last = 100.09
    assert lane.wanted(100.0) == 0
    assert len(lane.served(last - AHEAD_S, 0, fresh=True)) == 7
    assert lane.wakes_at(last - AHEAD_S - 0.001, 0) == pytest.approx(last - AHEAD_S)
    assert lane.wanted(last - AHEAD_S + 1e-6) == 5
    lane.asking = True
    assert lane.wanted(last) == 0


def test_callers_get_slots_in_their_order(loop: asyncio.AbstractEventLoop) -> None:
    """First come, first served, when the slot is due and not before."""
    lane = lane_with(loop, 3)
    waiting = list(lane.waiting)
    lane.granted(100.0, 3)
    assert lane.served(99.99, 0, fresh=True) == []
    assert [who for who, _ in lane.served(100.011, 0, fresh=True)] == waiting[:2]
    assert lane.served(100.02, 0, fresh=False) == []


def test_who_waits_itself_gets_its_slot_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """A bulk run gets the slot of its place in the queue, and those before it keep theirs."""
    lane = lane_with(loop, 1)
    own = caller(loop, early=True)
    lane.enter(own)
    lane.enter(caller(loop))
    lane.granted(105.0, 3)
    assert lane.served(100.0, 0, fresh=True) == [(own, 105.01)]
    assert slots_of(lane.served(106.0, 0, fresh=True)) == [105.0, 105.02]


def test_a_bulk_run_has_slots_granted_ahead(loop: asyncio.AbstractEventLoop) -> None:
    """Each grant that is used up doubles the next one, to the span; one that is not used ends that."""
    lane, now, counts = Lane("placeOrder", 0.01), 100.0, []
    for _ in range(6):
        lane.enter(caller(loop, early=True))
        counts.append(lane.wanted(now))
        lane.granted(now, counts[-1])
        now = lane.last
        lane.waiting.clear()
        lane.slots.clear()
    assert counts == [1, 2, 4, 8, 10, 10]
    lane.granted(now, 10)
    assert lane.wanted(lane.last) == 0, "slots that nobody takes are not followed by more"
    lane.drop(lane.last + 1, 0)
    assert not lane.slots
    assert lane.wanted(lane.last + 1) == 0


def test_late_and_penalised_slots_are_dropped(loop: asyncio.AbstractEventLoop) -> None:
    """A slot is used up to a quarter of a second late. A penalty ends all that lie within it."""
    lane = lane_with(loop, 3)
    lane.granted(100.0, 3)
    lane.drop(100.005 + LATE_S, 0)
    assert list(lane.slots) == pytest.approx([100.01, 100.02])
    lane.drop(100.0, 130.0)
    assert not lane.slots
    lane.granted(130.0, 1)
    lane.drop(101.0, 130.02)
    assert lane.slots, "two answers about one penalty differ a little"
    assert lane.served(130.01, 130.02, fresh=True) == []
    assert len(lane.served(130.03, 130.02, fresh=True)) == 1


def test_deadlines_are_judged_by_what_is_known(loop: asyncio.AbstractEventLoop) -> None:
    """A caller is refused where its slot, or the earliest that it could get, comes too late; the next one moves up."""
    lane = Lane("placeOrder", 1.0)
    hurried, patient, last = caller(loop, 100.5), caller(loop, 102.5), caller(loop, 102.5)
    for one in (hurried, patient, last):
        lane.enter(one)
    lane.granted(101.0, 1)
    assert lane.too_late(100.0, 0) == [(hurried, 1.0)]
    assert list(lane.waiting) == [patient, last]
    assert lane.too_late(100.0, 0, bound=103.0) == [(last, 3.0)]
    assert lane.within(100.0) == math.inf


def test_the_latest_deadline_bounds_a_grant(loop: asyncio.AbstractEventLoop) -> None:
    """The store need not grant what no caller can use."""
    lane = Lane("placeOrder", 1.0)
    lane.enter(caller(loop, 104.0))
    assert lane.within(100.0) == 4.0
    lane.enter(caller(loop))
    assert lane.within(100.0) == math.inf
    assert lane.within(500.0) == math.inf


def test_an_old_slot_needs_a_look(loop: asyncio.AbstractEventLoop) -> None:
    """Shortly before a slot is used, the store is asked for penalties, unless it has just answered."""
    lane = lane_with(loop, 1, 6.0)
    lane.granted(105.0, 1)
    assert lane.wakes_at(100.1, 0) == 105.0 - AHEAD_S
    assert not lane.must_look(104.0, 0)
    assert lane.must_look(105.0 - AHEAD_S + 1e-6, 0)
    lane.told_at = 105.0 - AHEAD_S
    assert not lane.must_look(105.0, 0)
    assert lane.wakes_at(104.98, 0) == 105.0
    late = 105.0 - AHEAD_S + FRESH_S + 0.001
    assert lane.must_look(late, 0), "an answer that was new when the slot was due is old by now"


def test_a_part_is_whole_calls_a_minute(loop: asyncio.AbstractEventLoop) -> None:
    """Without the store, the parts of all processes add up to no more than the limit in any minute."""
    for per_minute, members in ((100, 8), (600, 4), (6000, 7), (10, 3)):
        lane = Lane("placeOrder", 60.6 / per_minute)
        lane.go_alone(members, 100.0)
        in_a_minute = math.ceil(60 / lane.spacing)
        assert in_a_minute * members <= per_minute
        assert in_a_minute * members >= 0.9 * per_minute
    lane = Lane("getBalance", 60.6 / 10)
    lane.go_alone(40, 100.0)
    assert lane.spacing == pytest.approx(4 * 60.6)


def test_going_alone_begins_after_others_grants(loop: asyncio.AbstractEventLoop) -> None:
    """The last grants of the other processes follow this one's, so its own slots begin after them."""
    lane = lane_with(loop, 40)
    lane.granted(100.0, 10)
    lane.served(100.1, 0, fresh=True)
    lane.go_alone(4, 100.1)
    lane.grant_alone(100.1, 0)
    assert lane.slots[0] == pytest.approx(100.09 + 0.3 + lane.spacing)
    assert len(lane.slots) == 1
    lane.served(lane.last, 0, fresh=True)
    first = lane.last
    lane.grant_alone(first, 0)
    assert lane.last - first == pytest.approx(lane.spacing)


def test_coming_back_keeps_to_the_own_part(loop: asyncio.AbstractEventLoop) -> None:
    """Others may not have found the store again, so a process takes no more than its part for a while."""
    lane = lane_with(loop, 1000)
    lane.go_alone(4, 100.0)
    lane.come_back(110.0)
    assert lane.wanted(100.0) == int(SPAN_S / lane.spacing)
    lane.granted(100.0, 2)
    assert lane.wanted(100.02) == 0
    assert lane.wanted(100.0 + 2 * lane.spacing) == 2
    assert lane.wanted(110.0) == 10
