"""`progress`: what a display may read before, during and after a run."""

import time

import pytest

from xoxo_async.bulk.running.progress import Progress, clock_time

NOON = time.mktime((2026, 3, 2, 12, 0, 0, 0, 0, -1))


def test_a_run_begins_with_planning_and_nothing_done() -> None:
    """A display has something to show before the first line."""
    assert Progress() == Progress(placed=0, rejected=0, in_doubt=0, in_flight=0, phase="planning", wait="")


def test_each_run_counts_for_itself() -> None:
    """Two runs in one process share nothing."""
    one, other = Progress(), Progress()
    one.placed += 1
    assert (one.placed, other.placed) == (1, 0)


def test_another_run_begins_anew() -> None:
    """It stays the same object, so that a display can keep it."""
    progress = Progress(placed=3, rejected=2, in_doubt=1, in_flight=1, phase="settling", wait="held back")
    progress.begin()
    assert progress == Progress()


@pytest.mark.parametrize(
    ("after_s", "told"),
    [(5, "12:00:05"), (119, "12:01:59"), (120, "12:02"), (7500, "14:05"), (86_400, "2026-03-03 12:00")],
)
def test_a_moment_is_shown_as_clock_time(after_s: float, told: str) -> None:
    """With seconds when it is near, with its day when it is far."""
    assert clock_time(NOON + after_s, NOON) == told


@pytest.mark.parametrize("after_s", [1e18, float("inf")])
def test_a_moment_beyond_all_calendars_ends_no_run(after_s: float) -> None:
    """A penalty of any length has a text."""
    assert clock_time(NOON + after_s, NOON)
