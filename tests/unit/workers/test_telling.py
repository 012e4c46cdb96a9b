"""`telling`: a trouble is told once until it changes, and its end is told once."""

import pytest

from xoxo_async import errors
from xoxo_async.workers.state import WorkerState
from xoxo_async.workers.telling import Telling


class Said:
    """A worker's state, what it tells, and what it has told."""

    def __init__(self) -> None:
        self.state = WorkerState()
        self.troubles: list[str] = []
        self.notes: list[str] = []
        self.telling = Telling(self.state, self.troubles.append, self.notes.append)


@pytest.fixture
def said() -> Said:
    said = Said()
    said.telling.ledger_answered()
    return said


def test_a_trouble_is_told_until_it_changes(said: Said) -> None:
    """A round that goes well makes the same trouble a new one."""
    for message in ("no route", "no route", "no room"):
        assert said.telling.outlives(errors.ServerError(message))
    said.telling.works()
    assert said.telling.outlives(errors.ServerError("no room"))
    assert said.troubles == ["no route", "no room", "no room"]


def test_a_ledger_that_answers_again_is_told(said: Said) -> None:
    """Once, and the health check follows."""
    said.telling.ledger_failed("it is away")
    said.telling.ledger_failed("it is away")
    assert said.state.ready().reason == "the ledger fails: it is away"
    said.telling.ledger_answered()
    said.telling.ledger_answered()
    assert said.troubles == ["the ledger fails: it is away; the worker waits for it"]
    assert said.notes == ["the ledger answers again"]
    assert said.state.ready().ok


def test_wrong_settings_end_a_worker(said: Said) -> None:
    """Nothing is told: the error itself is."""
    assert not said.telling.outlives(errors.ConfigError("another account"))
    new = Said()
    assert not new.telling.outlives(errors.LedgerError("away"))
    assert said.troubles == new.troubles == []


def test_a_token_that_is_missing_is_told_once(said: Said) -> None:
    """And that there is one again."""
    for wrong in ("not you", "not you", "", ""):
        said.telling.token_is(wrong, every_s=15)
    assert said.troubles == ["no token: not you; asked for again every 15 s"]
    assert said.notes == ["there is a token again"]
    assert said.state.token == ""
