"""Settings of a client: the vendor's hosts, timeouts, rate limits; and the checks of numbers that they share."""

from typing import Final, Self

import msgspec

from xoxo_async.errors import ConfigError

__all__ = ["PRODUCTION", "STAGING", "RateLimits", "Timeouts", "check_count", "check_number"]

PRODUCTION: Final = "https://accounts.xoxoday.com/chef"
"""The vendor's production host: real money. Always asked for by name."""

STAGING: Final = "https://stagingstores.xoxoday.com/chef"
"""The vendor's sandbox host, the default. Tokens of one environment are not valid in the other."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long each part of a call may take, in seconds.

    Attributes:
        connect_s: To get a connection: pool wait, DNS, TCP and TLS. Running out of it proves that nothing was sent.
        read_s: One attempt of anything but an order, from the connection wait to the last byte.
        order_s: One attempt of placeOrder. The vendor may take 120 s to answer; below that, orders end up unknown.
        token_s: One token request.
        call_s: The deadline of a whole call: waiting for a token and a rate slot, every attempt, the waits between
            them, and the look-ups after an order whose answer was lost. So an order is sent only while `order_needs_s`
            is left of it; an order that cannot be sent by then raises `RateLimitedError`, and nothing was sent.

    Raises:
        ConfigError: When a value is not a positive finite number.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    order_s: float = 150.0
    token_s: float = 30.0
    call_s: float = 400.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_number(f"Timeouts.{name}", getattr(self, name))

    @property
    def look_up_s(self) -> float:
        """The time that a call keeps for look-ups after its order: `read_s`, half a minute at most.

        Where `call_s` is too short for `order_s` and that, it is a quarter of `call_s` at most.
        """
        longest = min(self.read_s, _LOOK_UP_S)
        return longest if self.order_s + longest < self.call_s else min(longest, self.call_s / 4)

    @property
    def order_needs_s(self) -> float:
        """The time that a call must have left to send its order: `order_s` and `look_up_s`.

        Where `call_s` is too short for both, it is three quarters of `call_s`: the last quarter is for waiting, and an
        order is given less than `order_s` to be answered.
        """
        both = self.order_s + self.look_up_s
        return both if both < self.call_s else self.call_s * 0.75


_LOOK_UP_S: Final = 30.0
"""How long an order without an answer is looked up. No caller waits longer for one order."""


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Calls a minute and operation, shared by the clients of one account that have the same limits; None is unlimited.

    The defaults are the vendor's documented limits (its older page allows 20 placeOrder a minute: where an account
    is held to that, say `RateLimits(place_order=20)`). Operations the vendor states no limit for are not paced.

    Attributes:
        place_order: placeOrder.
        order_details: getOrderDetails, shared by look-ups after a lost answer.
        order_history: getOrderHistory.
        vouchers: getVouchers.
        filters: getFilters.
        balance: getBalance.
        other: Every other operation, each on its own.

    Raises:
        ConfigError: When a value is not a positive finite number or None.
    """

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
        """Return limits that pace nothing: for the sandbox, and for accounts without limits."""
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
    """Return a duration, a rate or another number that is above 0 and not absurd.

    Args:
        name: The argument's name, for the error.
        value: The argument. NaN, infinity, texts and booleans are no numbers here.
        zero: Whether 0 is allowed.

    Raises:
        ConfigError: It is no such number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST and (zero or value):
        return value
    raise ConfigError(f"{name} must be a {'number from 0' if zero else 'positive number'}, not {value!r}")


def check_count(name: str, value: object) -> int:
    """Return a whole number from 1, such as a size or a number of attempts.

    Args:
        name: The argument's name, for the error.
        value: The argument. A boolean is no number here.

    Raises:
        ConfigError: It is no such number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise ConfigError(f"{name} must be a whole number from 1, not {value!r}")


_MOST: Final = 10**12
"""In seconds, 30,000 years. A larger number has no float, or no date."""
