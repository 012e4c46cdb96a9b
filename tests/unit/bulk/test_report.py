"""`report`: one exit code for every way a run can end."""

import pytest

from xoxo_async.bulk.ledger.lines import Alarm
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report, Shift

ALARM = Alarm(key="b", row=2, order_id=502, at=5.0, text="order 502 lists a voucher code that order 501 has")


def report(pause: Pause = Pause.NONE, alarms: tuple[Alarm, ...] = (), **counts: int) -> Report:
    """Return a report with some counts."""
    zero = {"issued": 0, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0}
    of_unknown = counts.pop("in_flight", 0)
    parts = zero | counts
    rows = sum(parts.values())
    return Report(
        job="j", ledger="l.db", rows=rows, charged={}, pause=pause, alarms=alarms, in_flight=of_unknown, **parts
    )


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (report(), 0),
        (report(issued=2, pending=1), 0),
        (report(issued=2, rejected=1), 3),
        (report(issued=2, rejected=1, unknown=1), 4),
        (report(issued=2, unknown=2, in_flight=2), 5),
        (report(issued=2, unknown=3, in_flight=2), 4),
        (report(issued=2, pending=1, alarms=(ALARM,)), 4),
        (report(issued=2, rejected=1, alarms=(ALARM,)), 4),
        (report(Pause.FUNDS, issued=2, not_sent=1, alarms=(ALARM,)), 5),
        (report(Pause.FUNDS, issued=2, unknown=1, not_sent=1), 5),
        (report(Pause.FUNDS, issued=2, unknown=1), 4),
        (report(Pause.UNREACHABLE, issued=2), 0),
        (report(issued=2, not_sent=1), 5),
        (report(Pause.INTERRUPTED, issued=2, not_sent=1), 130),
        (report(Pause.INTERRUPTED, issued=2), 130),
    ],
)
def test_the_exit_code_says_what_is_left(told: Report, code: int) -> None:
    """An interruption comes first, a pause with rows left next, then doubt and alarms, then refusals."""
    assert told.exit_code == code


def shift(issued: int = 0, paused: str | None = None) -> Shift:
    report = Report(job="march", ledger="l", rows=9, issued=0, pending=0, rejected=0, unknown=0, not_sent=9, charged={})
    return Shift(job="march", issued=issued, left=9, in_doubt=0, again_in_s=0.0, paused=paused, report=report)


def test_a_person_is_needed_only_without_doubt() -> None:
    """Lines in doubt are settled while a job is paused."""
    held_up = shift(paused="no funds")
    assert held_up.needs_a_person
    assert not Shift(
        **{name: getattr(held_up, name) for name in held_up.__struct_fields__} | {"in_doubt": 1}
    ).needs_a_person
    assert not shift().needs_a_person
    assert held_up.report.pause is Pause.NONE
