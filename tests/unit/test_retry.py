"""`retry`: what follows a failed attempt."""

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
    """No error after which something may have happened repeats an operation that moves money."""
    policy = RetryPolicy(attempts=99)
    assert policy.wait_after(error, effect, 1, policy.waits()) is None


@pytest.mark.parametrize("effect", list(EffectClass))
@pytest.mark.parametrize("error", PROOF, ids=lambda e: type(e).__name__)
def test_proof_that_nothing_happened_allows_another_attempt(error: errors.XoxoError, effect: EffectClass) -> None:
    """Unreached and rate limited calls go again, whatever they do."""
    policy = RetryPolicy(attempts=2)
    assert policy.wait_after(error, effect, 1, policy.waits()) is not None
    assert policy.wait_after(error, effect, 2, policy.waits()) is None


def test_reads_repeat_after_transport_and_server_failures_only() -> None:
    """A read goes again where another try may help, not where the answer is a clear no."""
    policy = RetryPolicy()
    again = [type(e) for e in DOUBT if policy.wait_after(e, EffectClass.READ, 1, policy.waits()) is not None]
    assert again == [errors.ReplyTimeoutError, errors.ReplyLostError, errors.ServerError]


def test_waits_grow_within_their_bounds() -> None:
    """Full jitter: each wait lies between zero and the doubled bound, capped."""
    policy = RetryPolicy(base_s=1, max_s=4)
    for _ in range(50):
        waits = list(itertools.islice(policy.waits(), 5))
        assert all(0 <= wait <= bound for wait, bound in zip(waits, [1, 2, 4, 4, 4], strict=True))


def test_a_penalty_is_a_floor() -> None:
    """The vendor's penalty is never undercut."""
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
    """A policy that cannot work is a ConfigError when made."""
    with pytest.raises(errors.ConfigError):
        RetryPolicy(**settings)  # type: ignore[arg-type]
