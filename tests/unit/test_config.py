"""`config`: limits, timeouts, numbers."""

from decimal import Decimal
from functools import partial

import pytest

from xoxo_async import RateLimits, Timeouts, errors
from xoxo_async.config import check_count, check_number


def test_limits_are_kept_by_operation() -> None:
    """Each documented operation has its own limit, and every other operation has `other`."""
    limits = RateLimits(place_order=6000)
    assert [limits.per_minute(n) for n in ("placeOrder", "getBalance", "sendBalance")] == [6000, 10, None]
    assert RateLimits.unlimited().per_minute("placeOrder") is None


NO_NUMBERS = [-1, float("inf"), float("nan"), "10", True, None, 10**400, 1e13, [], Decimal(1)]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_a_wrong_number_is_named(value: object) -> None:
    """NaN, infinity and texts raise `ConfigError` when they are given, not when a wait uses them."""
    for check in (check_number, partial(check_number, zero=True), check_count):
        with pytest.raises(errors.ConfigError, match="patience_s must be a"):
            check("patience_s", value)


def test_numbers_are_handed_on() -> None:
    """A valid number is returned as it is, and 0 passes only where it is allowed."""
    assert (check_number("n", 0.5), check_number("n", 0, zero=True), check_count("n", 1)) == (0.5, 0, 1)
    for refused in (lambda: check_number("n", 0), lambda: check_count("n", 0), lambda: check_count("n", 1.5)):
        with pytest.raises(errors.ConfigError):
            refused()


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "10", True])
def test_senseless_numbers_are_refused(value: object) -> None:
    """A limit or timeout that is not positive raises `ConfigError`."""
    with pytest.raises(errors.ConfigError, match="place_order"):
        RateLimits(place_order=value)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError, match="read_s"):
        Timeouts(read_s=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timeouts", "look_up_s", "order_needs_s"),
    [
        (Timeouts(), 30, 180),
        (Timeouts(order_s=1, read_s=2, call_s=10), 2, 3),
        (Timeouts(read_s=300), 30, 180),
        (Timeouts(call_s=181), 30, 180),
        (Timeouts(call_s=180), 30, 135),
        (Timeouts(call_s=60), 15, 45),
        (Timeouts(call_s=60, read_s=2), 2, 45),
        (Timeouts(call_s=100, order_s=72), 25, 97),
    ],
)
def test_a_call_keeps_time_for_look_ups(timeouts: Timeouts, look_up_s: float, order_needs_s: float) -> None:
    """Where `call_s` is too short for both, a quarter is for waiting and at most a quarter for the look-up."""
    assert (timeouts.look_up_s, timeouts.order_needs_s) == (look_up_s, order_needs_s)
