"""`limits`: what a server lets through in a window, counted in three ways, and the penalty after one too many."""

from typing import Literal

import pytest

from xoxo_async.sandbox.limits import Limiter

WAYS: tuple[Literal["fixed", "sliding", "bucket"], ...] = ("fixed", "sliding", "bucket")


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


def limiter(
    clock: Hand, window: Literal["fixed", "sliding", "bucket"], limit: float = 3, penalty_s: float = 30.0
) -> Limiter:
    return Limiter({"placeOrder": limit}, window, penalty_s, clock=clock)


@pytest.mark.parametrize("window", WAYS)
def test_the_limit_is_let_through_and_the_next_one_is_refused(window: Literal["fixed", "sliding", "bucket"]) -> None:
    """With the penalty, and counted."""
    limits = limiter(Hand(), window)
    assert [limits.refuse("placeOrder") for _ in range(4)] == [None, None, None, 30.0]
    assert limits.refused == 1


def test_a_call_at_the_very_edge_belongs_to_the_window_that_begins() -> None:
    """600 is where a minute starts: three calls then, and the fourth a moment later is one too many."""
    clock = Hand()
    limits = limiter(clock, "fixed")
    assert [limits.refuse("placeOrder") for _ in range(3)] == [None] * 3
    clock.now += 59.9
    assert limits.refuse("placeOrder") == 30.0


@pytest.mark.parametrize("window", WAYS)
def test_within_a_penalty_everything_of_the_operation_is_refused(window: Literal["fixed", "sliding", "bucket"]) -> None:
    """The answer says what is left of it; another call does not lengthen it."""
    clock = Hand()
    limits = limiter(clock, window)
    for _ in range(4):
        limits.refuse("placeOrder")
    clock.now += 29
    assert limits.refuse("placeOrder") == pytest.approx(1.0)
    clock.now += 61
    assert limits.refuse("placeOrder") is None


def test_operations_are_counted_apart_and_others_not_at_all() -> None:
    """The vendor counts by what the body asks for."""
    limits = Limiter({"placeOrder": 1, "getVouchers": 1}, "sliding", 30.0, clock=Hand())
    assert [limits.refuse("placeOrder"), limits.refuse("getVouchers")] == [None, None]
    assert limits.refuse("getVouchers") == 30.0
    assert [limits.refuse("getBalance") for _ in range(100)] == [None] * 100


@pytest.mark.parametrize(("window", "after_a_window_s"), [("fixed", None), ("sliding", 30.0)])
def test_a_fixed_window_forgets_at_its_edge_and_a_sliding_one_does_not(
    window: Literal["fixed", "sliding"], after_a_window_s: float | None
) -> None:
    """Calls at the end of one minute count in the next second only where the window slides."""
    clock = Hand()
    limits = limiter(clock, window)
    clock.now = 659.0
    for _ in range(3):
        assert limits.refuse("placeOrder") is None
    clock.now = 660.5
    assert limits.refuse("placeOrder") == after_a_window_s


def test_a_bucket_fills_evenly() -> None:
    """A third of a minute gives one of three calls back, and no pause gives more than the limit."""
    clock = Hand()
    limits = limiter(clock, "bucket", penalty_s=0.0)
    for _ in range(3):
        assert limits.refuse("placeOrder") is None
    clock.now += 20
    assert limits.refuse("placeOrder") is None
    assert limits.refuse("placeOrder") is not None
    clock.now += 6000
    assert [limits.refuse("placeOrder") is None for _ in range(4)] == [True, True, True, False]
