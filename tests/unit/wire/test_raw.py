"""`wire.raw`: what stands behind a reply or an error, without its secrets unless revealed."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.unit.servers import http, read_request, serving
from xoxo_async import RateLimits, RetryPolicy, StaticToken, XoxoClient, errors
from xoxo_async.wire.raw import KEPT_BYTES, RawReply

pytestmark = pytest.mark.anyio

TOKEN = "TOKEN-THAT-IS-LONG"
BALANCE = b'{"data": {"getBalance": {"status": 1, "data": {"value": 5, "currency": "INR"}}}}'
PRODUCT = b'{"productId": 1, "name": "%s"}'
HEADERS = (
    b"X-Request-ID: req-1",
    b"Date: Wed, 21 Oct 2026 07:28:00 GMT",
    b"Set-Cookie: sid=SESSION",
    b"X-Echo: Bearer " + TOKEN.encode(),
)


class Answers:
    """A server that gives its answers in turn, the last one again and again."""

    def __init__(self) -> None:
        self.answers = [http(BALANCE, *HEADERS)]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        await writer.drain()


@pytest.fixture
async def server() -> Answers:
    return Answers()


@pytest.fixture
async def xoxo(server: Answers) -> AsyncIterator[XoxoClient]:
    async with (
        serving(server.talk) as url,
        XoxoClient(
            StaticToken(TOKEN),
            base_url=url,
            rate_limits=RateLimits.unlimited(),
            retry=RetryPolicy(attempts=2, base_s=0, max_s=0),
        ) as client,
    ):
        yield client


async def test_a_reply_knows_its_answer(server: Answers, xoxo: XoxoClient) -> None:
    """Status, headers, the server's id and date, times in order, attempts; token and cookies are masked."""
    server.answers.insert(0, http(b"<html>", status=b"502 Bad Gateway"))
    raw = (await xoxo.account.get_balance()).raw
    assert raw is not None
    assert (raw.status, raw.attempts, raw.request_id) == (200, 2, "req-1")
    assert raw.date == datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    assert raw.times is not None
    assert list(raw.times) == sorted(raw.times)
    assert raw.times.total_s == pytest.approx(raw.times.done - raw.times.queued)
    assert min(raw.times.waited_s, raw.times.answer_s) >= 0
    assert raw.headers["set-cookie"] == "***"
    assert TOKEN not in f"{raw.headers} {raw!r}"
    assert raw.reveal() == BALANCE
    assert raw.body is not None
    assert raw.body.reveal() == BALANCE
    assert "INR" not in repr(raw.body)


async def test_a_call_without_a_body_has_times(server: Answers, xoxo: XoxoClient) -> None:
    """A GET has them too."""
    server.answers = [http(b'{"access_token": "t"}')]
    raw = (await xoxo.account.check_token()).raw
    assert raw is not None
    assert raw.times is not None
    assert 0 < raw.times.queued <= raw.times.sent <= raw.times.first_byte


async def test_an_error_knows_its_answer(server: Answers, xoxo: XoxoClient) -> None:
    """It has the same, its pickle does not; an error without an answer has none."""
    server.answers = [http(b'{"error": "' + TOKEN.encode() + b'"}', *HEADERS, status=b"400 Bad Request")]
    with pytest.raises(errors.ApiError) as caught:
        await xoxo.account.get_balance()
    raw = caught.value.raw
    assert raw is not None
    assert (raw.status, raw.attempts, raw.request_id) == (400, 1, "req-1")
    assert raw.times is not None
    assert raw.times.queued <= raw.times.sent
    assert TOKEN not in f"{raw.headers} {raw!r} {caught.value}"
    assert pickle.loads(pickle.dumps(caught.value)).raw is None  # noqa: S301 - our own bytes
    server.answers = [b""]
    with pytest.raises(errors.ReplyLostError) as lost:
        await xoxo.account.get_balance()
    assert lost.value.raw is None


@pytest.mark.parametrize("keep", [False, True])
async def test_a_large_body_is_kept_when_asked(server: Answers, xoxo: XoxoClient, keep: bool) -> None:
    """A page lets go of it, and says so to whoever asks for unknown fields; the rest of `raw` stays."""
    row = PRODUCT % (b"n" * KEPT_BYTES)
    server.answers = [http(b'{"data": {"getVouchers": {"status": 1, "data": [' + row + b"]}}}")]
    page = await xoxo.with_options(keep_body=keep).catalog.list_vouchers()
    assert page.raw is not None
    assert page.raw.status == 200
    if keep:
        assert page.extra == ({},)
        assert len(page.raw.reveal()) > KEPT_BYTES
        return
    assert page.raw.body is None
    assert "not kept" in repr(page.raw)
    with pytest.raises(errors.ConfigError, match="keep_body=True"):
        _ = page.extra


def test_a_reply_from_elsewhere_knows_nothing() -> None:
    """What a test makes by hand has no status, no headers, no times."""
    raw = RawReply(b"{}")
    assert (raw.status, raw.headers, raw.times, raw.attempts, raw.request_id, raw.date) == (None, {}, None, 0, "", None)
