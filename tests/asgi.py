"""Call an ASGI app without a server: its lifespan, its requests, and a client that disconnects."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asgi:
    """A started app."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def request(
        self,
        method: str,
        path: str,
        *,
        data: object = None,
        headers: Mapping[str, str] | None = None,
        gone: asyncio.Event | None = None,
    ) -> Answer:
        """Make one request; once `gone` is set, its client has disconnected."""
        body = data if isinstance(data, bytes) else b"" if data is None else json.dumps(data).encode()
        given = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(body))}
        given |= {name.lower(): value for name, value in (headers or {}).items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        if not sent:
            return Answer(0, {}, b"")
        names = {name.decode().lower(): value.decode() for name, value in sent[0].get("headers", ())}
        return Answer(sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))


@asynccontextmanager
async def started(app: Any, *, lifespan: bool = True) -> AsyncIterator[Asgi]:
    """Start an app, and stop it. An error at its start is raised."""
    if not lifespan:
        yield Asgi(app)
        return
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    serving = asyncio.ensure_future(app(scope, inbox.get, outbox.put))
    try:
        for step in ("startup", "shutdown"):
            await inbox.put({"type": f"lifespan.{step}"})
            answer = await outbox.get()
            assert answer["type"] == f"lifespan.{step}.complete", answer
            if step == "startup":
                yield Asgi(app)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
