"""The events of a client in structlog: `pip install 'xoxo-async[structlog]'`.

    from xoxo_async.integrations.structlog import StructlogHook

    client = XoxoClient.from_env(hooks=[StructlogHook()])

structlog's own processors decide whether a line is text or JSON.
"""

from typing import Any, Final

try:
    import structlog
except ImportError:  # pragma: no cover - a process of its own tests it
    raise ImportError("StructlogHook needs structlog: pip install 'xoxo-async[structlog]'", name="structlog") from None

from xoxo_async.hooks import Event

__all__ = ["StructlogHook"]


class StructlogHook:
    """Write every event to a structlog logger, at the event's own level, with its fields as key-value pairs.

    An order in doubt and a penalty are warnings, failures and the steps of a bulk run are info, all else is debug.

    Args:
        logger: Where to write; `structlog.get_logger("xoxo_async")` by default.
    """

    def __init__(self, logger: Any = None) -> None:
        self._logger: Final[Any] = logger if logger is not None else structlog.get_logger("xoxo_async")

    def __call__(self, event: Event, /) -> None:
        """Log one event.

        Args:
            event: What happened.
        """
        self._logger.log(event.level, event.name, **event.fields())
