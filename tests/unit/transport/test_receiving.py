"""`receiving`: no body is read without end, and every foreign error means one of ours."""

import gzip

import aiohttp
import pytest

from tests.unit.transport.answers import answered, head
from xoxo_async import errors
from xoxo_async.transport.receiving import read, retry_after_s, translate

pytestmark = pytest.mark.anyio


async def test_a_compressed_body_is_read_by_what_it_becomes() -> None:
    """The head tells the packed length only, so the bytes are counted while they are read."""
    packed = gzip.compress(b"hello" * 10)
    async with answered(head(len(packed), b"Content-Encoding: gzip\r\n") + packed) as (response, _):
        assert await read(response) == b"hello" * 10


@pytest.mark.parametrize(
    ("error", "sent", "expected"),
    [
        (aiohttp.ServerDisconnectedError(), True, errors.ReplyLostError),
        (aiohttp.ServerDisconnectedError(), False, errors.ConnectError),
        (TimeoutError(), True, errors.ReplyTimeoutError),
        (TimeoutError(), False, errors.ConnectError),
        (aiohttp.ConnectionTimeoutError(), False, errors.ConnectError),
        (aiohttp.ConnectionTimeoutError(), True, errors.ReplyTimeoutError),
        (aiohttp.InvalidURL("x"), False, errors.ConfigError),
        (OSError("a secret"), True, errors.ReplyLostError),
        (RuntimeError("Session is closed"), False, errors.ConnectError),
    ],
)
async def test_what_a_foreign_error_means_depends_on_whether_anything_left(
    error: Exception, sent: bool, expected: type[errors.XoxoError]
) -> None:
    """Before that it proves that nothing happened; after it, it proves nothing. Its words are not repeated."""
    found = translate(error, sent=sent, total_s=30.0)
    assert type(found) is expected
    assert "a secret" not in str(found)


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("7", None, 7.0),
        (" 1.5 ", None, 1.5),
        ("-1", None, None),
        ("nan", None, None),
        ("soon", None, None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", None, 91.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", None, 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", "Thu, 01 Jan 1970 00:01:30 GMT", 11.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", "yesterday", 91.0),
        ("9" * 400, None, 3600.0),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(header: str, date: str | None, seconds: float | None) -> None:
    """Both forms of the header, and rubbish, come out as bounded seconds or None; a date by the server's clock."""
    assert retry_after_s(header, date, now=10.0) == seconds
