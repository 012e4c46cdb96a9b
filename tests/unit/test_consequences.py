"""`consequences`: what follows an error."""

import inspect

import pytest

from xoxo_async import errors
from xoxo_async.consequences import (
    EffectClass,
    NextOrders,
    Proof,
    as_outcome,
    is_answer,
    may_repeat,
    means_an_order,
    needs_a_person,
    next_orders,
    proof_of,
    renews_the_token,
)
from xoxo_async.verdicts import verdict_of

CLASSES = [
    kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.XoxoError)
]  # fmt: skip


@pytest.mark.parametrize("effect", [EffectClass.KEYED, EffectClass.UNKEYED])
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_doubt_never_repeats_what_moves_money(kind: type[errors.XoxoError], effect: EffectClass) -> None:
    """`may_repeat` is False for a call that moves money after every error whose effect is possible."""
    error = kind("x")
    error.effect, error.retryable = "possible", True
    assert not may_repeat(error, effect)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_doubt_never_proves_that_no_order_exists(kind: type[errors.XoxoError]) -> None:
    """`proof_of` reads an error whose effect is possible neither as a refusal nor as not processed."""
    for retryable in (True, False):
        for error_id in ("", "PLE10001", "PLE10025"):
            error = kind("x")
            error.effect, error.retryable, error.error_id = "possible", retryable, error_id
            assert proof_of(error) in {Proof.UNCLEAR, Proof.LOST}


def test_only_its_own_rule_renews_a_token() -> None:
    """The policy does not repeat a refused token; `renews_the_token` says whether a new one may help."""
    error = errors.TokenRejectedError("x", retryable=True)
    assert (may_repeat(error, EffectClass.READ), renews_the_token(error)) == (False, True)
    assert not renews_the_token(errors.TokenRejectedError("x"))
    assert not renews_the_token(errors.ConnectError("x"))


@pytest.mark.parametrize(("error", "proof"), [
        (errors.ConnectError("x"), Proof.NOT_PROCESSED),
        (errors.AuthError("x", retryable=True), Proof.NOT_PROCESSED),
        (errors.RateLimitedError("x"), Proof.NOT_PROCESSED),
        (errors.DenominationError("x", error_id="PLE10018"), Proof.NO_ORDER),
        (errors.DuplicatePoNumberError("x", error_id="PLE10004"), Proof.UNCLEAR),
        (errors.BadRequestError("x", effect="possible"), Proof.UNCLEAR),
        (errors.RefusedError("x", error_id="PLE10036"), Proof.LOST),
        (errors.ServerError("x"), Proof.LOST),
        (errors.InsufficientFundsError("x", effect="possible"), Proof.LOST),
        (errors.ReplyTimeoutError("x"), Proof.LOST),
        (errors.DecodeError("x"), Proof.LOST),
        (errors.AuthError("x", effect="possible"), Proof.LOST),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, errors.XoxoError) else value.name,
)  # fmt: skip
def test_an_error_proves_what_it_can(error: errors.XoxoError, proof: Proof) -> None:
    """Only an answer that certainly means no order proves absence; every other error is doubt or was not processed."""
    assert proof_of(error) is proof


@pytest.mark.parametrize(("error", "following"), [
        (errors.InsufficientFundsError("x"), NextOrders.NO_FUNDS),
        (errors.ConfigError("x"), NextOrders.NEED_A_PERSON),
        (errors.CredentialsRejectedError("x"), NextOrders.NEED_A_PERSON),
        (errors.AuthError("x", retryable=True), NextOrders.NO_ANSWER),
        (errors.ConnectError("x"), NextOrders.NO_ANSWER),
        (errors.ReplyTimeoutError("x"), NextOrders.NO_ANSWER),
        (errors.ServerError("x"), NextOrders.SERVER_FAILS),
        (errors.DecodeError("x"), NextOrders.SERVER_FAILS),
        (errors.RateLimitedError("x"), NextOrders.TOO_FAST),
        (errors.DenominationError("x"), NextOrders.UNAFFECTED),
        (errors.OutOfStockError("x", effect="possible"), NextOrders.UNAFFECTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, errors.XoxoError) else value.name,
)  # fmt: skip
def test_next_orders_follow_from_one_error(error: errors.XoxoError, following: NextOrders) -> None:
    """An error of the account or the server concerns all orders; a refusal with a reason concerns one."""
    assert next_orders(error) is following
    assert needs_a_person(error) is (following is NextOrders.NEED_A_PERSON)


@pytest.mark.parametrize("effect", [EffectClass.KEYED, EffectClass.UNKEYED])
def test_silence_after_money_is_outcome_unknown(effect: EffectClass) -> None:
    """Without an answer, a call that moves money raises `OutcomeUnknownError` with what is needed to settle it."""
    error = errors.ReplyLostError("x", operation="placeOrder", attempts=2, po_number="P1", status=502)
    outcome = as_outcome(error, effect)
    assert isinstance(outcome, errors.OutcomeUnknownError)
    assert (outcome.effect, outcome.operation, outcome.attempts) == ("possible", "placeOrder", 2)
    assert (outcome.po_number, outcome.status) == ("P1", 502)


def test_an_answer_stays_what_it_is() -> None:
    """An answer with an error id, and an error whose effect is none, are raised as they are."""
    kept = [errors.ServerError("x", error_id="PLE10025"), errors.ConnectError("x"), errors.ConfigError("x")]
    assert [as_outcome(error, EffectClass.KEYED) for error in kept] == kept


def test_a_refusal_in_words_stands_without_key() -> None:
    """`as_outcome` believes a refusal in words for points and links; an order can be looked up instead."""
    error = errors.RefusedError("x")
    error.in_words = True
    assert as_outcome(error, EffectClass.UNKEYED) is error
    assert isinstance(as_outcome(error, EffectClass.KEYED), errors.OutcomeUnknownError)


def test_a_failed_read_changed_nothing() -> None:
    """The effect of a failed read is always `none`."""
    error = errors.ReplyLostError("x")
    assert as_outcome(error, EffectClass.READ) is error
    assert error.effect == "none"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_failed_read_says_as_a_queue_does(kind: type[errors.XoxoError]) -> None:
    """`retryable` and `verdict_of` give one answer, but where a person has to act first."""
    error = kind("x")
    first = error.retryable
    as_outcome(error, EffectClass.READ)
    assert error.retryable == (first or isinstance(error, errors.ServerError | errors.TransportError))
    if error.retryable and not needs_a_person(error):
        assert verdict_of(error).action == "again"


def test_ids_that_mean_an_order_are_known() -> None:
    """An error id means an order where the table says so, and where no table has it."""
    assert means_an_order(errors.RefusedError("x", error_id="PLE10036"))
    assert means_an_order(errors.RefusedError("x", error_id="PLE19999"))
    assert not means_an_order(errors.ServerError("x", error_id="PLE10025"))
    assert is_answer(errors.ServerError("x"))
    assert not is_answer(errors.ReplyLostError("x"))
