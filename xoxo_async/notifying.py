"""Calls the hooks: none of them can fail the call that it observes, and a slow one is named."""

import asyncio
import inspect
import logging
import time
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from xoxo_async.errors import ConfigError
from xoxo_async.hooks import Event, Hook

__all__ = ["checked", "checked_hooks", "notify", "report_failure"]

_LOG: Final = logging.getLogger("xoxo_async")

_SLOW_S: Final = 0.25
"""The log names a hook that takes longer. A busy machine may stop a quick one for a tenth of a second."""

_SAY_SLOW_EVERY_S: Final = 60.0

_SAY_FAILED_EVERY_S: Final = 60.0
"""A hook that fails does so on each event of a kind. The trace of each would fill the log of a web app."""


def checked(hook: Hook) -> Hook:
    """Return a hook that is a plain callable.

    Args:
        hook: What the caller gives.

    Raises:
        ConfigError: It is a coroutine function, which nobody would await, or no function at all.
    """
    if not callable(hook) or isinstance(hook, type):
        raise ConfigError(f"hooks must be callables that take one event, not {hook!r}")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(type(hook).__call__):
        raise ConfigError(f"hook {hook!r} is a coroutine function: a hook is a plain function")
    return hook


def checked_hooks(hooks: Sequence[Hook]) -> tuple[Hook, ...]:
    """Return the hooks of a client.

    Args:
        hooks: What the caller gives.

    Raises:
        ConfigError: It is no list, or one of them is no hook.
    """
    if callable(hooks) or not isinstance(hooks, Iterable):
        raise ConfigError("hooks must be a list, for example hooks=[LoggingHook()]")
    return tuple(checked(hook) for hook in hooks)


class _Said(NamedTuple):
    """What the log has of the failures of a hook on one kind of event."""

    at: float
    left_out: int = 0


_said_slow_at = -_SAY_SLOW_EVERY_S
_said_failed: Final[dict[int, tuple["weakref.ref[Hook]", dict[str, _Said]]]] = {}
"""By the id of each hook that is alive. Its hash and its comparison are code of the hook's, and may fail as well."""


def notify(hooks: Sequence[Hook], event: Event) -> None:
    """Call every hook with one event. A hook that fails or is slow is named in the log, and stops nothing.

    Args:
        hooks: The hooks.
        event: What happened.
    """
    for hook in hooks:
        began = time.perf_counter()
        try:
            hook(event)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - a bug in a hook must not end a call that moves money
            report_failure(hook, event)
        took = time.perf_counter() - began
        if took > _SLOW_S:
            _say_slow(hook, took, began)


def report_failure(hook: Hook, event: Event) -> None:
    """Log the exception that is being handled, once a minute for each hook and kind of event.

    Args:
        hook: The hook that failed.
        event: What it was called with.
    """
    kind, now, said = type(event).__name__, time.monotonic(), _said_of(hook)
    last = said.get(kind)
    if last is not None and now - last.at < _SAY_FAILED_EVERY_S:
        said[kind] = last._replace(left_out=last.left_out + 1)
        return
    said[kind] = _Said(now)
    more = f"; {last.left_out:,} failures before this one are not in the log" if last and last.left_out else ""
    _LOG.warning("hook %r failed on %s%s", hook, kind, more, exc_info=True)


def _said_of(hook: Hook) -> dict[str, _Said]:
    """Return what the log has of a hook, to be changed; always nothing for one that no weak reference can lead to."""
    key = id(hook)
    known = _said_failed.get(key)
    if known is not None and known[0]() is hook:
        return known[1]
    said: dict[str, _Said] = {}
    with suppress(TypeError):
        _said_failed[key] = weakref.ref(hook, lambda _gone: _said_failed.pop(key, None)), said
    return said


def _say_slow(hook: Hook, took: float, now: float) -> None:
    global _said_slow_at  # noqa: PLW0603 - one line a minute, whichever hooks are slow
    if now - _said_slow_at >= _SAY_SLOW_EVERY_S:
        _said_slow_at = now
        _LOG.warning(
            "hook %r took %.2f s, in which every call waited: put it into integrations.background.Background",
            hook,
            took,
        )
