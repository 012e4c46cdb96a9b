"""The web apps of `soak_web.py`: each serves claims with the SDK's helpers, and says what it holds.

Every app answers `POST /claim` (headers `X-Key`, and `X-Road`: `sdk` or the hand-written `bare`), and `GET /state`.
"""

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import anyio
import msgspec
from placers import HEADERS, PATH, QUERY, Envelope, PlaceOrder, Reply, Variables

from xoxo_async import ClientCredentials, RateLimits, Timeouts, XoxoClient, XoxoError
from xoxo_async.integrations.background_desk import BackgroundDesk
from xoxo_async.integrations.desk import OrderDesk
from xoxo_async.integrations.http_status import http_answer
from xoxo_async.sandbox import Sandbox

FRAMEWORKS: Final = ("fastapi", "litestar", "aiohttp_web", "django")
SHARE: Final = 300
"""How many orders `GET /state?what=cost` places on each road."""

Answer = tuple[int, bytes]
times: Final[dict[str, list[float]]] = {}


def make_client() -> XoxoClient:
    """Make the client that each app uses. The vendor of the soak has no limits."""
    return XoxoClient(
        ClientCredentials(Sandbox.client_id, Sandbox.client_secret),
        base_url=os.environ.get("SOAK_VENDOR", ""),
        rate_limits=RateLimits.unlimited(),
        timeouts=Timeouts(connect_s=5, read_s=5, order_s=10, token_s=5, call_s=40),
        max_connections=400,
    )


class Bare:
    """aiohttp and msgspec, written by hand: the same order without the SDK."""

    def __init__(self) -> None:
        self._base = os.environ.get("SOAK_VENDOR", "")
        self._http: aiohttp.ClientSession | None = None
        self._bearer = ""
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._decoder = msgspec.json.Decoder(Reply)

    async def place(self, po_number: str) -> None:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=400))
        order = PlaceOrder(1001, 1, 500, po_number, notify_receiver_email=0, notify_admin_email=0)  # type: ignore[arg-type]
        body = self._encoder.encode(Envelope(QUERY, "plumProAPI", Variables(order)))
        for _ in range(2):
            headers = HEADERS | {"Authorization": f"Bearer {self._bearer}"}
            async with self._http.post(self._base + PATH, data=body, headers=headers) as response:
                if response.status == 200:
                    answer = self._decoder.decode(await response.read())
                    assert answer.data is not None
                    return
            form = {"grant_type": "client_credentials", "client_id": Sandbox.client_id}
            form["client_secret"] = Sandbox.client_secret
            async with self._http.post(self._base + "/v1/oauth/token", data=form) as response:
                self._bearer = (await response.json())["access_token"]
        raise RuntimeError("no token")

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


bare: Final = Bare()


async def claim(desk: OrderDesk, road: str, key: str) -> Answer:
    """Serve one claim, and note how long its order took."""
    began = time.perf_counter()
    if road.startswith("bare"):
        await bare.place(key)
        status, body = 200, b"{}"
    else:
        try:
            order = await desk.place(product_id=1001, denomination=500, po_number=key)
            status, body = 200, b'{"id": %d}' % (order.order_id if order else 0)
        except XoxoError as error:
            answer = http_answer(error)
            status, body = answer.status, answer.json()
    times.setdefault(road, []).append(time.perf_counter() - began)
    return status, body


async def state(desk: OrderDesk, what: str) -> Answer:
    """Say what the process holds; with `times`, how long orders took; with `cost`, what one costs of the CPU."""
    said: dict[str, Any] = held()
    if what == "times":
        said["times"] = {road: sorted(took) for road, took in times.items()}
        times.clear()
    elif what == "cost":
        # The thread's own time: what a call costs, and not how long a busy machine lets it wait.
        said["cost"] = {"sdk": [], "bare": [], "bare again": []}
        for number in range(SHARE):
            for road, costs in said["cost"].items():
                key = f"cost-{road.replace(' ', '-')}-{number}-{time.time_ns()}"
                began = time.thread_time()
                await claim(desk, road, key)
                costs.append(time.thread_time() - began)
        times.clear()
    return 200, json.dumps(said).encode()


def held() -> dict[str, Any]:
    """Return the tasks that are not done, the sockets, the locks that are held, the threads and the memory."""
    gc.collect()
    tasks: Counter[str] = Counter()
    locked = 0
    for thing in gc.get_objects():
        if isinstance(thing, asyncio.Task):
            if not thing.done():
                tasks[getattr(thing.get_coro(), "__qualname__", "?")] += 1
        elif isinstance(thing, asyncio.Lock | anyio.Lock):
            locked += thing.locked()
        elif isinstance(thing, anyio.CapacityLimiter):
            locked += thing.borrowed_tokens > 0
    fds = "/proc/self/fd"
    links = [_link(f"{fds}/{name}") for name in os.listdir(fds)]  # noqa: PTH208
    return {
        "tasks": tasks,
        "sockets": sum(link.startswith("socket:") for link in links),
        "locked": locked,
        "threads": threading.active_count(),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cpu_s": time.process_time(),
        "complaints": complaints,
    }


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:  # the descriptor of the listing itself
        return ""


# The apps. Each returns what serves it until it is told to stop.


def fastapi_app() -> Any:
    from typing import Annotated

    from fastapi import Depends, FastAPI, Header, Response

    from xoxo_async.integrations.fastapi import get_desk, lifespan

    app = FastAPI(lifespan=lifespan(make_client))
    Desk = Annotated[OrderDesk, Depends(get_desk)]  # noqa: N806

    @app.post("/claim")
    async def serve(desk: Desk, x_road: Annotated[str, Header()], x_key: Annotated[str, Header()]) -> Response:
        status, body = await claim(desk, x_road, x_key)
        return Response(body, status)

    @app.get("/state")
    async def tell(desk: Desk, what: str = "") -> Response:
        return Response((await state(desk, what))[1])

    return app


def litestar_app() -> Any:
    from litestar import Litestar, Request, Response, get, post
    from litestar.di import NamedDependency

    from xoxo_async.integrations.litestar import XoxoPlugin

    @post("/claim")
    async def serve(request: Request[Any, Any, Any], xoxo_desk: NamedDependency[OrderDesk]) -> Response[bytes]:
        status, body = await claim(xoxo_desk, request.headers["X-Road"], request.headers["X-Key"])
        return Response(body, status_code=status)

    @get("/state")
    async def tell(request: Request[Any, Any, Any], xoxo_desk: NamedDependency[OrderDesk]) -> Response[bytes]:
        return Response((await state(xoxo_desk, request.query_params.get("what", "")))[1])

    return Litestar([serve, tell], plugins=[XoxoPlugin(make_client)], logging_config=None)


def django_app() -> Any:
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    async def serve(request: HttpRequest) -> HttpResponse:
        road, key = request.headers["X-Road"], request.headers["X-Key"]
        status, body = await background.call(lambda desk: claim(desk, road, key))
        return HttpResponse(body, status=status)

    async def tell(request: HttpRequest) -> HttpResponse:
        what = request.GET.get("what", "")
        return HttpResponse((await background.call(lambda desk: state(desk, what)))[1])

    settings.configure(
        ROOT_URLCONF=(path("claim", serve), path("state", tell)), SECRET_KEY="soak", ALLOWED_HOSTS=["127.0.0.1"]
    )
    return get_asgi_application()


background: Final = BackgroundDesk(make_client)


def aiohttp_app() -> Any:
    from aiohttp import web

    from xoxo_async.integrations.aiohttp_web import get_desk, lifespan

    async def serve(request: web.Request) -> web.Response:
        status, body = await claim(get_desk(request), request.headers["X-Road"], request.headers["X-Key"])
        return web.Response(body=body, status=status)

    async def tell(request: web.Request) -> web.Response:
        return web.Response(body=(await state(get_desk(request), request.query.get("what", "")))[1])

    app = web.Application()
    app.cleanup_ctx.append(lifespan(make_client))
    app.add_routes([web.post("/claim", serve), web.get("/state", tell)])
    return app


APPS: Final[dict[str, Callable[[], Any]]] = {
    "fastapi": fastapi_app,
    "litestar": litestar_app,
    "aiohttp_web": aiohttp_app,
    "django": django_app,
}
complaints: Final[list[str]] = []


async def _serve(framework: str, listener: socket.socket) -> None:
    """Serve until SIGTERM, and close what belongs to the measurement."""
    stop: Callable[[], Awaitable[None]] = bare.close
    if framework == "aiohttp_web":
        from aiohttp import web

        # The harder way: aiohttp cancels the handler of a client that disconnects.
        runner = web.AppRunner(APPS[framework](), handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener, backlog=1024).start()
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
        await done.wait()
        await runner.cleanup()
    else:
        import uvicorn

        config = uvicorn.Config(
            APPS[framework](), log_level="error", access_log=False, backlog=1024, timeout_graceful_shutdown=10,
            lifespan="off" if framework == "django" else "on",
        )  # fmt: skip
        await uvicorn.Server(config).serve(sockets=[listener])
    if framework == "django":

        async def closing(_desk: OrderDesk) -> None:
            await bare.close()

        await background.call(closing)
        await asyncio.to_thread(background.close)
        await asyncio.get_running_loop().shutdown_default_executor()
    else:
        await stop()
    listener.close()
    await asyncio.sleep(0.1)  # transports close in the next rounds of the loop
    print(json.dumps(held()), flush=True)


def main() -> None:
    """Serve the app that the command line names, on the socket that it is given."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has stopped
    logging.getLogger("xoxo_async").setLevel(logging.ERROR)  # the storm leaves many orders in doubt for a moment
    warnings.simplefilter("always", ResourceWarning)
    warnings.showwarning = lambda message, *_rest, **_more: complaints.append(str(message))
    listener = socket.socket(fileno=int(sys.argv[2]))

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: complaints.append(f"{context.get('message')}: {context.get('exception')!r}")
        )
        await _serve(sys.argv[1], listener)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
