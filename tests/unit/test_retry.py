"""`retry`: when a failed attempt is made again."""

import itertools

import pytest

from xoxo_async import RetryPolicy, errors
from xoxo_async.operation import EffectClass

PROOF = [errors.ConnectError("x"), errors.RateLimitedError("x", retry_after_s=5.0)]
DOUBT = [
    errors.ReplyTimeoutError("x"),
    errors.ReplyLostError("x"),
    errors.ServerError("x"),
    errors.DecodeError("x"),
    errors.DuplicatePoNumberError("x"),
    errors.OutOfStockError("x", effect="possible"),
    errors.RefusedError("x"),
]


@pytest.mark.parametrize("effect", [EffectClass.KEYED, EffectClass.UNKEYED])
@pytest.mark.parametrize("error", DOUBT, ids=lambda e: type(e).__name__)
def test_money_is_never_sent_again_in_doubt(error: errors.XoxoError, effect: EffectClass) -> None:
    """No error whose effect is possible repeats an operation that moves money."""
    policy = RetryPolicy(attempts=99)
    assert policy.wait_after(error, effect, 1, policy.waits()) is None


@pytest.mark.parametrize("effect", list(EffectClass))
@pytest.mark.parametrize("error", PROOF, ids=lambda e: type(e).__name__)
def test_proof_of_nothing_allows_another_attempt(error: errors.XoxoError, effect: EffectClass) -> None:
    """A call that reached no server, or was rate limited, is repeated whatever its effect class."""
    policy = RetryPolicy(attempts=2)
    assert policy.wait_after(error, effect, 1, policy.waits()) is not None
    assert policy.wait_after(error, effect, 2, policy.waits()) is None


def test_reads_repeat_only_after_failures() -> None:
    """A read is repeated after a failure that may pass, and not after a refusal."""
    policy = RetryPolicy()
    again = [type(e) for e in DOUBT if policy.wait_after(e, EffectClass.READ, 1, policy.waits()) is not None]
    assert again == [errors.ReplyTimeoutError, errors.ReplyLostError, errors.ServerError]


@pytest.mark.parametrize("effect", list(EffectClass))
def test_the_policy_never_renews_a_token(effect: EffectClass) -> None:
    """Each repeat after a refused token would cost a token request."""
    policy = RetryPolicy(attempts=99)
    error = errors.TokenRejectedError("x", retryable=True)
    assert policy.wait_after(error, effect, 1, policy.waits()) is None


def test_waits_grow_within_their_bounds() -> None:
    """With full jitter each wait lies between zero and a bound that doubles up to `max_s`."""
    policy = RetryPolicy(base_s=1, max_s=4)
    for _ in range(50):
        waits = list(itertools.islice(policy.waits(), 5))
        assert all(0 <= wait <= bound for wait, bound in zip(waits, [1, 2, 4, 4, 4], strict=True))


def test_a_penalty_is_a_floor() -> None:
    """The wait is never shorter than the vendor's penalty."""
    policy = RetryPolicy()
    wait = policy.wait_after(PROOF[1], EffectClass.READ, 1, policy.waits())
    assert wait is not None
    assert wait >= 5.0


@pytest.mark.parametrize("settings", [
        {"attempts": 0}, {"attempts": 1.5}, {"attempts": True}, {"base_s": -1}, {"base_s": 9, "max_s": 1},
        {"base_s": float("nan")}, {"base_s": "1"}, {"max_s": float("inf")}, {"max_s": True}, {"max_s": None},
    ],
)  # fmt: skip
def test_senseless_settings_are_refused(settings: dict[str, object]) -> None:
    """A policy that cannot work raises `ConfigError` when it is made."""
    with pytest.raises(errors.ConfigError):
        RetryPolicy(**settings)  # type: ignore[arg-type]
