"""The course of a job: beats, marks, latency and runs."""

from tests.unit.bulk.reporting.jobs import BEGAN, context, overview
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.overview import Beat, PauseMark, RunNote
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.reporting.course import latency_of, runs_of, timeline_of
from xoxo_async.bulk.reporting.words import ENDS


def test_a_timeline_has_beats_allowance_and_marks() -> None:
    """Orders by when they were sent, how fast they might go, and what held them back."""
    job, notes = overview(), context().notes
    times = timeline_of(60, job.beats, notes, job.pauses, BEGAN + 3600, at_work=True)
    assert [(beat.at - BEGAN, beat.placed, beat.rejected, beat.open) for beat in times.beats] == [
        (0, 4, 1, 0),
        (120, 1, 0, 2),
    ]
    assert [(one.since, one.until, one.per_minute) for one in times.allowances] == [(BEGAN, BEGAN + 180, 120.0)]
    assert [(mark.kind, mark.since - BEGAN, mark.until and mark.until - BEGAN, mark.text) for mark in times.marks] == [
        ("penalty", 30, 50, "the vendor held orders back for 20 s"),
        ("pause", 70, 100, "the job was paused: a***@example.com said so"),
        ("stop", 180, None, "a run stopped: the account's funds are used up"),
    ]
    assert times.noted


def test_lines_given_back_are_no_orders() -> None:
    """They were never sent, or are sent anew."""
    beats = [Beat(BEGAN, LineState.PLANNED, None, 3), Beat(BEGAN, LineState.CANCELLED, None, 3)]
    times = timeline_of(60, beats, [], [], BEGAN, at_work=False)
    assert (times.beats, times.noted) == ([], False)


def test_a_pause_may_last() -> None:
    """It then has no end; another reason ends the one before."""
    marks = timeline_of(60, [], [], [PauseMark(1.0, True, "a"), PauseMark(2.0, True, "b")], 9.0, at_work=False).marks
    assert [(mark.since, mark.until, mark.text) for mark in marks] == [
        (1.0, 2.0, "the job was paused: a"),
        (2.0, None, "the job is paused: b"),
    ]


def test_latency_is_never_shorter_than_it_was() -> None:
    """A store rounds down, so each time is the end of its step; bars without orders at either end are left out."""
    latency = latency_of(
        [
            Beat(0.0, LineState.PLACED, 250, 98),
            Beat(0.0, LineState.PLACED, 4_100, 1),
            Beat(0.0, LineState.PLACED, 12_000, 1),
        ]
    )
    assert latency is not None
    assert (latency.orders, latency.half_s, latency.nearly_all_s, latency.slowest_s) == (100, 0.26, 4.2, 13.0)
    assert [(bar.above_s, bar.up_to_s, bar.orders) for bar in latency.bars if bar.orders] == [
        (0.2, 0.3, 98),
        (3.0, 5.0, 1),
        (10.0, 20.0, 1),
    ]
    assert latency.bars[0].orders
    assert latency.bars[-1].orders


def test_slow_answers_have_a_last_bar() -> None:
    """It has no upper end."""
    latency = latency_of([Beat(0.0, LineState.PLACED, 130_000, 1)])
    assert latency is not None
    assert [(bar.above_s, bar.up_to_s) for bar in latency.bars] == [(120.0, None)]


def test_latency_may_be_unknown() -> None:
    """No order was placed by its only answer."""
    assert latency_of([Beat(0.0, LineState.UNKNOWN, None, 5)]) is None


def test_the_last_run_comes_first() -> None:
    """With the sum of its penalties; one without an end is at work, or died."""
    runs = runs_of([*context().notes, RunNote("c", BEGAN + 300, BEGAN + 301, None, 1, "OSError")], at_work=True)
    assert [(run.began_at - BEGAN, run.ended_at is None, run.end, run.penalties, run.held_s) for run in runs] == [
        (300, False, "OSError", 0, 0),
        (200, True, "at work", 0, 0),
        (0, False, "the account's funds are used up", 1, 20.0),
    ]


def test_a_run_that_died_has_no_end() -> None:
    """Its allowance is drawn up to its last order, and not up to now."""
    notes = [RunNote("a", BEGAN, rate=60.0)]
    times = timeline_of(60, [Beat(BEGAN + 120, LineState.PLACED, 1, 1)], notes, [], BEGAN + 9000, at_work=False)
    assert [(one.since, one.until) for one in times.allowances] == [(BEGAN, BEGAN + 180)]
    assert [run.end for run in runs_of(notes, at_work=False)] == ["it died"]


def test_every_end_of_a_run_has_words() -> None:
    """Each reason for a pause."""
    assert set(ENDS) == {pause.value for pause in Pause}
