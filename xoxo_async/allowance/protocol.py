"""The two calls of a store that several processes take their rate slots from, and what it answers."""

from typing import Final, Protocol

import msgspec

__all__ = ["LATE_S", "MEMBER_S", "SPAN_S", "Allowance", "AwayError", "Grant", "checked"]

SPAN_S: Final = 0.1
"""The time that the slots of one grant cover at most; a single slot may cover more, and does up to 600 calls a minute.
A process that dies takes this or one slot with it, whichever is longer, and a caller of another process waits so long
at most for it. There are fewer than twenty grants a second, however many processes share."""

LATE_S: Final = 0.25
"""A slot that is later than this is not used any more, and a lane that is further behind than this starts again now.
The two delays, of a slot and of a lane, make 0.5 s together. That is less than the 0.6 s that the pacer leaves free in
each minute, so late calls never overfill a window."""

MEMBER_S: Final = 60.0
"""A process counts as a member for so long after its last call. It is the vendor's window."""


_LONGEST_S: Final = 30 * 24 * 3600.0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a store, counted from the moment at which the store worked it out.

    Attributes:
        first_s: Seconds until the first slot. It may be up to `LATE_S` ago, and is then below 0.
        count: How many slots are granted, one interval apart. 0 means that none is taken: none was asked for, or the
            first one would come later than `within_s`; then `first_s` says when it would come.
        held_s: The seconds that are left of the vendor's penalty; 0 without one.
        members: The processes that took slots of the operation within the last `MEMBER_S`; 0 where it is not known.
    """

    first_s: float
    count: int
    held_s: float
    members: int = 0


class AwayError(Exception):
    """The store does not answer now. Until it does, each process goes on with its part of the rate.

    A store raises `ConfigError` where a person has to act: a wrong address, a missing table, a foreign file.
    """


class Allowance(Protocol):
    """A store that hands out the rate slots of an account to any number of processes, by its own clock.

    `FileAllowance`, `PostgresAllowance` and `RedisAllowance` are stores. A store of your own needs these two calls. If
    it has a coroutine `aclose()`, the last client of an event loop calls it; the next call may open the store again.
    Its `repr` is shown in messages, so it must not hold a password.
    """

    async def take(
        self, account: str, operation: str, *, member: str, interval_s: float, count: int, within_s: float
    ) -> Grant:
        """Take the next slots of an operation. One atomic step: two processes never get the same slot.

        Slots are one interval apart and never before the end of a penalty. Where the last slot that was granted is
        more than `LATE_S` ago, the first one is now; otherwise it is one interval after that slot.

        Args:
            account: The account, a hash.
            operation: The operation's name.
            member: The name of the calling process, for `Grant.members`.
            interval_s: The seconds between two slots.
            count: How many slots to take; 0 takes none and only asks for penalties.
            within_s: The seconds by which the first slot must come, else none is taken; may be infinite.

        Returns:
            The slots. An answer that takes more than a quarter of a second is not used.

        Raises:
            AwayError: The store does not answer.
            ConfigError: A person has to act. Raised to the caller if the store has never answered; nothing was sent.
        """
        ...

    async def hold(self, account: str, operation: str, seconds: float) -> None:
        """Grant no slot of an operation until a penalty has ended. A longer penalty that is known stays.

        Args:
            account: The account, a hash.
            operation: The operation's name.
            seconds: The seconds that are left of it.

        Raises:
            AwayError: The store does not answer.
            ConfigError: A person has to act.
        """
        ...


def checked(grant: Grant, count: int) -> Grant:
    """Return a grant, or raise `AwayError` for one that no store can mean: it would be a burst, or never come.

    Args:
        grant: What the store answered.
        count: How many slots were asked for.

    Raises:
        AwayError: The answer is impossible.
    """
    right = (
        0 <= grant.count <= count
        and -2 * LATE_S <= grant.first_s <= _LONGEST_S
        and 0 <= grant.held_s <= _LONGEST_S
        and grant.members >= 0
    )
    if not right:
        raise AwayError("it gave an impossible answer")
    return grant
