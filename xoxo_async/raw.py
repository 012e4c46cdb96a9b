"""What every error may say about the answer behind it, without its content."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

__all__ = ["RawAnswer", "Times"]


class Times(NamedTuple):
    """When the steps of a call happened, in seconds of `time.monotonic()`. Only differences mean something.

    Attributes:
        queued: The call began to wait for a token and a slot.
        sent: The last attempt's request was written.
        first_byte: The head of its answer had come.
        done: The whole answer had come.
    """

    queued: float
    sent: float
    first_byte: float
    done: float

    @property
    def waited_s(self) -> float:
        """Seconds before the last attempt: for a token, a slot, a connection, and for attempts that failed."""
        return self.sent - self.queued

    @property
    def answer_s(self) -> float:
        """Seconds from the request to the head of its answer: what the vendor took."""
        return self.first_byte - self.sent

    @property
    def total_s(self) -> float:
        """Seconds for all of it."""
        return self.done - self.queued


class RawAnswer(Protocol):
    """The answer behind an error; see `RawReply`, which it is."""

    @property
    def status(self) -> int | None:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by their names in lower case, without secrets."""
        ...

    @property
    def request_id(self) -> str:
        """The server's id of the request; empty without one."""
        ...

    @property
    def times(self) -> Times | None:
        """When the steps of the call happened."""
        ...

    @property
    def attempts(self) -> int:
        """The number of HTTP attempts."""
        ...

    @property
    def body(self) -> object:
        """The body, which only its `reveal()` shows; None where it was too large to keep."""
        ...
