"""What a worker tells of its troubles: each once until it changes, and once that it is over."""

from collections.abc import Callable
from typing import Final

from xoxo_async.errors import ConfigError, LedgerError, XoxoError
from xoxo_async.workers.state import WorkerState

__all__ = ["Telling"]


class Telling:
    """Tells the troubles of one worker, and notes them for its health checks.

    Args:
        state: The worker's.
        troubled: Called with a line about a trouble that the worker outlives.
        noted: Called with a line about the end of a trouble, or about what an operator may want to know.

    Attributes:
        trouble: The same as `troubled`.
        note: The same as `noted`.
    """

    def __init__(self, state: WorkerState, troubled: Callable[[str], None], noted: Callable[[str], None]) -> None:
        self.trouble: Final = troubled
        self.note: Final = noted
        self._state: Final = state
        self._told = ""
        self._is_away = False  # whether it was told that the ledger fails
        self._has_no_token = False  # whether that was told

    def outlives(self, error: XoxoError) -> bool:
        """Return whether a worker goes on after an error, and tell it once.

        Args:
            error: What no job's shift can do anything about.
        """
        if isinstance(error, ConfigError) or (isinstance(error, LedgerError) and not self._state.has_answered):
            return False
        if isinstance(error, LedgerError):
            self._state.ledger_failed(error.message)
            self._is_away = True
        if error.message != self._told:
            self._told = error.message
            self.trouble(error.message)
        return True

    def ledger_answered(self) -> None:
        """Note an answer of the ledger."""
        self._state.ledger_answered()
        if self._is_away:
            self._is_away = False
            self._told = ""
            self.note("the ledger answers again")

    def ledger_failed(self, reason: str) -> None:
        """Note that the ledger fails in the midst of a shift, which itself waits longer before it fails.

        Args:
            reason: Its error, in words.
        """
        self._state.ledger_failed(reason)
        if not self._is_away:
            self._is_away = True
            self.trouble(f"the ledger fails: {reason}; the worker waits for it")

    def works(self) -> None:
        """Note that a round went well: the same trouble is told again when it comes again."""
        self._told = ""

    def token_is(self, wrong: str, *, every_s: float) -> None:
        """Note what is wrong with the token.

        Args:
            wrong: In words; empty if nothing is.
            every_s: Seconds until it is asked for again.
        """
        self._state.token = wrong
        if wrong and not self._has_no_token:
            self.trouble(f"no token: {wrong}; asked for again every {every_s:g} s")
        elif self._has_no_token and not wrong:
            self.note("there is a token again")
        self._has_no_token = bool(wrong)
