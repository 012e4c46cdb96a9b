"""The settings of a client (hosts, timeouts, rate limits), and the checks of numbers that they share."""

from typing import Final, Self, TypeVar

import msgspec

from xoxo_async.errors import ConfigError

T = TypeVar("T")

__all__ = ["PRODUCTION", "STAGING", "RateLimits", "Timeouts", "check_count", "check_kind", "check_number"]

PRODUCTION: Final = "https://accounts.xoxoday.com/chef"
"""The vendor's production host, where orders spend real money. No setting chooses it by default."""

# The vendor's documents name three sandbox hosts; this is the one in the current pages (wire documentation § 2).
STAGING: Final = "https://stagingstores.xoxoday.com/chef"
"""The vendor's sandbox host, the default. A token of one environment is not valid in the other."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long each part of a call may take, in seconds.

    Attributes:
        connect_s: The time to get a connection: pool wait, DNS, TCP and TLS. When it ends, nothing was sent.
        read_s: One attempt of any operation but placeOrder, from the wait for a connection to the last byte.
        order_s: One attempt of placeOrder. The vendor may take 120 s to answer; a shorter time leaves orders unknown.
        token_s: One token request.
        call_s: A whole call: the waits for a token and a rate slot, every attempt, the waits between attempts, and the
            look-ups after an order whose answer was lost. An order is sent only while `order_needs_s` is left of it.
            Otherwise the call raises `RateLimitedError`, and nothing was sent.

    Raises:
        ConfigError: A value is not a positive finite number.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    # The vendor documents up to 120 s for an order (wire documentation § 4.9); this adds a margin.
    order_s: float = 150.0
    token_s: float = 30.0
    call_s: float = 400.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_number(f"Timeouts.{name}", getattr(self, name))

    @property
    def look_up_s(self) -> float:
        """The seconds that a call reserves for look-ups after its order: `read_s`, and 30 at most.

        Where `call_s` is too short for `order_s` and the look-ups, it is at most a quarter of `call_s`.
        """
        longest = min(self.read_s, _LOOK_UP_S)
        return longest if self.order_s + longest < self.call_s else min(longest, self.call_s / 4)

    @property
    def order_needs_s(self) -> float:
        """The seconds that a call must have left to send its order: `order_s` and `look_up_s`.

        Where `call_s` is too short for both, it is three quarters of `call_s`. A quarter is then left for waiting, and
        the order's attempt gets less than `order_s`.
        """
        both = self.order_s + self.look_up_s
        return both if both < self.call_s else self.call_s * 0.75


_LOOK_UP_S: Final = 30.0
"""How long an order without an answer is looked up at most, so that its caller does not wait for minutes more."""


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The calls a minute that each operation may make; None is unlimited.

    Clients of one account with equal limits share them. The defaults are the vendor's documented limits. An older page
    of the vendor's allows 20 placeOrder a minute; for an account with that limit, use `RateLimits(place_order=20)`.
    Operations without a documented limit are not paced.

    Attributes:
        place_order: placeOrder.
        order_details: getOrderDetails, also for look-ups after a lost answer.
        order_history: getOrderHistory.
        vouchers: getVouchers.
        filters: getFilters.
        balance: getBalance.
        other: Every other operation; each has this limit for itself.

    Raises:
        ConfigError: A value is not a positive finite number or None.
    """

    # The vendor's page of January 2026 (wire documentation § 5).
    place_order: float | None = 100.0
    order_details: float | None = 200.0
    order_history: float | None = 200.0
    vouchers: float | None = 50.0
    filters: float | None = 50.0
    balance: float | None = 10.0
    other: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None:
                check_number(f"RateLimits.{name}", value)

    @classmethod
    def unlimited(cls) -> Self:
        """Return limits that pace no operation: for the sandbox, and for accounts without limits."""
        return cls(
            place_order=None,
            order_details=None,
            order_history=None,
            vouchers=None,
            filters=None,
            balance=None,
            other=None,
        )

    def per_minute(self, operation: str) -> float | None:
        """Return the limit of one operation.

        Args:
            operation: The operation's name, for example `placeOrder`.

        Returns:
            Calls a minute, None for no limit.
        """
        return getattr(self, _LIMIT_OF.get(operation, "other"), None)


_LIMIT_OF: Final = {
    "placeOrder": "place_order",
    "getOrderDetails": "order_details",
    "getOrderHistory": "order_history",
    "getVouchers": "vouchers",
    "getFilters": "filters",
    "getBalance": "balance",
}


def check_number(name: str, value: object, *, zero: bool = False) -> float:
    """Return a duration, a rate or another number above 0 and up to 10^12.

    A wait for NaN or infinity seconds never ends, so neither counts as a number here; nor do texts and booleans.

    Args:
        name: The argument's name, for the error.
        value: The argument.
        zero: Whether 0 is allowed.

    Raises:
        ConfigError: The argument is no such number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST and (zero or value):
        return value
    raise ConfigError(f"{name} must be a {'number from 0' if zero else 'positive number'}, not {value!r}")


def check_count(name: str, value: object) -> int:
    """Return a whole number from 1, such as a size or a number of attempts.

    Args:
        name: The argument's name, for the error.
        value: The argument. A boolean does not count as a number.

    Raises:
        ConfigError: The argument is no such number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise ConfigError(f"{name} must be a whole number from 1, not {value!r}")


def check_kind(name: str, value: object, kind: type[T]) -> T:
    """Return a setting that is an object of a class.

    Args:
        name: The argument's name, for the error.
        value: The argument.
        kind: The class.

    Raises:
        ConfigError: The argument is anything else, for example the number that the object would hold.
    """
    if isinstance(value, kind):
        return value
    raise ConfigError(f"{name} must be of the class {kind.__name__}, not {type(value).__name__}")


_MOST: Final = 10**12
"""As seconds, 30,000 years. Much larger integers have no float, and a wait that uses one fails."""
