"""Calls the hooks: none of them can fail the call that it observes, and a slow one is named."""

import asyncio
import inspect
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final

from xoxo_async.errors import ConfigError
from xoxo_async.hooks import Event, Hook

__all__ = ["checked", "checked_hooks", "notify"]

_LOG: Final = logging.getLogger("xoxo_async")

_SLOW_S: Final = 0.25
"""The log names a hook that takes longer. A busy machine may stop a quick one for a tenth of a second."""

_SAY_SLOW_EVERY_S: Final = 60.0


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


_said_slow_at = -_SAY_SLOW_EVERY_S


def notify(hooks: Sequence[Hook], event: Event) -> None:
    """Call every hook with one event. An exception of a hook is logged and not raised; so is that a hook is slow.

    Args:
        hooks: The hooks.
        event: What happened.
    """
    for hook in hooks:
        began = time.perf_counter()
        try:
            hook(event)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - a bug in a hook must not end a call that moves money
            _LOG.warning("hook %r failed on %s", hook, type(event).__name__, exc_info=True)
        took = time.perf_counter() - began
        if took > _SLOW_S:
            _say_slow(hook, took, began)


def _say_slow(hook: Hook, took: float, now: float) -> None:
    global _said_slow_at  # noqa: PLW0603 - one line a minute, whichever hooks are slow
    if now - _said_slow_at >= _SAY_SLOW_EVERY_S:
        _said_slow_at = now
        _LOG.warning(
            "hook %r took %.2f s, in which every call waited: put it into integrations.background.Background",
            hook,
            took,
        )
