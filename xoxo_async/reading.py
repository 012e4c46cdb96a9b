"""Reads the answers that take a closer look: the large ones, and those that are no success."""

from functools import partial
from typing import Any, Final, Protocol, TypeVar

import anyio.to_thread
import msgspec

from xoxo_async.errors import AuthError, DecodeError, RateLimitedError, TokenRejectedError, XoxoError
from xoxo_async.operation import EffectClass, Operation
from xoxo_async.pacing import Pacing
from xoxo_async.transport.http import Answer
from xoxo_async.wire.raw import KEPT_BYTES, RawReply
from xoxo_async.wire.refusal import recognise
from xoxo_async.wire.secrets import Secret

__all__ = ["LARGE", "Reader", "TokenHolder", "keep_beside", "note_error", "raw_of"]

Reply = TypeVar("Reply")

LARGE: Final = 64 * 1024
"""Bodies from this size are decoded in a thread: read with tolerance, a thousand products take a tenth of a second."""

_LEAST_PENALTY_S: Final = 1.0
"""A penalty of no time at all counts as this one: asked again at once, such a server would be asked without end."""

_DEFAULT_PENALTY_S: Final = 60.0
"""The penalty where a refusal names none: a minute, the vendor's window, which its page shows as an example."""

_SAYS_WHEN: Final = frozenset({429, 503})
"""With these statuses `Retry-After` is about the operation, whatever else the answer says."""


class TokenHolder(Protocol):
    """The part of `Session` that the answer to a call concerns."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must be masked where a server's words are repeated."""
        ...

    def reject(self, bearer: Secret | None, *, worked: bool = False) -> TokenRejectedError | None:
        """Forget an access token that the vendor refused."""
        ...


class Reader:
    """Read answers, and let pacer and session learn from those that are no success.

    Args:
        tokens: Forgets a token that was refused.
        pacer: Keeps penalties.

    Attributes:
        worked: The last access token that the vendor accepted, None before one was.
    """

    __slots__ = ("_pacer", "_tokens", "worked")

    def __init__(self, tokens: TokenHolder, pacer: Pacing) -> None:
        self._tokens: Final = tokens
        self._pacer: Final = pacer
        self.worked: Secret | None = None

    async def read(self, operation: Operation[Any, Reply], answer: Answer) -> Reply:
        """Read an answer; a large one in a thread.

        Args:
            operation: What was asked.
            answer: Its answer.

        Returns:
            The reply, where it is a success after all, or where its error means that there is nothing.

        Raises:
            XoxoError: What the answer means otherwise.
        """
        undecoded: DecodeError | None = None
        if answer.status < 300:
            try:
                reply = await _decoded(operation, answer.body)
            except DecodeError as error:
                undecoded = error.with_traceback(None)  # its frames hold the answer, codes included
            else:
                if reply is not None:
                    return reply
        if answer.connection is not None:
            # At once: what comes on it later must not be read as the answer to another request.
            answer.connection.close()
        refusal = await self._refusal(operation, answer, undecoded)
        refusal.raw = raw_of(answer)
        if operation.empty is not None and refusal.error_id in operation.empty_on:
            return operation.empty
        try:
            raise refusal
        finally:
            del refusal, undecoded  # its traceback leads to this frame: together they would wait for a full collection

    async def _refusal(
        self, operation: Operation[Any, Any], answer: Answer, undecoded: DecodeError | None
    ) -> XoxoError:
        """Let pacer and session know what an answer that is no success means, and choose the error to raise."""
        error = await _recognised(operation, answer, self._tokens.secrets)
        self._note_penalty(operation.name, answer, error)
        if isinstance(error, TokenRejectedError):
            held = self._tokens.reject(answer.bearer, worked=answer.bearer is self.worked)
            if held is not None:
                held.status, held.error_id = error.status, error.error_id
                return held
            return error
        if error.error_id and not isinstance(error, AuthError):
            self.worked = answer.bearer  # the operation itself refused, which comes after the token was accepted
        if undecoded is not None and not error.error_id and not isinstance(error, AuthError | RateLimitedError):
            undecoded.status = answer.status
            undecoded.effect = error.effect
            return undecoded
        return error

    def _note_penalty(self, operation: str, answer: Answer, error: XoxoError) -> None:
        if isinstance(error, RateLimitedError):
            if error.retry_after_s is None:
                error.retry_after_s = _DEFAULT_PENALTY_S
            elif error.retry_after_s <= 0:
                error.retry_after_s = _LEAST_PENALTY_S
            self._pacer.penalise(operation, error.retry_after_s)
        elif answer.retry_after_s is not None and answer.status in _SAYS_WHEN:
            self._pacer.penalise(operation, answer.retry_after_s)


def keep_beside(reply: Any, answer: Answer) -> None:
    """Keep an answer beside the rows of a list, or in the field `raw` of a caller's struct.

    Args:
        reply: What was read.
        answer: The answer it was read from.
    """
    if isinstance(reply, msgspec.Struct):
        msgspec.structs.force_setattr(reply, "raw", RawReply.of(answer))
    else:
        reply.raw = RawReply.of(answer)


def raw_of(answer: Answer) -> RawReply:
    """Return what an error says of the answer that it comes from; the answer lets go of the rest.

    Args:
        answer: The answer.
    """
    if len(answer.body) > KEPT_BYTES:
        answer.let_go()
    answer.connection, answer.queued_at = None, answer.sent_at
    return RawReply.of(answer)


def note_error(error: XoxoError, queued: float, attempts: int) -> None:
    """Note in an error when its call began, and how many attempts it took.

    Args:
        error: The error; one without an answer stays as it is.
        queued: When the call began, by the monotonic clock.
        attempts: How many attempts it took.
    """
    raw = error.raw
    if isinstance(raw, RawReply) and raw.facts is not None:
        raw.facts.queued_at, raw.facts.attempts = queued, attempts


async def _decoded(operation: Operation[Any, Reply], body: bytes) -> Reply | None:
    if len(body) >= LARGE:
        return await anyio.to_thread.run_sync(operation.read, body)
    return operation.read(body)


async def _recognised(operation: Operation[Any, Any], answer: Answer, secrets: tuple[Secret, ...]) -> XoxoError:
    if answer.bearer is not None:
        secrets = (answer.bearer, *secrets)  # the client may have got another one meanwhile
    read = partial(
        recognise,
        answer.body,
        answer.status,
        changes_nothing=operation.effect is EffectClass.READ,
        retry_after_s=answer.retry_after_s,
        secrets=secrets,
    )
    return await anyio.to_thread.run_sync(read) if len(answer.body) >= LARGE else read()
