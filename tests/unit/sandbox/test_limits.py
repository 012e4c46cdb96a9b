"""`limits`: a limit is counted in three ways, and a call over it starts a penalty."""

from typing import Literal

import pytest

from xoxo_async.sandbox.limits import Limiter

WAYS: tuple[Literal["fixed", "sliding", "bucket"], ...] = ("fixed", "sliding", "bucket")


class Hand:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


def limiter(
    clock: Hand, window: Literal["fixed", "sliding", "bucket"], limit: float = 3, penalty_s: float = 30.0
) -> Limiter:
    return Limiter({"placeOrder": limit}, window, penalty_s, clock=clock)


@pytest.mark.parametrize("window", WAYS)
def test_a_call_over_the_limit_is_refused(window: Literal["fixed", "sliding", "bucket"]) -> None:
    """Calls up to the limit pass; the next one is refused with the penalty, and is counted."""
    limits = limiter(Hand(), window)
    assert [limits.refuse("placeOrder") for _ in range(4)] == [None, None, None, 30.0]
    assert limits.refused == 1


def test_a_call_at_the_edge_counts_next() -> None:
    """A call at the first moment of a window counts in that window."""
    clock = Hand()
    limits = limiter(clock, "fixed")
    assert [limits.refuse("placeOrder") for _ in range(3)] == [None] * 3
    clock.now += 59.9
    assert limits.refuse("placeOrder") == 30.0


@pytest.mark.parametrize("window", WAYS)
def test_a_penalty_refuses_all_calls_until_over(window: Literal["fixed", "sliding", "bucket"]) -> None:
    """The answer tells the rest of the penalty, and another call does not make it longer."""
    clock = Hand()
    limits = limiter(clock, window)
    for _ in range(4):
        limits.refuse("placeOrder")
    clock.now += 29
    assert limits.refuse("placeOrder") == pytest.approx(1.0)
    clock.now += 61
    assert limits.refuse("placeOrder") is None


def test_operations_are_counted_apart() -> None:
    """Each operation has its own count, as at the vendor; one without a limit is never refused."""
    limits = Limiter({"placeOrder": 1, "getVouchers": 1}, "sliding", 30.0, clock=Hand())
    assert [limits.refuse("placeOrder"), limits.refuse("getVouchers")] == [None, None]
    assert limits.refuse("getVouchers") == 30.0
    assert [limits.refuse("getBalance") for _ in range(100)] == [None] * 100


@pytest.mark.parametrize(("window", "after_a_window_s"), [("fixed", None), ("sliding", 30.0)])
def test_only_a_sliding_window_looks_back(window: Literal["fixed", "sliding"], after_a_window_s: float | None) -> None:
    """Calls at the end of one minute count in the next second only if the window slides."""
    clock = Hand()
    limits = limiter(clock, window)
    clock.now = 659.0
    for _ in range(3):
        assert limits.refuse("placeOrder") is None
    clock.now = 660.5
    assert limits.refuse("placeOrder") == after_a_window_s


def test_a_bucket_fills_evenly() -> None:
    """A third of a minute gives back one of three calls, and a long pause gives no more than the limit."""
    clock = Hand()
    limits = limiter(clock, "bucket", penalty_s=0.0)
    for _ in range(3):
        assert limits.refuse("placeOrder") is None
    clock.now += 20
    assert limits.refuse("placeOrder") is None
    assert limits.refuse("placeOrder") is not None
    clock.now += 6000
    assert [limits.refuse("placeOrder") is None for _ in range(4)] == [True, True, True, False]
