"""`verdicts`: what a worker does with a message, for every way in which its call can end."""

import pytest

from xoxo_async import Verdict, errors, verdict_of
from xoxo_async.consequences import Proof, proof_of
from xoxo_async.errors import ERROR_IDS, OrderMayExist, XoxoError
from xoxo_async.verdicts import MAX_ATTEMPTS


def refused(error_id: str) -> errors.ApiError:
    """Return the error of one of the vendor's error ids, as a call raises it."""
    row = ERROR_IDS[error_id]
    effect: errors.Effect = "none" if row.order is OrderMayExist.NO else "possible"
    return row.error("the vendor's words", effect=effect, error_id=error_id, status=400)


PERSON = {
    "a wrong argument": errors.ArgumentError("denomination must be a number above 0"),
    "a bad plan": errors.PlanError("bad"),
    "a key with other contents": errors.LedgerConflictError("k1 is in this ledger with other contents"),
    "a poNumber of another order": errors.DuplicatePoNumberError("the poNumber belongs to order 7, and ..."),
    "a certain refusal": refused("PLE10018"),
    "a refused payload": errors.BadRequestError("no", error_id="PLE10001", effect="none", status=400),
}
PAUSES = {
    "wrong settings": errors.ConfigError("this client is closed"),
    "refused credentials": errors.CredentialsRejectedError("no"),
    "a dead refresh token": errors.RefreshTokenDeadError("spent"),
    "no funds": refused("PLE10010"),
    "a used-up budget": errors.BudgetError("over"),
    "a failing ledger": errors.LedgerError("the disk is full"),
    "a held ledger": errors.LedgerLockedError("held", holder_pid=7),
}
UNPROCESSED = {
    "not reached": errors.ConnectError("refused"),
    "a rate limit": errors.RateLimitedError("slow down", retry_after_s=42.0),
    "a penalty without a length": errors.RateLimitedError("slow down"),
    "a token that is new": errors.TokenRejectedError("no", retryable=True),
    "a look-up that the server failed": errors.ServerError("down", status=503, effect="none"),
    "a look-up without an answer": errors.ReplyLostError("reset", effect="none"),
}
DOUBT = {
    "a lost answer": errors.OutcomeUnknownError("lost"),
    "a broken connection": errors.ReplyLostError("reset"),
    "a failing server": errors.ServerError("boom", status=500),
    "an unknown shape": errors.DecodeError("what"),
    "sold out": refused("PLE10024"),
    "a poNumber that is used": refused("PLE10004"),
    "a busy line": errors.LineBusyError("another worker sends it", retry_after_s=12.0),
}

ERRORS = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, XoxoError)]


@pytest.mark.parametrize("what", PERSON)
@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS, 100])
def test_a_wrong_message_goes_to_a_person(what: str, attempts: int) -> None:
    """Delivering it again never helps, and the queue behind it goes on."""
    verdict = verdict_of(PERSON[what], attempts=attempts)
    assert (verdict.action, verdict.after_s, verdict.pause) == ("person", 0.0, False)
    assert PERSON[what].message in verdict.why


@pytest.mark.parametrize("what", PAUSES)
@pytest.mark.parametrize("attempts", [1, 100])
def test_what_stops_everybody_pauses(what: str, attempts: int) -> None:
    """No message goes to the dead letters because the account is empty: it comes again, and the worker pauses."""
    verdict = verdict_of(PAUSES[what], attempts=attempts)
    assert (verdict.action, verdict.pause) == ("again", True)
    assert verdict.after_s >= 60


@pytest.mark.parametrize("what", UNPROCESSED)
@pytest.mark.parametrize("attempts", [1, 100, 10_000])
def test_what_was_not_processed_comes_again(what: str, attempts: int) -> None:
    """However often: an outage of a day is no fault of the message."""
    verdict = verdict_of(UNPROCESSED[what], attempts=attempts)
    assert (verdict.action, verdict.pause) == ("again", False)
    assert 0 < verdict.after_s <= 900


def test_waits_follow_the_vendor_and_grow() -> None:
    """A penalty says how long it lasts; a server that is not reached is tried less and less often."""
    assert verdict_of(UNPROCESSED["a rate limit"]).after_s == 42
    assert verdict_of(UNPROCESSED["a penalty without a length"]).after_s == 60
    waits = [verdict_of(UNPROCESSED["not reached"], attempts=attempts).after_s for attempts in (0, 1, 2, 3, 9)]
    assert waits == [15, 15, 30, 60, 900]


@pytest.mark.parametrize("what", [name for name in DOUBT if name != "a busy line"])
def test_doubt_comes_again_after_it_can_be_settled(what: str) -> None:
    """The vendor may take 120 s to place an order, so an earlier look-up proves nothing."""
    verdict = verdict_of(DOUBT[what], attempts=MAX_ATTEMPTS - 1)
    assert (verdict.action, verdict.after_s, verdict.pause) == ("again", 150.0, False)


@pytest.mark.parametrize("what", [name for name in DOUBT if name != "a busy line"])
def test_lasting_doubt_goes_to_a_person(what: str) -> None:
    """A product that is sold out is not delivered for ever."""
    verdict = verdict_of(DOUBT[what], attempts=MAX_ATTEMPTS)
    assert verdict.action == "person"
    assert f"in doubt after {MAX_ATTEMPTS} deliveries" in verdict.why
    assert verdict_of(DOUBT[what], attempts=MAX_ATTEMPTS, most=MAX_ATTEMPTS + 1).action == "again"
    assert verdict_of(DOUBT[what], attempts=1, most=1).action == "person"


def test_a_busy_line_comes_again_when_it_says() -> None:
    """The ledger counts its sends, so its deliveries are not counted here."""
    busy = verdict_of(DOUBT["a busy line"], attempts=1000)
    assert (busy.action, busy.after_s) == ("again", 12.0)


def test_a_doubtful_penalty_waits_for_both() -> None:
    """A 429 with an unlisted id may hide an order, and the penalty holds all the same."""
    error = errors.RateLimitedError("slow", retry_after_s=600.0)
    error.effect = "possible"
    assert verdict_of(error).after_s == 600
    error.retry_after_s = 1.0
    assert verdict_of(error).after_s == 150


@pytest.mark.parametrize("error_id", ERROR_IDS)
def test_no_order_is_dropped_while_it_may_exist(error_id: str) -> None:
    """For each of the vendor's ids: a first answer goes to a person only where it proves that no order exists."""
    error = refused(error_id)
    verdict = verdict_of(error)
    assert (verdict.action == "person") == (proof_of(error) is Proof.NO_ORDER)
    assert verdict.action != "done"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_verdict(error: type[XoxoError]) -> None:
    """No error of the SDK is unknown to it, and none is ever done."""
    for effect in ("none", "possible"):
        for retryable in (False, True):
            one = error("words")
            one.effect, one.retryable = effect, retryable  # type: ignore[assignment]
            verdict = verdict_of(one)
            assert verdict.action in {"again", "person"}
            assert (verdict.after_s > 0) == (verdict.action == "again")
            assert "words" in verdict.why


def test_a_result_has_its_own_verdict() -> None:
    """What a ledger says of a line is not judged twice."""

    class Result:
        verdict = Verdict.again(5.0, "codes are still to come")

    assert verdict_of(Result()) is Result.verdict
    assert Verdict.done() == Verdict("done")
    assert Verdict.person("x").why == "x"
