"""Send request bodies to a running sandbox that the SDK's own client never sends."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from xoxo_async.sandbox import STATIC_TOKEN, Sandbox


class Answer(NamedTuple):
    """What came back, not decoded."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)


class Wire:
    """A client that follows no redirect, unpacks nothing and repeats nothing."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def post(self, sandbox: Sandbox, path: str, raw: bytes, **headers: str) -> Answer:
        given = {"Authorization": f"Bearer {STATIC_TOKEN}", "Content-Type": "application/json"}
        async with self.http.post(
            sandbox.base_url + path, data=raw, headers={**given, **headers}, allow_redirects=False
        ) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())

    async def ask(self, sandbox: Sandbox, query: str, variables: object, path: str = "/v1/oauth/api") -> Answer:
        return await self.post(sandbox, path, msgspec.json.encode({"query": query, "variables": variables}))

    async def plum(self, sandbox: Sandbox, name: str, **data: object) -> Answer:
        return await self.ask(sandbox, f"plumProAPI.mutation.{name}", {"data": data})

    async def place(self, sandbox: Sandbox, po_number: str = "PO-1", quantity: int = 4) -> Answer:
        return await self.plum(
            sandbox, "placeOrder", productId=1001, quantity=quantity, denomination=100, poNumber=po_number
        )


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Return a client for any sandbox."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        yield Wire(http)
