"""What comes back: the body, up to a size that no real answer exceeds; and what aiohttp's errors mean."""

import traceback
import zlib
from typing import Final

import aiohttp
from aiohttp import EofStream
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from xoxo_async.errors import (
    ConfigError,
    ConnectError,
    DecodeError,
    ReplyLostError,
    ReplyTimeoutError,
    mark_effect,
)

__all__ = [
    "read",
    "retry_after_s",
    "translate",
    "without_locals",
]

_MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
"""The largest answer read, after decompression. A page of 10,000 products is about 20 MB."""

_MAX_RETRY_AFTER_S: Final = 3600.0


async def read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, up to a size that no real answer exceeds.

    Args:
        response: The answer, its head read.

    Raises:
        DecodeError: The body is larger.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _MAX_REPLY_BYTES:
            response.close()
            raise DecodeError(f"the answer is larger than {_MAX_REPLY_BYTES} bytes", status=response.status)
        chunks.append(chunk)
    return b"".join(chunks)


def translate(error: Exception, *, sent: bool, total_s: float) -> Exception:
    """Return what a foreign error means for the request. No error of aiohttp's leaves the SDK.

    Args:
        error: What was raised.
        sent: Whether any of the request may have left.
        total_s: How long the attempt was given.

    Returns:
        The error to raise: one of ours for aiohttp's and the system's errors. Anything else is a bug, for example in a
        caller's hook, and is raised as it is: as a "broken connection" it would be retried, and never found.
    """
    if isinstance(error, aiohttp.InvalidURL):
        return ConfigError("the address is invalid")
    if isinstance(error, ValueError) and not sent and "Cannot combine AUTHORIZATION" in str(error):
        return ConfigError("the aiohttp session given has credentials of its own for this address (auth, or a netrc)")
    if not _is_foreign(error):
        without_locals(error)
        mark_effect(error, "possible" if sent else "none")
        return error
    if not sent:
        failure = ConnectError(f"the server was not reached: {_reason(error)}")
        if isinstance(error, aiohttp.ClientConnectorError):
            failure.__cause__ = error.os_error.with_traceback(None)
            # aiohttp's frames hold this error, so that they would keep the request until a full collection. It belongs
            # to this request alone; other errors may be shared with requests that are still under way.
            traceback.clear_frames(error.__traceback__)
        return failure
    if isinstance(error, TimeoutError):
        return ReplyTimeoutError(f"no answer within {total_s:g} s")
    return ReplyLostError(f"the answer was lost: {_cause(error)}")


def without_locals(error: BaseException) -> None:
    """Clear the local variables in an exception's frames: aiohttp's frames hold the token and the request.

    The traceback keeps its lines. aiohttp's errors in the chain are removed, because they hold the headers.

    Args:
        error: What was raised.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        if isinstance(link.__cause__, aiohttp.ClientError):
            link.__cause__ = None
        if isinstance(link.__context__, aiohttp.ClientError):
            link.__context__ = None
        chain += [link.__cause__, link.__context__]


_SYSTEMS_WORDS: Final = ("closed", "shutdown", "can't start new thread")
"""Words of RuntimeErrors of aiohttp, uvloop and thread pools that report a state and not a bug."""


def _is_foreign(error: Exception) -> bool:
    """Return whether an error is aiohttp's or the system's; a TypeError or KeyError, for example, is a bug."""
    if isinstance(error, RuntimeError):
        text = str(error).lower()
        return any(word in text for word in _SYSTEMS_WORDS)
    # The system's resolver refuses a host name with UnicodeError.
    return isinstance(
        error, aiohttp.ClientError | OSError | EOFError | HttpProcessingError | UnicodeError | zlib.error | EofStream
    )


def _cause(error: Exception) -> str:
    """Name what made an answer unreadable, without its content, which may be a voucher code."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, LineTooLong):
            return "a line of its head is longer than 64 KB"
        link = link.__cause__
    return type(error).__name__


def _reason(error: Exception) -> str:
    """Name host, port and cause, without the headers, which hold the token."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port} ({error.strerror or type(error).__name__})"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused with HTTP {error.status}"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return "the aiohttp session is closed"
    return type(error).__name__


def retry_after_s(header: str, date: str | None, now: float) -> float | None:
    """Read a `Retry-After` header, in seconds or as a date; None for anything else.

    Args:
        header: The header's value.
        date: The answer's `Date` header. A date counts by the server's clock, since ours may be wrong.
        now: Epoch seconds, used where there is no `Date` header.
    """
    try:
        seconds = float(header)
    except ValueError:
        until = _epoch(header)
        if until is None:
            return None
        sent_at = _epoch(date) if date else None
        # Dates have whole seconds, so the difference may be short by up to one second.
        seconds = max(until + 1 - (now if sent_at is None else sent_at), 0.0)
    return min(seconds, _MAX_RETRY_AFTER_S) if seconds >= 0 else None


def _epoch(date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a rare road, and a slow import

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
