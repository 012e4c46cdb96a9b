"""`one_run`: one run at a time, and a stop that is not lost."""

import pytest

from xoxo_async.bulk.one_run import OneRun, check_keys
from xoxo_async.errors import ConfigError


class Session:
    """Notes why it was stopped."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def stop(self, reason: str) -> None:
        self.reasons.append(reason)


def test_two_runs_at_once_are_refused() -> None:
    """After the first one, the next may begin."""
    run = OneRun()
    with run.alone(), pytest.raises(ConfigError, match="already running"), run.alone():
        pass
    with run.alone():
        pass


def test_a_stop_before_a_run_stops_it() -> None:
    """Once, and for the first reason; the run after it works."""
    run, first, second = OneRun(), Session(), Session()
    run.stop("early")
    run.stop("later")
    with run.alone():
        assert run.begin(first).reasons == ["early"]
    run.stop("too late")
    with run.alone():
        assert run.begin(second).reasons == []
        run.stop("now")
    assert (first.reasons, second.reasons, run.stop_wanted) == (["early"], ["now"], None)


def test_a_stop_before_the_session_is_kept() -> None:
    """A run reads and plans before its session begins."""
    run, session = OneRun(), Session()
    with run.alone():
        run.stop("while it plans")
        assert run.begin(session).reasons == ["while it plans"]


def test_one_text_is_no_list_of_keys() -> None:
    """Its letters would be the keys."""
    check_keys(["ab"])
    check_keys(None)
    with pytest.raises(ConfigError, match="'ab' would mean its letters"):
        check_keys("ab")
