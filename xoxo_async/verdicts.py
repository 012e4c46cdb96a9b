"""Decide what a worker does with a message, once its call has ended: it is done, comes again, or goes to a person.

The same verdict holds for `orders.place` and for a line of a ledger, so a queue needs no table of its own.
"""

from typing import Final, Literal, Protocol, Self

import msgspec

from xoxo_async.consequences import NextOrders, may_repeat, needs_a_person, next_orders
from xoxo_async.effects import EffectClass
from xoxo_async.errors import (
    ArgumentError,
    BudgetError,
    DuplicatePoNumberError,
    LedgerConflictError,
    LedgerError,
    LineBusyError,
    PlanError,
    RateLimitedError,
    XoxoError,
)

__all__ = ["MAX_ATTEMPTS", "Judged", "Verdict", "verdict_of"]

MAX_ATTEMPTS: Final = 5
"""After this many deliveries an order that is still in doubt goes to a person. Another one is not likely to settle it:
the vendor may refuse a product that is sold out in words that leave open whether the order exists, for ever."""

_SETTLE_S: Final = 150.0
"""Seconds before an order in doubt is asked for again: the vendor may take 120 s to place one."""

_PENALTY_S: Final = 60.0
"""Seconds of a rate limit's penalty, where the answer names none (wire documentation § 5)."""
_PAUSE_S: Final = 60.0
"""Seconds before a message is tried again that fails until a person has acted."""
_FIRST_S: Final = 15.0
_LONGEST_S: Final = 900.0


class Verdict(msgspec.Struct, frozen=True):
    """What to do with a message.

    Attributes:
        action: `done`: acknowledge it. `again`: have it delivered again in `after_s` seconds. `person`: put it aside
            for a person (a dead letter), with `why`; delivering it again never helps.
        after_s: Seconds until the next delivery; 0 unless `action` is `again`.
        why: What happened, in one line; empty where all is well. It names no voucher code and no token.
        pause: Whether every other message ends in the same way now: funds, credentials, settings or the ledger are the
            cause. Then take no more messages for `after_s` seconds, and tell a person.
    """

    action: Literal["done", "again", "person"]
    after_s: float = 0.0
    why: str = ""
    pause: bool = False

    @classmethod
    def done(cls) -> Self:
        """Return the verdict for a message that needs nothing more."""
        return cls("done")

    @classmethod
    def again(cls, after_s: float, why: str = "", *, pause: bool = False) -> Self:
        """Return the verdict for a message that comes again.

        Args:
            after_s: Seconds until then.
            why: What happened.
            pause: Whether every other message ends in the same way.
        """
        return cls("again", after_s, why, pause)

    @classmethod
    def person(cls, why: str) -> Self:
        """Return the verdict for a message that goes to a person.

        Args:
            why: What happened.
        """
        return cls("person", why=why)


class Judged(Protocol):
    """A result that has its own verdict, such as `SettledLine`."""

    @property
    def verdict(self) -> Verdict:
        """What to do with its message."""
        ...


def verdict_of(outcome: XoxoError | Judged, *, attempts: int = 1, most: int = MAX_ATTEMPTS) -> Verdict:
    """Return what a worker does with the message whose call ended so. Moves no money, makes no call.

    | the call ended with | verdict |
    |---|---|
    | an argument that is wrong, a certain refusal, a poNumber or key of another order | `person` |
    | no order for certain: not reached, a rate limit, a look-up or catalog call that failed | `again` |
    | a line that another call is sending, or that is in doubt in the ledger (`LineBusyError`) | `again` when it says |
    | doubt: an answer lost, a failure of the server, a refusal that may hide an order | `again`; `person` at `most` |
    | no funds, a used-up budget, refused credentials, wrong settings, a ledger that fails | `again`, with `pause` |

    Args:
        outcome: The error that the call raised, or the result of `Once.issue`. An order that `place` returned is done.
        attempts: How often the message was delivered, this time included. It only counts for doubt, and makes the waits
            for a server that is not reached longer.
        most: After how many deliveries doubt goes to a person.

    Example:
        ```python
        try:
            order = await xoxo.orders.place(product_id=1001, denomination=500, po_number="msg-1")
        except XoxoError as error:
            print(verdict_of(error, attempts=1))
        ```
    """
    if not isinstance(outcome, XoxoError):
        return outcome.verdict
    error, why = outcome, f"{type(outcome).__name__}: {outcome}"
    if isinstance(error, ArgumentError | PlanError | LedgerConflictError) or _is_anothers(error):
        return Verdict.person(why)
    if isinstance(error, LineBusyError):
        return Verdict.again(error.retry_after_s, why)
    if next_orders(error) is NextOrders.NO_FUNDS:
        return Verdict.again(_SETTLE_S, why, pause=True)
    if needs_a_person(error) or isinstance(error, LedgerError | BudgetError):
        return Verdict.again(_PAUSE_S, why, pause=True)
    return _doubt(error, why, attempts, most) if error.effect == "possible" else _unprocessed(error, why, attempts)


def _unprocessed(error: XoxoError, why: str, attempts: int) -> Verdict:
    """Judge an order that does not exist for certain."""
    if isinstance(error, RateLimitedError):
        return Verdict.again(error.retry_after_s or _PENALTY_S, why)
    if error.retryable or may_repeat(error, EffectClass.READ):  # a look-up or the catalog failed, and may work later
        return Verdict.again(min(_FIRST_S * 2 ** min(max(attempts - 1, 0), 10), _LONGEST_S), why)
    return Verdict.person(why)


def _doubt(error: XoxoError, why: str, attempts: int, most: int) -> Verdict:
    """Judge an order that may exist."""
    if attempts >= most:
        return Verdict.person(f"in doubt after {attempts} deliveries: {why}")
    penalty_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
    return Verdict.again(max(_SETTLE_S, penalty_s or 0.0), why)


def _is_anothers(error: XoxoError) -> bool:
    """Return whether a look-up has shown that the poNumber belongs to another order: an answer has an id or a status.

    The vendor's own "this poNumber is used" may be about this very order, so it is doubt.
    """
    return isinstance(error, DuplicatePoNumberError) and not error.error_id and error.status is None
