"""`auth.troubles`: refused tokens and failed token requests make all clients of an account wait."""

import pytest

from xoxo_async import errors
from xoxo_async.auth.troubles import Troubles

WALL = 1_700_000_000.0


def refuse(troubles: Troubles, now: float, *, worked: bool = False, received_at: float | None = None) -> None:
    troubles.refused(worked=worked, received_at=now if received_at is None else received_at, now=now, wall=WALL + now)


def left(troubles: Troubles, now: float) -> float:
    """Return for how long no token is requested, to an eighth of a second."""
    at = now
    while troubles.refusal(at, WALL) is not None:
        at += 0.125
    return at - now


def test_each_refusal_in_a_row_doubles_the_wait() -> None:
    """The first refusal causes no wait; the next ones wait 1, 2, 4 seconds and so on, up to five minutes."""
    troubles, now, waits = Troubles(), 0.0, []
    for _ in range(12):
        refuse(troubles, now)
        waits.append(left(troubles, now))
        now += waits[-1]
    assert waits == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_revoked_token_starts_no_row() -> None:
    """A token that had worked before its refusal causes no wait, however often that happens."""
    troubles = Troubles()
    for now in range(10):
        refuse(troubles, now, worked=True)
        assert troubles.refusal(now, WALL) is None
    refuse(troubles, 10)
    assert troubles.refusal(10, WALL) is None


def test_a_row_of_refusals_ends() -> None:
    """A token that works ends the row, and so does a week."""
    for end in ("worked", "time"):
        troubles, now = Troubles(), 0.0
        for _ in range(6):
            refuse(troubles, now)
            now += left(troubles, now)
        if end == "worked":
            refuse(troubles, now, worked=True)
        else:
            now += 601
        refuse(troubles, now)
        assert troubles.refusal(now, WALL) is None, end


def test_a_shared_refused_token_counts_once() -> None:
    """Several clients see the refusal of one token, and the wait is that of one refusal."""
    troubles = Troubles()
    for received_at in (0, 1, 2, 3):
        refuse(troubles, 5, received_at=received_at)
    assert troubles.refusal(5, WALL) is None
    for received_at in (6, 7, 8):
        refuse(troubles, 9, received_at=received_at)
    assert left(troubles, 9) == 1


def test_the_error_names_count_and_times() -> None:
    """The retryable error has the number of refusals, and when they began and end, in UTC."""
    troubles = Troubles()
    for now in (0, 0, 1):
        refuse(troubles, now)
    error = troubles.refusal(1.5, WALL + 1.5)
    assert isinstance(error, errors.TokenRejectedError)
    assert (error.effect, error.retryable) == ("none", True)
    assert str(error) == (
        "the vendor refuses its own new tokens: 3 in a row since 2023-11-14 22:13:20 UTC; the next one is requested at "
        "2023-11-14 22:13:23 UTC, in 2 s"
    )
    assert "an unknown time" in str(troubles.refusal(1.5, 1e30))


def test_a_failed_request_holds_for_all_clients() -> None:
    """Until the next request each client gets a copy of the error, and the copy is of no other call."""
    troubles, failure = Troubles(), errors.AuthError("down")
    troubles.failed(failure, 5.0)
    failure.located(operation="placeOrder", attempts=1, po_number="PO-OF-ANOTHER").call_id = "a-1"
    first, second = troubles.failure(1.0), troubles.failure(4.9)
    assert (str(first), str(second)) == ("down", "down")
    assert len({id(first), id(second), id(failure)}) == 3
    assert first is not None
    assert (first.po_number, first.operation, first.call_id, first.attempts) == (None, "", "", 0)
    assert troubles.failure(5.0) is None
    assert not troubles.given_up


def test_giving_up_again_and_again_waits_longer() -> None:
    """The wait grows up to half a minute, and a token ends it."""
    troubles = Troubles()
    waits = [troubles.given_up_on(errors.AuthError("down"), 0.0) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    troubles.succeeded()
    assert troubles.failure(0.0) is None
    assert troubles.given_up_on(errors.AuthError("down"), 0.0) == 1


@pytest.mark.parametrize("trouble", ["refusals", "failure"])
def test_troubles_are_kept_for_ten_minutes(trouble: str) -> None:
    """The record is kept for ten minutes after the last wait, and not at all without one."""
    troubles = Troubles()
    assert troubles.runs_out_at() == float("-inf")
    if trouble == "refusals":
        for now in (0.0, 0.0):
            refuse(troubles, now)
    else:
        troubles.given_up_on(errors.AuthError("down"), 0.0)
    assert troubles.runs_out_at() == 601
