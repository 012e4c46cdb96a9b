"""The answer behind a reply: status, headers, times, and its body for whoever asks."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NoReturn, Self

import msgspec

from xoxo_async.errors import ConfigError, Times
from xoxo_async.wire.secrets import Masked, Secret, hide

__all__ = ["KEPT_BYTES", "Facts", "RawReply"]

KEPT_BYTES: Final = 256 * 1024
"""The largest body that a reply keeps unless `keep_body` is set: a page of 100 products, 200 orders' worth of codes."""

_SECRET_HEADERS: Final = frozenset(
    {"authorization", "cookie", "location", "proxy-authenticate", "set-cookie", "set-cookie2", "www-authenticate"}
)
"""Headers that may hold a session, a token or a link."""

_REQUEST_IDS: Final = ("x-request-id", "x-amzn-requestid", "x-correlation-id", "x-amz-cf-id", "cf-ray", "x-trace-id")
"""Headers by which the vendor's edge may name a request. The vendor documents none."""


_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


# gc=False: it can be part of no cycle. Each call makes one, and a reply keeps it: nothing is computed until asked for.
class Facts(msgspec.Struct, gc=False):
    """What the road knows of an answer.

    Attributes:
        status: The HTTP status.
        body: The whole body, decompressed; empty once it was let go.
        bearer: The access token that the request was sent with; None for a token request.
        retry_after_s: What the `Retry-After` header says, in seconds; None without one.
        headers: The headers.
        sent_at: When the request was written, by the monotonic clock; 0 for a GET.
        first_at: When the head of the answer had come.
        done_at: When all of it had come.
        queued_at: When its call began.
        attempts: How many HTTP attempts the call took.
        kept: Whether the body is still there.
    """

    status: int
    body: bytes
    bearer: Secret | None
    retry_after_s: float | None
    headers: Mapping[str, str] = _NO_HEADERS
    sent_at: float = 0.0
    first_at: float = 0.0
    done_at: float = 0.0
    queued_at: float = 0.0
    attempts: int = 1
    kept: bool = True

    def let_go(self) -> None:
        """Forget the body."""
        self.body, self.kept = b"", False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(status={self.status}, body=<{len(self.body)} bytes>)"


class RawReply:
    """The answer behind a reply or an error. Only `body.reveal()` and `reveal()` show what it said, codes included.

    Args:
        body: The bytes; None where they were not kept.
        facts: What the road knows.

    Attributes:
        facts: What the road knows of the answer; None where the reply came from elsewhere.
    """

    __slots__ = ("_body", "facts")

    def __init__(self, body: bytes | None, facts: Facts | None = None) -> None:
        self._body: Final = body
        self.facts: Facts | None = facts

    @property
    def status(self) -> int | None:
        """The HTTP status; None where the reply came from elsewhere."""
        return self.facts.status if self.facts is not None else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by their names in lower case. Cookies, links and the access token are masked."""
        if self.facts is None:
            return {}
        bearer = self.facts.bearer
        secrets = () if bearer is None else (bearer,)
        found: dict[str, str] = {}
        for name, value in self.facts.headers.items():
            lower = name.lower()
            shown = "***" if lower in _SECRET_HEADERS else hide(value, secrets)
            found[lower] = f"{found[lower]}, {shown}" if lower in found else shown
        return found

    @property
    def request_id(self) -> str:
        """The id by which the server knows the request, for the vendor's support; empty without one."""
        headers = self.headers
        return next((headers[name] for name in _REQUEST_IDS if name in headers), "")

    @property
    def date(self) -> datetime | None:
        """When the server answered, by its own clock; None where it does not say."""
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a rare road, and a slow import

        try:
            return parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, TypeError, OverflowError):
            return None

    @property
    def times(self) -> Times | None:
        """When the call was queued, sent, answered and done; None where the reply came from elsewhere."""
        facts = self.facts
        return Times(facts.queued_at, facts.sent_at, facts.first_at, facts.done_at) if facts is not None else None

    @property
    def attempts(self) -> int:
        """The number of HTTP attempts; 0 where the reply came from elsewhere."""
        return self.facts.attempts if self.facts is not None else 0

    @property
    def body(self) -> Masked | None:
        """The body, which only `reveal()` shows; None where it was too large to keep."""
        return Masked(self._body) if self._body is not None else None

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """Return the one of an answer.

        Args:
            facts: What the road knows of it.
        """
        return cls(facts.body if facts.kept else None, facts)

    @classmethod
    def built(cls) -> Self:
        """Return an empty one: an answer has a field named `raw`, and the real one is set after decoding."""
        return cls(b"")

    def reveal(self) -> bytes:
        """Return the bytes of the body. From here on the caller has to protect them.

        Raises:
            ConfigError: The body was too large to keep.
        """
        if self._body is None:
            raise ConfigError(
                f"the answer has more than {KEPT_BYTES // 1024} KiB, so its body was not kept: ask with "
                "client.with_options(keep_body=True)"
            )
        return self._body

    def __repr__(self) -> str:
        size = f"{len(self._body)} bytes" if self._body is not None else "not kept"
        return f"RawReply(status={self.status}, attempts={self.attempts}, body=<{size}>)"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a raw reply may hold voucher codes, it cannot be pickled: reveal() it where it must go")
