"""`integrations.tallies`: labels stay few, and the lines of all jobs are added up."""

from xoxo_async.bulk.events import RunFinished, RunStarted
from xoxo_async.integrations.tallies import JOB_STATES, JobLines, Labels, outcome_of


def test_an_outcome_is_one_of_a_few() -> None:
    """The SDK's errors keep their names, a caller's do not."""
    assert [outcome_of(name) for name in ("", "ReplyLostError", "CancelledError", "MyOwnError")] == [
        "ok",
        "ReplyLostError",
        "CancelledError",
        "other",
    ]


def test_the_fifty_first_operation_is_other() -> None:
    """Names that are known keep their label."""
    labels = Labels()
    names = [f"operation{number}" for number in range(60)]
    assert [labels.operation(name) for name in names] == names[:50] + ["other"] * 10
    assert labels.operation("operation7") == "operation7"


def test_lines_of_jobs_are_added_up() -> None:
    """The last run of each job counts: its begin, or its end."""
    lines = JobLines()
    start = {"sends": True, "not_sent": 2, "unknown": 0}
    lines.note(RunStarted(job="a", ledger="l", rows=3, issued=1, **start))
    lines.note(RunStarted(job="b", ledger="l", rows=2, **start))
    assert {state: lines.total(state) for state in JOB_STATES} == dict.fromkeys(JOB_STATES, 0) | {
        "issued": 1,
        "not_sent": 4,
    }
    ended = dict.fromkeys(JOB_STATES, 0) | {"issued": 3}
    lines.note(RunFinished(job="a", ledger="l", rows=3, placed_now=2, alarms=0, elapsed_s=1.0, **ended))
    assert (lines.total("issued"), lines.total("not_sent")) == (3, 2)
