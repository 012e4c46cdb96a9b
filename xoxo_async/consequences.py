"""Decide what follows an error, for the dispatcher, the retry policy, the order service and the bulk runs.

Every error has `effect` (may the call have taken effect?) and `retryable` (may it be made again?). The functions below
read these first. They look at a class only where two errors with equal answers differ in what they say about the
vendor. All of them are pure.
"""

from enum import Enum
from typing import Final

from xoxo_async.effects import EffectClass
from xoxo_async.errors import (
    ERROR_IDS,
    ApiError,
    AuthError,
    ConfigError,
    DecodeError,
    DuplicatePoNumberError,
    InsufficientFundsError,
    OrderMayExist,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ServerError,
    TokenRejectedError,
    TransportError,
    XoxoError,
)

__all__ = [
    "NextOrders",
    "Proof",
    "as_outcome",
    "in_our_words",
    "in_short",
    "is_answer",
    "known_error_id",
    "may_repeat",
    "means_an_order",
    "needs_a_person",
    "next_orders",
    "proof_of",
    "renews_the_token",
]


# Whether the same call may be made again.


def may_repeat(error: XoxoError, effect: EffectClass) -> bool:
    """Return whether the retry policy may make the same call again.

    A call that moves money is repeated only after proof that nothing was processed. A read changes nothing, so it is
    repeated after every failure that may pass.

    Args:
        error: What ended the attempt.
        effect: What the operation may change.
    """
    if isinstance(error, TokenRejectedError):
        # Each repeat renews the token. The vendor invalidates the tokens of an account that renews too often.
        return False
    if error.effect == "none" and error.retryable:
        return True
    return effect is EffectClass.READ and isinstance(error, ServerError | TransportError)


def renews_the_token(error: XoxoError) -> bool:
    """Return whether one more attempt with a new token may succeed. A call that fails so was not processed.

    Args:
        error: What ended the attempt.
    """
    return error.retryable and isinstance(error, TokenRejectedError)


def as_outcome(error: XoxoError, effect: EffectClass) -> XoxoError:
    """Return the error that a call raises after its last attempt.

    An answer of the vendor's stays as it is, since its class says more than `OutcomeUnknownError` does. Where no
    answer says what happened to an operation that moves money, the call raises `OutcomeUnknownError`.

    Args:
        error: The last attempt's error. For a read, its `effect` becomes `none`, and it is `retryable` where a repeat
            may succeed: no answer, or a failure of the server.
        effect: What the operation may change.
    """
    if effect is EffectClass.READ:
        error.effect = "none"
        error.retryable = error.retryable or may_repeat(error, effect)
        return error
    no_answer = isinstance(error, TransportError | DecodeError) or (isinstance(error, ApiError) and not error.error_id)
    if effect is EffectClass.UNKEYED and isinstance(error, RefusedError) and error.in_words:
        # Points and links cannot be looked up, so the vendor's own "no" is the best evidence there is. An order with
        # this answer stays in doubt, because a look-up by its poNumber gives proof.
        return error
    if error.effect == "none" or not no_answer:
        return error
    outcome = OutcomeUnknownError(
        f"it is unknown whether the call took effect: {error.message}",
        operation=error.operation,
        attempts=error.attempts,
        po_number=error.po_number,
        status=error.status,
    )
    outcome.raw = error.raw
    return outcome


# What is known about the order that was sent.


class Proof(Enum):
    """What an error proves about the order that was sent."""

    NOT_PROCESSED = "not processed"
    """Nothing was processed, and the order itself was not refused: it may be sent again."""
    NO_ORDER = "no order"
    """The vendor refused the order, and no order exists."""
    UNCLEAR = "unclear"
    """The vendor refused, and the refusal may mean that an order with this poNumber exists."""
    LOST = "lost"
    """No answer says what happened to the order."""


def proof_of(error: XoxoError) -> Proof:
    """Return what an error proves about the order that was sent. In every doubtful case it is `LOST` or `UNCLEAR`.

    Args:
        error: What the order's one attempt raised.
    """
    if error.effect == "none":
        # A rate limit is a refusal as well, but not of this order: it may be sent again.
        return Proof.NO_ORDER if is_answer(error) and not error.retryable else Proof.NOT_PROCESSED
    if not is_answer(error) or isinstance(error, ServerError | InsufficientFundsError):
        return Proof.LOST
    if isinstance(error, DuplicatePoNumberError) or not error.error_id:
        return Proof.UNCLEAR
    return Proof.LOST


def is_answer(error: XoxoError) -> bool:
    """Return whether the vendor answered with this error; then the vendor has finished the call.

    Args:
        error: The call's error.
    """
    return isinstance(error, ApiError)


def means_an_order(error: XoxoError) -> bool:
    """Return whether an answer means that the order exists, although look-ups do not show it yet.

    Args:
        error: The answer. An error id that `ERROR_IDS` does not list counts as yes.
    """
    known = ERROR_IDS.get(error.error_id)
    return known is None or known.order is OrderMayExist.YES


# What the error means for the next orders.


class NextOrders(Enum):
    """What one order's error means for the orders after it."""

    NO_FUNDS = "no funds"
    """The vendor would refuse them too, because the balance is too low."""
    NEED_A_PERSON = "need a person"
    """The vendor would refuse them too, until a person corrects the settings or the credentials."""
    TOO_FAST = "too fast"
    """The calls exceed the vendor's rate limit, so fewer orders should be in flight."""
    SERVER_FAILS = "server fails"
    """The server answers with its own failures."""
    NO_ANSWER = "no answer"
    """The server, or its token endpoint, gives no usable answer."""
    UNAFFECTED = "unaffected"
    """The server works, and refused this one order for a reason."""


_FAILS: Final = (ServerError, DecodeError)
_NO_ANSWER: Final = (TransportError, AuthError)


def next_orders(error: XoxoError) -> NextOrders:
    """Return what one order's error means for the orders after it.

    Args:
        error: What its one attempt raised.
    """
    if isinstance(error, InsufficientFundsError):
        return NextOrders.NO_FUNDS
    if needs_a_person(error):
        return NextOrders.NEED_A_PERSON
    if isinstance(error, RateLimitedError):
        return NextOrders.TOO_FAST
    if isinstance(error, _FAILS):
        return NextOrders.SERVER_FAILS
    return NextOrders.NO_ANSWER if isinstance(error, _NO_ANSWER) else NextOrders.UNAFFECTED


def needs_a_person(error: XoxoError) -> bool:
    """Return whether every further call fails until a person corrects the settings or the credentials.

    Args:
        error: The call's error.
    """
    return isinstance(error, ConfigError) or (isinstance(error, AuthError) and not error.retryable)


# What is said of an error where the vendor's words must not be repeated: they may hold a code or an e-mail address.


def known_error_id(error_id: str) -> str:
    """Return an error id if `ERROR_IDS` lists it; `unlisted` for any other text that came in its place.

    Args:
        error_id: The error id of an answer; empty without one.
    """
    return error_id if not error_id or error_id in ERROR_IDS else "unlisted"


def in_short(error: XoxoError) -> str:
    """Return what kind of error it is, with its status and error id, and without its message.

    Args:
        error: Any error. Of an unknown outcome, what caused it says more.
    """
    if isinstance(error, OutcomeUnknownError) and isinstance(error.__cause__, XoxoError):
        error = error.__cause__
    status = f"HTTP {error.status}" if error.status is not None else ""
    return ", ".join(text for text in (type(error).__name__, status, known_error_id(error.error_id)) if text)


def in_our_words(error: XoxoError) -> str:
    """Return what a log says of an error: its message where no answer came, and otherwise its kind and its call.

    Args:
        error: Any error.
    """
    cause = error.__cause__  # of an unknown outcome: it may be a look-up's answer, whose words the message repeats
    links = (error, cause) if isinstance(cause, XoxoError) else (error,)
    if all(link.status is None and not link.error_id for link in links):
        return f"{type(error).__name__}: {error}"  # the message is the SDK's own
    named = f"poNumber {error.po_number}" if error.po_number else ""
    return ", ".join(fact for fact in (in_short(error), error.operation, named) if fact)
