"""`watching`: what an answer says beside its body is noted, and a server that is away is told."""

import socket

import pytest

from xoxo_async import errors
from xoxo_async.network import Network
from xoxo_async.sandbox import Sandbox
from xoxo_async.transport.watching import WatchedSession, look_at_tls

pytestmark = pytest.mark.anyio


async def test_a_knock_notes_the_date(xoxo_sandbox: Sandbox) -> None:
    """Without a token, and without following a redirect."""
    watched = WatchedSession(xoxo_sandbox.base_url, Network())
    try:
        heard = await watched.knock(5)
    finally:
        await watched.aclose()
    assert heard.date.endswith("GMT")
    assert heard.limits == {}
    assert heard.began <= heard.ended
    assert watched.heard == [heard]


async def test_a_server_that_is_away_is_told() -> None:
    """As an error of the network, that changed nothing."""
    watched = WatchedSession("http://127.0.0.1:9/chef", Network())
    try:
        with pytest.raises(errors.ConnectError):
            await watched.knock(5)
    finally:
        await watched.aclose()


async def test_a_server_that_is_silent_is_told() -> None:
    """After the time given, and not later."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        watched = WatchedSession(f"http://127.0.0.1:{silent.getsockname()[1]}/chef", Network())
        try:
            with pytest.raises(errors.ConnectError, match=r"within 0.05 s"):
                await watched.knock(0.05)
            with pytest.raises(errors.ConnectError, match=r"TLS with 127\.0\.0\.1 failed"):
                await look_at_tls(f"https://127.0.0.1:{silent.getsockname()[1]}", None, 0.05)
        finally:
            await watched.aclose()
