"""Codes, PINs, tokens and client secrets are in no log, repr, error or traceback."""

import asyncio
import copy
import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from xoxo_async import (
    ClientCredentials,
    LoggingHook,
    MemoryTokenStore,
    RateLimits,
    RefreshToken,
    RetryPolicy,
    XoxoClient,
    XoxoError,
)
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Return everything that any logger wrote, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def client_of(sandbox: Sandbox, secret: str = "") -> XoxoClient:
    return XoxoClient(
        ClientCredentials(sandbox.client_id, secret or sandbox.client_secret),
        base_url=sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
        hooks=[LoggingHook()],
    )


def secrets_of(sandbox: Sandbox) -> set[str]:
    """Return every value that must not be shown."""
    codes = {part for order in sandbox.state.orders.values() for pair in order.codes for part in pair if part}
    links = set(sandbox.state.links.all())
    return codes | links | set(sandbox.state.access) | {sandbox.client_secret}


async def test_nothing_shows_a_secret(xoxo_sandbox: Sandbox, logged: io.StringIO, tmp_path: Path) -> None:
    """Orders, errors with their local variables, links, tokens and a bulk run show no secret, at DEBUG too."""
    asyncio.get_running_loop().set_debug(True)
    seen: list[object] = []
    async with client_of(xoxo_sandbox) as client:
        order = await client.orders.place(product_id=1007, denomination=50, po_number="A", quantity=2)
        seen += [order, order.vouchers[0], f"{order.vouchers[0].code}", copy.deepcopy(order), client, order.raw]
        for kind in ("wrong_types", "truncated", "not_json", "no_order_id", "commit_then_reset", "duplicate_answer"):
            xoxo_sandbox.script(kind, first=1)
            seen.append(await client.orders.place(product_id=1002, denomination=150, po_number=kind))
        xoxo_sandbox.script("wrong_types", operation="getOrderDetails", first=1)
        try:
            await client.orders.get(po_number="A")
        except XoxoError as error:
            seen.append("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
        seen.append(await client.links.generate(campaign_id=7001, quantity=2, expires_on=date(2027, 1, 1)))
        seen.append(await client.account.check_token())
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            lines = [
                OrderLine(key=str(n), product_id=1007, denomination=order.vouchers[0].amount or 0) for n in range(9)
            ]
            seen.append(await BulkIssuer(client, ledger, job="j", settle_s=0).run(lines))
            seen += [line async for line in ledger.lines(with_codes=True)]
    async with client_of(xoxo_sandbox, secret="wrong-secret-42") as client:
        with pytest.raises(XoxoError) as caught:
            await client.account.get_balance()
        seen.append("".join(traceback.format_exception(caught.value)))
    text = logged.getvalue() + "\n".join(f"{item!r} {item}" for item in seen)
    hidden = secrets_of(xoxo_sandbox) | {"wrong-secret-42"}
    assert len(hidden) > 20
    # A PIN has six digits, which an address or a time may have by chance. So only a PIN that stands alone counts.
    alone = {secret: rf"(?<![\w.]){secret}(?![\w.])" if secret.isdigit() else re.escape(secret) for secret in hidden}
    assert [secret for secret, shown in alone.items() if re.search(shown, text)] == []


async def test_an_order_cannot_be_pickled(xoxo_sandbox: Sandbox) -> None:
    """Pickling an order raises an error, so that no code gets into a cache or a queue unnoticed."""
    async with client_of(xoxo_sandbox) as client:
        order = await client.orders.place(product_id=1001, denomination=100, po_number="A")
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(order)


class Echo:
    """A server whose token endpoint and API repeat in each refusal all that they were sent."""

    def __init__(self) -> None:
        self.tokens = 0
        self.refuse_tokens = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head.lower())
                body = await reader.readexactly(int(length[1]) if length else 0)
                shown = [line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization")]
                said = b"".join([*shown, body]).decode()
                if b"/token" in head.split(b"\r\n")[0] and not self.refuse_tokens:
                    self.tokens += 1
                    pair = {
                        "access_token": f"access/secret{self.tokens}",
                        "refresh_token": f"refresh/secret{self.tokens}",
                    }
                    answer: dict[str, object] = {**pair, "expires_in": 1000}
                    status = 200
                else:
                    answer, status = {"code": 500, "errorInfo": said, "error": said, "message": said}, 500
                content = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("refuse_tokens", [False, True])
@pytest.mark.parametrize("rotating", [False, True])
async def test_an_echoing_server_shows_no_secret(logged: io.StringIO, rotating: bool, refuse_tokens: bool) -> None:
    """Access token, client secret and refresh token are in no error, event or log."""
    echo = Echo()
    echo.refuse_tokens = refuse_tokens
    server = await asyncio.start_server(echo.talk, "127.0.0.1", 0)
    seen: list[object] = []
    provider = (
        RefreshToken("me", "client/secret", "first/secret", store=MemoryTokenStore())
        if rotating
        else ClientCredentials("me", "client/secret")
    )
    try:
        async with XoxoClient(
            provider,
            base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            rate_limits=RateLimits.unlimited(),
            retry=RetryPolicy(attempts=2, base_s=0, max_s=0),
            hooks=[LoggingHook(), seen.append],
        ) as client:
            for call in (
                client.account.get_balance(),
                client.orders.place(product_id=1001, denomination=100, po_number="A"),
                client.links.generate(campaign_id=7001, quantity=2, expires_on=date(2027, 1, 1)),
            ):
                with pytest.raises(XoxoError) as caught:
                    await call
                seen += [caught.value, vars(caught.value), caught.value.__cause__]
                seen.append("".join(traceback.TracebackException.from_exception(caught.value).format()))
    finally:
        server.close()
    text = logged.getvalue() + "\n".join(f"{item!r} {item}" for item in seen)
    assert "***" in text
    assert re.findall(r"(?:access|refresh|client|first)(?:/|%2F)secret\d*", text) == []
