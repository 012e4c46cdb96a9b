"""`server`: a sandbox starts, stops, restarts on its own port, and runs in a thread."""

import asyncio
import errno
import http.client
import socket
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import msgspec
import pytest

from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def test_a_restart_keeps_address_and_books(wire: Any) -> None:
    """After a restart the orders are found again and the tokens are valid."""
    async with Sandbox() as sandbox:
        where = sandbox.base_url
        await wire.place(sandbox)
        await sandbox.restart(0)
        assert sandbox.base_url == where
        assert (await wire.plum(sandbox, "getOrderDetails", poNumber="PO-1")).status == 200


async def test_a_restart_keeps_its_port_reserved() -> None:
    """During a restart callers are refused, and no other program can bind the port."""
    async with Sandbox() as sandbox:
        port = urlsplit(sandbox.base_url).port
        assert port
        away = asyncio.ensure_future(sandbox.restart(600))
        refused = False
        with anyio.fail_after(30):
            while not refused:
                with socket.socket() as caller:
                    refused = caller.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
                await anyio.sleep(0.005)
        with socket.socket() as taker, pytest.raises(OSError, match="in use"):
            taker.bind(("127.0.0.1", port))
        away.cancel()


async def test_a_scripted_restart_breaks_one_request(wire: Any) -> None:
    """The request that restarts the server is not booked; the same request afterwards is."""
    async with Sandbox() as sandbox:
        sandbox.script("restart", first=1, seconds=0)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
        assert sandbox.order("PO-1") is None
        with anyio.fail_after(30):
            while sandbox.order("PO-1") is None:
                with suppress(aiohttp.ClientError):
                    await wire.place(sandbox)
                await anyio.sleep(0.005)


async def test_two_restarts_at_once_are_one(wire: Any) -> None:
    """Requests that come together may all ask for a restart; the server comes back."""
    async with Sandbox() as sandbox:
        sandbox.script("restart", first=3, seconds=0.01)
        await asyncio.gather(*(wire.place(sandbox) for _ in range(3)), return_exceptions=True)
        with anyio.fail_after(30):
            while sandbox.order("PO-1") is None:
                with suppress(aiohttp.ClientError):
                    await wire.place(sandbox)
                await anyio.sleep(0.005)


async def test_a_sandbox_ended_during_restart_stays_down(wire: Any) -> None:
    """A sandbox that ends during its restart receives no more requests."""
    async with Sandbox() as sandbox:
        sandbox.script("restart", first=1, seconds=600)
        with pytest.raises(aiohttp.ClientError):
            await wire.place(sandbox)
    with suppress(aiohttp.ClientError):
        await wire.place(sandbox)
    assert len(sandbox.requests) == 1


async def test_the_books_are_readable_after_a_stop(wire: Any) -> None:
    """A test can read the books at its end, after the sandbox has stopped."""
    async with Sandbox() as sandbox:
        await wire.place(sandbox)
        await sandbox.stop()
        assert sandbox.books().orders == 1
        order = sandbox.order("PO-1")
    assert order is not None
    assert sandbox.order("PO-2") is None


def test_it_runs_in_a_thread_without_a_loop() -> None:
    """`run_in_thread` serves requests, and its thread is gone when the block ends."""
    before = threading.enumerate()
    with Sandbox().run_in_thread() as sandbox:
        asking = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=30)
        asking.request("GET", "/_sandbox/books")
        assert msgspec.json.decode(asking.getresponse().read())["orders"] == 0
        asking.close()
    assert threading.enumerate() == before


def test_a_taken_port_raises_in_the_starting_thread() -> None:
    """The error of a port in use is raised where `run_in_thread` is called, and no thread is left."""
    before = threading.enumerate()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            with Sandbox(port=taken.getsockname()[1]).run_in_thread():
                pass
    assert threading.enumerate() == before
