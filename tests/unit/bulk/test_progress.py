"""`progress`: what a display may read before, during and after a run."""

from xoxo_async.bulk.progress import Progress


def test_a_run_begins_with_planning_and_nothing_done() -> None:
    """A display that looks before the first line has something to show."""
    assert Progress() == Progress(placed=0, rejected=0, in_doubt=0, in_flight=0, phase="planning")


def test_each_run_counts_for_itself() -> None:
    """Two runs in one process share nothing."""
    one, other = Progress(), Progress()
    one.placed += 1
    assert (one.placed, other.placed) == (1, 0)
