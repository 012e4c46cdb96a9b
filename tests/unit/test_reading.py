"""`reading`: what pacer and session learn from an answer that is no success."""

from typing import Any

import pytest

from xoxo_async import RateLimits, errors
from xoxo_async.pacing import Pacer
from xoxo_async.reading import Reader
from xoxo_async.services.account import GET_BALANCE
from xoxo_async.transport.http import Answer
from xoxo_async.wire.secrets import Secret

pytestmark = pytest.mark.anyio

TOKEN = Secret("tok-en")


class Keeping:
    """A session that notes which token was refused."""

    secrets: tuple[Secret, ...] = ()

    def __init__(self) -> None:
        self.refused: list[tuple[Secret | None, bool]] = []

    def reject(self, bearer: Secret | None, *, worked: bool) -> None:
        self.refused.append((bearer, worked))


def reader() -> tuple[Reader, Any, Pacer]:
    session: Any = Keeping()
    pacer = Pacer(RateLimits(), clock=lambda: 0.0)
    return Reader(session, pacer), session, pacer


def answer(status: int, body: bytes, retry_after_s: float | None = None) -> Answer:
    return Answer(status, body, TOKEN, retry_after_s)


@pytest.mark.parametrize(("body", "blocked_s"), [
        (b'{"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 30}]}', 30.0),
        (b'{"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 0}]}', 1.0),
        (b'{"message": "auth.request_limit_exceeded"}', 60.0),
    ],
)  # fmt: skip
async def test_a_penalty_reaches_the_pacer(body: bytes, blocked_s: float) -> None:
    """A penalty that names no time counts as a minute, one of no time as a second."""
    read, _, pacer = reader()
    with pytest.raises(errors.RateLimitedError):
        await read.read(GET_BALANCE, answer(429, body))
    assert pacer.blocked_s(GET_BALANCE.name) == blocked_s


async def test_a_busy_server_says_when_to_come_back() -> None:
    """The Retry-After of a 503 holds the operation back although it is no rate limit."""
    read, _, pacer = reader()
    with pytest.raises(errors.ServerError):
        await read.read(GET_BALANCE, answer(503, b"", 7.0))
    assert pacer.blocked_s(GET_BALANCE.name) == 7.0


async def test_a_refused_token_is_named_to_the_session() -> None:
    """The session learns which token was refused, and whether the vendor had accepted it before."""
    read, session, _ = reader()
    for worked in (False, True):
        with pytest.raises(errors.TokenRejectedError):
            await read.read(GET_BALANCE, answer(401, b'{"error": "invalid_token"}'))
        read.worked = TOKEN
        assert session.refused[-1] == (TOKEN, worked)


async def test_a_refusal_of_the_operation_accepts_the_token() -> None:
    """An error id comes from the application, behind the check of the token."""
    read, _, _ = reader()
    with pytest.raises(errors.ServerError):
        await read.read(GET_BALANCE, answer(500, b'{"errorId": "PLE10023", "error": "x"}'))
    assert read.worked is TOKEN


async def test_an_echoed_token_is_masked() -> None:
    """A server that repeats the request shows no token in the error."""
    read, _, _ = reader()
    with pytest.raises(errors.BadRequestError) as caught:
        await read.read(GET_BALANCE, answer(400, b'{"errorId": "PLE10032", "error": "Bearer tok-en"}'))
    assert "tok-en" not in str(caught.value)
