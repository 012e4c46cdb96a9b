"""The FastAPI app of `bench_web.py`: routes that differ only in how they place the same order."""

import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from placers import TOKEN, BareJson
from rounds import AGAIN

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.hooks import Event
from xoxo_async.integrations.fastapi import add_error_handlers, get_client, get_desk, lifespan
from xoxo_async.integrations.starlette import OrderDesk

BY_HAND: Final = "aiohttp + json by hand"
PLACE: Final = "orders.place"
HOOKED: Final = "orders.place, a hook"
DESK: Final = "desk.place"
ROADS: Final = {BY_HAND: "json", BY_HAND + AGAIN: "json-again", PLACE: "sdk", HOOKED: "hooked", DESK: "desk"}
"""The routes, and the first part of their paths."""

CONNECTIONS: Final = 400
"""The pool of each road. aiohttp's default of 100 would make 300 callers wait for a connection."""


def _idle(_event: Event) -> None:
    return None


def _client(vendor: str, *, hooked: bool = False) -> XoxoClient:
    return XoxoClient(
        StaticToken(TOKEN),
        base_url=vendor,
        rate_limits=RateLimits.unlimited(),
        max_connections=CONNECTIONS,
        hooks=[_idle] if hooked else [],
    )


async def _by_hand(request: Request) -> BareJson:
    by_hand: BareJson = request.app.state.by_hand
    return by_hand


async def _hooked(request: Request) -> XoxoClient:
    hooked: XoxoClient = request.app.state.hooked
    return hooked


def make_app(vendor: str) -> FastAPI:
    """Return the app.

    Args:
        vendor: The address of the stub.
    """

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncGenerator[None]:
        app.state.by_hand = BareJson(CONNECTIONS)
        await app.state.by_hand.open(vendor)
        async with lifespan(lambda: _client(vendor))(app), _client(vendor, hooked=True) as app.state.hooked:
            yield
        await app.state.by_hand.close()

    app = FastAPI(lifespan=living)
    add_error_handlers(app)

    async def with_json(number: int, by_hand: Annotated[BareJson, Depends(_by_hand)]) -> dict[str, int]:
        return {"order_id": await by_hand.place(number)}

    async def with_client(number: int, client: Annotated[XoxoClient, Depends(get_client)]) -> dict[str, int]:
        order = await client.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{number}")
        return {"order_id": order.order_id}

    async def with_hook(number: int, client: Annotated[XoxoClient, Depends(_hooked)]) -> dict[str, int]:
        order = await client.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{number}")
        return {"order_id": order.order_id}

    async def with_desk(number: int, desk: Annotated[OrderDesk, Depends(get_desk)]) -> dict[str, int]:
        order = await desk.place(product_id=1001, denomination=500, po_number=f"BENCH-{number}")
        return {"order_id": order.order_id if order else 0}

    routes: dict[str, Any] = {PLACE: with_client, HOOKED: with_hook, DESK: with_desk}
    for name, path in ROADS.items():
        app.post(f"/{path}/{{number}}")(routes.get(name, with_json))

    @app.get("/cpu")
    async def cpu() -> Response:
        """Return the CPU seconds so far, after a collection: the next road does not pay for the last one's garbage."""
        gc.collect()
        full = gc.get_stats()[2]["collections"]
        return Response(json.dumps({"cpu_s": time.process_time(), "full_collections": full}))

    return app


async def _serve(listener: socket.socket, vendor: str) -> None:
    config = uvicorn.Config(make_app(vendor), log_level="error", access_log=False, backlog=1024)
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Serve on the socket that the command line gives, until SIGTERM. The loop is `asyncio` or `uvloop`."""
    _, file, vendor, loop = sys.argv
    run = asyncio.run
    if loop == "uvloop":
        import uvloop

        run = uvloop.run
    run(_serve(socket.socket(fileno=int(file)), vendor))


if __name__ == "__main__":
    main()
