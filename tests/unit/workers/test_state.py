"""`state`: alive while the ledger answers; ready while orders can be issued; each answer has its reason."""

import pytest

from xoxo_async.workers.state import Health, WorkerState


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> WorkerState:
    """Return the state of a worker whose ledger has answered, and has one open job."""
    state = WorkerState(clock)
    state.ledger_answered()
    state.found_jobs(frozenset({"march"}))
    return state


def test_a_worker_at_work_is_alive_and_ready(state: WorkerState) -> None:
    """Its shifts are added up."""
    state.shift_ended(3)
    state.shift_ended(4)
    assert state.live() == state.ready() == Health(ok=True, reason="at work")
    assert state.issued == 7


def test_a_new_worker_is_alive_and_not_ready(clock: Clock) -> None:
    """It takes a while until the ledger has answered."""
    state = WorkerState(clock)
    assert state.live().ok
    assert state.ready() == Health(ok=False, reason="the ledger has not answered yet")


def test_a_silent_ledger_is_no_death_at_once(state: WorkerState, clock: Clock) -> None:
    """A database that restarts takes the readiness, and only a long silence the life."""
    state.ledger_failed("the database does not answer")
    clock.now += 170
    assert state.live().ok
    assert state.ready() == Health(ok=False, reason="the ledger fails: the database does not answer")
    clock.now += 20
    assert not state.live().ok
    assert "the database does not answer" in state.live().reason
    state.ledger_answered()
    assert (state.live().ok, state.ready().ok) == (True, True)


def test_without_a_token_no_order_can_be_sent(state: WorkerState) -> None:
    """The reason is the token's."""
    state.token = "the refresh token is dead"
    assert state.ready() == Health(ok=False, reason="no token: the refresh token is dead")
    assert state.live().ok


def test_a_paused_job_is_not_ready(state: WorkerState) -> None:
    """Until a person goes on."""
    state.job_is("march", "no funds")
    assert state.ready() == Health(ok=False, reason="job march is paused: no funds")
    state.job_is("march", None)
    assert state.ready().ok


def test_a_job_left_out_is_not_ready(state: WorkerState) -> None:
    """A worker that can do nothing must not look well."""
    state.job_is_left_out("march", "another account")
    assert state.ready() == Health(ok=False, reason="job march is left out: another account")


def test_a_job_that_fails_is_not_ready(state: WorkerState) -> None:
    """Until a shift of it ends well."""
    state.job_fails("march", "its lines cannot be read")
    assert state.ready() == Health(ok=False, reason="job march fails: its lines cannot be read")
    state.job_is("march", None)
    assert state.ready().ok


def test_another_open_job_is_reason_enough(state: WorkerState) -> None:
    """A worker of two jobs works on the one that is not paused."""
    state.found_jobs(frozenset({"march", "april"}))
    state.job_is("march", "no funds")
    assert state.ready().ok
    state.found_jobs(frozenset({"march"}))
    assert not state.ready().ok
    state.found_jobs(frozenset())
    assert state.ready() == Health(ok=True, reason="no job has open lines")


def test_a_stopping_worker_is_not_ready(state: WorkerState) -> None:
    """It takes no more lines, and lives until it has ended."""
    state.stopping = True
    assert state.ready() == Health(ok=False, reason="stopping")
    assert state.live().ok
