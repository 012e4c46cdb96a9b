"""One run of an issuer at a time, and a stop that is not lost before it."""

from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from xoxo_async.bulk.running.progress import Progress
from xoxo_async.errors import ConfigError

__all__ = ["OneRun", "check_keys"]


class Stoppable(Protocol):
    """The part of a session that a stop needs."""

    def stop(self, reason: str) -> None:
        """Take no more lines."""
        ...


SessionT = TypeVar("SessionT", bound=Stoppable)


class OneRun:
    """What an issuer of any kind knows of its runs.

    Attributes:
        progress: What the current or the last run has done so far.
        stop_wanted: Why the run that is under way, or else the next one, is to stop before its session works; None if
            it is not.
    """

    def __init__(self) -> None:
        self.progress: Final = Progress()
        self.stop_wanted: str | None = None
        self._session: Stoppable | None = None
        self._at_work = False
        self._was_stopped = False

    def stop(self, reason: str) -> None:
        """Stop the current run; before a run the next one. After a run that was stopped it does nothing.

        Args:
            reason: Why, for the report.
        """
        if self._session is not None:
            self._session.stop(reason)
            self._was_stopped = True
        elif self._at_work or not self._was_stopped:
            self.stop_wanted = self.stop_wanted or reason

    @contextmanager
    def alone(self) -> Generator[None]:
        """Allow one run at a time.

        Raises:
            ConfigError: Another run is under way.
        """
        if self._at_work:
            raise ConfigError("this issuer is already running: wait for the end of that run; nothing was sent")
        self._at_work = True
        self.progress.begin()
        try:
            yield
        finally:
            self._at_work, self._session, self.stop_wanted = False, None, None

    def begin(self, session: SessionT) -> SessionT:
        """Return the session of a run; from here on `stop` stops it.

        Args:
            session: The session, which a stop before the run ends before it sends.
        """
        self._session = session
        self._was_stopped = self.stop_wanted is not None
        if self.stop_wanted is not None:
            session.stop(self.stop_wanted)
        return session


def check_keys(keys: Collection[str] | None) -> None:
    """Refuse one text where a list of keys belongs.

    Args:
        keys: The keys of rows; None is every row.

    Raises:
        ConfigError: They are one text.
    """
    if isinstance(keys, str):
        raise ConfigError(f"keys must be a list of keys, not one text: {keys!r} would mean its letters")
