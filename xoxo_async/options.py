"""What a view of a client changes: times, attempts, headers, and when its calls must have ended."""

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Final, Self, cast

import msgspec

from xoxo_async.config import Timeouts, check_count, check_number
from xoxo_async.effects import EffectClass
from xoxo_async.errors import ConfigError, ConnectError

__all__ = ["Bounds", "Options", "Scope", "check_headers"]

_NEVER: Final = math.inf


class Options(msgspec.Struct, frozen=True):
    """The options of a view; None and nothing leave what the client has.

    Attributes:
        timeout_s: The time of one attempt.
        deadline_s: The time of a whole call.
        attempts: The attempts of one call.
        headers: More headers of each call.
        keep_body: Whether `reply.raw` keeps the bytes of large answers as well.
        ends_at: When all calls of the view end, by the monotonic clock.
    """

    timeout_s: float | None = None
    deadline_s: float | None = None
    attempts: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    keep_body: bool = False
    ends_at: float = _NEVER

    def __repr__(self) -> str:
        given = [f"{name}={getattr(self, name)}" for name in ("timeout_s", "deadline_s", "attempts")]
        return f"Options({', '.join(given)}, headers=<{len(self.headers)}>)"  # a header may hold a gateway's key

    def changed(
        self,
        *,
        timeout_s: float | None,
        deadline_s: float | None,
        attempts: int | None,
        headers: Mapping[str, str] | None,
        keep_body: bool | None,
    ) -> Self:
        """Return the options of a view of this view. A header replaces one of the same name.

        Args:
            timeout_s: As the attribute.
            deadline_s: As the attribute.
            attempts: As the attribute.
            headers: As the attribute.
            keep_body: As the attribute.

        Raises:
            ConfigError: A value is wrong; the message names the option.
        """
        if keep_body is not None and not isinstance(keep_body, bool):
            raise ConfigError(f"keep_body must be True or False, not {keep_body!r}")
        added = check_headers(headers) if headers is not None else ()
        replaced = {name.lower() for name, _ in added}
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in replaced)
        return msgspec.structs.replace(
            self,
            timeout_s=self.timeout_s if timeout_s is None else check_number("timeout_s", timeout_s),
            deadline_s=self.deadline_s if deadline_s is None else check_number("deadline_s", deadline_s),
            attempts=self.attempts if attempts is None else check_count("attempts", attempts),
            headers=kept + added,
            keep_body=self.keep_body if keep_body is None else keep_body,
        )

    def times(self, timeouts: Timeouts) -> Timeouts:
        """Return a client's times as these options change them.

        Args:
            timeouts: The client's.
        """
        if self.timeout_s is not None:
            timeouts = msgspec.structs.replace(timeouts, read_s=self.timeout_s, order_s=self.timeout_s)
        if self.deadline_s is not None:
            timeouts = msgspec.structs.replace(timeouts, call_s=self.deadline_s)
        return timeouts


_OURS: Final = frozenset(
    {
        "accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length",
        "content-type", "cookie", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "range",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers that the SDK or HTTP itself sets. Another value would send the order elsewhere, or without its token, or make
the answer unreadable; a part of a body (`Range`) or an answer before it (`Expect`) would look like a lost one."""

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LONGEST: Final = 4096


def check_headers(headers: object) -> tuple[tuple[str, str], ...]:
    """Return the headers that a view adds to each call.

    Args:
        headers: The headers, by name. An error names a header and never repeats its value, which may be a key.

    Raises:
        ConfigError: They are no such thing, or one of them would replace one of the SDK's.
    """
    if not isinstance(headers, Mapping):
        raise ConfigError('headers must be a mapping of names to values, for example {"X-Request-ID": "abc"}')
    checked: dict[str, tuple[str, str]] = {}
    for name, value in cast("Mapping[object, object]", headers).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"headers: {name!r} is no name of a header")
        lower = name.lower()
        if lower in _OURS:
            raise ConfigError(f"headers: {name} is set by the SDK, and no option replaces it")
        if lower == "user-agent":
            raise ConfigError("headers: User-Agent is set with XoxoClient(app=…) or XoxoClient(user_agent=…)")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > _LONGEST:
            raise ConfigError(f"headers: the value of {name} must be printable ASCII text of at most {_LONGEST} bytes")
        if lower in checked:
            raise ConfigError(f"headers: {name} is given twice")
        checked[lower] = (name, value)
    return tuple(checked.values())


class Scope:
    """The deadline of the `async with client.deadline(…)` block that a call is made in, for one client and its views.

    A task that is started inside the block has the deadline too.

    Attributes:
        used: Whether there ever was a deadline.
    """

    __slots__ = ("_ends_at", "used")

    def __init__(self) -> None:
        # Made by the first deadline: a client without one asks no context variable on each call.
        self._ends_at: ContextVar[float] | None = None
        self.used: bool = False

    @property
    def ends_at(self) -> float:
        """When the calls of the innermost block end, by the monotonic clock; infinity outside of all."""
        return self._ends_at.get(_NEVER) if self._ends_at is not None else _NEVER

    def enter(self, ends_at: float) -> Callable[[], None]:
        """Give the code that runs from now on a deadline; an earlier one stays.

        Args:
            ends_at: The deadline.

        Returns:
            What ends it.
        """
        variable = self._ends_at = self._ends_at or ContextVar("xoxo_deadline")
        self.used = True
        token = variable.set(min(ends_at, self.ends_at))

        def leave() -> None:
            # A test fixture may end in another context than it began in, and that one is gone.
            with suppress(ValueError):
                variable.reset(token)

        return leave


class Bounds:
    """How long the calls of a client, or of a view of it, may take.

    Args:
        timeouts: The times.
        scope: The deadline of the block around a call.
        ends_at: When all calls end, by the clock.

    Attributes:
        timeouts: The times.
        scope: The deadline of the block around a call.
        has_end: Whether all calls end at some time.
        order_room: Until when an order may be sent, and when its attempt ends, in seconds from the call's begin.
        unkeyed_room: The same of another call that moves something.
    """

    __slots__ = ("_ends_at", "has_end", "order_room", "scope", "timeouts", "unkeyed_room")

    def __init__(self, timeouts: Timeouts, scope: Scope, ends_at: float = _NEVER) -> None:
        self.timeouts: Final = timeouts
        self.scope: Final = scope
        self._ends_at: Final = ends_at
        self.has_end: Final = ends_at != _NEVER
        order_room, unkeyed_room = _rooms(timeouts)
        self.order_room: Final[tuple[float, float]] = order_room
        self.unkeyed_room: Final[tuple[float, float]] = unkeyed_room

    @property
    def ends_at(self) -> float:
        """When a call made now must have ended, apart from its own time; infinity without a deadline."""
        return min(self._ends_at, self.scope.ends_at)

    def left_s(self, started: float) -> float:
        """Return the seconds that a single attempt may take.

        Args:
            started: When it began.

        Raises:
            ConnectError: The deadline is over; nothing was sent.
        """
        return min(self.timeouts.call_s, _left(self.ends_at, started))

    def within(self, effect: EffectClass, started: float) -> tuple[float, float]:
        """Return until when a call with a deadline may be sent, and when its last attempt ends, by the clock.

        Args:
            effect: What the call may change.
            started: When it began.

        Raises:
            ConnectError: The deadline is over; nothing was sent.
        """
        left = _left(self.ends_at, started)
        timeouts = self.timeouts
        if left < timeouts.call_s:
            timeouts = msgspec.structs.replace(timeouts, call_s=left)
        if effect is EffectClass.READ:
            return started + timeouts.call_s, started + timeouts.call_s
        order, unkeyed = _rooms(timeouts)
        latest, last = order if effect is EffectClass.KEYED else unkeyed
        return started + latest, started + last


def _left(ends_at: float, now: float) -> float:
    if ends_at <= now:
        raise ConnectError("the request was not sent: its deadline is over")
    return ends_at - now


def _rooms(timeouts: Timeouts) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return until when an order, and another call that moves something, may be sent, and when it ends, in seconds."""
    call_s = timeouts.call_s
    order = call_s - timeouts.order_needs_s, call_s - timeouts.look_up_s
    return order, (call_s - min(timeouts.read_s, call_s * 0.75), call_s)
