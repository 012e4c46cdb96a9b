"""`pacing`: who may go when."""

import pytest

from xoxo_async import RateLimits, errors
from xoxo_async.pacing import Pacer


def paced(clock: list[float], **limits: float) -> Pacer:
    return Pacer(RateLimits(**limits), clock=lambda: clock[0])


def test_slots_are_one_interval_apart() -> None:
    """At 60 a minute the k-th caller waits k seconds and one percent of headroom: no burst."""
    pacer = paced([0.0], place_order=60)
    assert [pacer.reserve("placeOrder") for _ in range(4)] == pytest.approx([0, 1.01, 2.02, 3.03])


def test_idle_time_is_not_saved_up() -> None:
    """After a pause there is one slot at once, not many."""
    clock = [0.0]
    pacer = paced(clock, place_order=60)
    pacer.reserve("placeOrder")
    clock[0] = 100.0
    assert [pacer.reserve("placeOrder") for _ in range(2)] == pytest.approx([0, 0.76])


@pytest.mark.parametrize("late", [0.0, 0.01, 0.1, 0.24])
@pytest.mark.parametrize("per_minute", [60, 600, 6000])
def test_a_late_caller_makes_up_for_it_and_never_overfills_a_window(per_minute: int, late: float) -> None:
    """Whoever comes a little late to each slot still gets the whole allowance, and no 60 s hold more than the limit."""
    clock = [0.0]
    pacer = paced(clock, place_order=per_minute)
    sent: list[float] = []
    while clock[0] < 200:
        clock[0] += pacer.reserve("placeOrder")
        sent.append(clock[0])
        clock[0] += late if len(sent) % 70 == 0 else 0.0
    assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[per_minute:], strict=False))
    assert len(sent) >= 0.97 * per_minute * 200 / 60


def test_operations_do_not_share_an_allowance() -> None:
    """All operations share one URL and none of them a limit."""
    pacer = paced([0.0], place_order=60, balance=60)
    pacer.reserve("placeOrder")
    assert pacer.reserve("getBalance") == 0
    assert [pacer.reserve("sendBalance") for _ in range(3)] == [0, 0, 0]


def test_a_slot_past_the_deadline_is_refused_and_not_taken() -> None:
    """Who cannot wait is told at once how long it would have been, and costs nobody a slot."""
    pacer = paced([0.0], place_order=60)
    pacer.reserve("placeOrder")
    with pytest.raises(errors.RateLimitedError) as caught:
        pacer.reserve("placeOrder", deadline=0.5)
    assert caught.value.retry_after_s == pytest.approx(1.01)
    assert pacer.reserve("placeOrder") == pytest.approx(1.01)


@pytest.mark.parametrize("limits", [{"place_order": 60.0}, {"place_order": None}])
def test_a_penalty_holds_everybody_of_that_operation(limits: dict[str, float]) -> None:
    """No slot before its end, also without a limit; others go on; afterwards all is as before."""
    clock = [0.0]
    pacer = paced(clock, **limits)
    pacer.penalise("placeOrder", 30)
    pacer.penalise("placeOrder", 5)
    assert pacer.reserve("placeOrder") == 30
    assert pacer.reserve("getFilters") == 0
    clock[0] = 40.0
    assert pacer.reserve("placeOrder") == 0
