"""Starlette: the client in the app's lifespan, errors as HTTP answers, and the vendor's webhook.

app = Starlette(routes=[...], lifespan=lifespan)
add_error_handlers(app)

async def claim(request: Request) -> Response:
    order = await get_desk(request).place(...)
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import overload

from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError, XoxoError
from xoxo_async.integrations.desk import ClientSource, OrderDesk, opened
from xoxo_async.integrations.http_status import http_answer, log_error
from xoxo_async.integrations.webhook import Asgi, Delivery, SeenStore, WebhookReceiver

try:
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
except ImportError as _why:
    raise ImportError(f"xoxo_async.integrations.starlette needs Starlette: pip install starlette ({_why})") from _why

__all__ = ["add_error_handlers", "get_client", "get_desk", "lifespan", "webhook"]

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


@overload
def lifespan(app: Starlette, /) -> AbstractAsyncContextManager[None]: ...


@overload
def lifespan(source: ClientSource = ..., /, *, finish_s: float = ...) -> Lifespan: ...


def lifespan(
    app: Starlette | ClientSource = XoxoClient.from_env, /, *, finish_s: float = 20.0
) -> AbstractAsyncContextManager[None] | Lifespan:
    """Open one client for the whole app on the app's event loop, and close it with the app.

    `Starlette(lifespan=lifespan)` makes the client with `XoxoClient.from_env`. `lifespan=lifespan(make_client)` calls
    your function. In a lifespan of your own write `async with lifespan(app): ...` or `async with
    lifespan(make_client)(app): ...`. A mounted app has no lifespan; give it the client yourself:
    `mounted.state.xoxo_desk = app.state.xoxo_desk`.

    Args:
        app: The app; or a client, or a function that makes one.
        finish_s: Seconds that orders under way get when the app stops.

    Returns:
        The context manager of this app; without an app, a lifespan.

    Raises:
        ConfigError: The settings are wrong; raised at the start.
    """
    if isinstance(app, Starlette):
        return _lifespan(app, XoxoClient.from_env, finish_s)
    source = app
    return lambda app: _lifespan(app, source, finish_s)


@asynccontextmanager
async def _lifespan(app: Starlette, source: ClientSource, finish_s: float) -> AsyncGenerator[None]:
    async with opened(source, finish_s=finish_s) as desk:
        app.state.xoxo_desk = desk
        try:
            yield
        finally:
            del app.state.xoxo_desk


def get_desk(request: HTTPConnection) -> OrderDesk:
    """Return the app's order desk. It places orders that go on when their request is cancelled.

    Args:
        request: The request, or the connection of a websocket.

    Raises:
        ConfigError: The app has none.
    """
    desk = getattr(request.app.state, "xoxo_desk", None)
    if not isinstance(desk, OrderDesk):
        raise ConfigError("the app has no client: make it with lifespan=lifespan; a mounted app gets it by hand")
    return desk


def get_client(request: HTTPConnection) -> XoxoClient:
    """Return the app's client.

    Args:
        request: The request, or the connection of a websocket.

    Raises:
        ConfigError: The app has none.
    """
    return get_desk(request).client


async def _answer(_request: Request, error: Exception) -> Response:
    if not isinstance(error, XoxoError):
        raise error
    log_error(error)
    answer = http_answer(error)
    return Response(answer.json(), answer.status, answer.headers, "application/json")


def add_error_handlers(app: Starlette) -> None:
    """Answer every error of the SDK that a route raises by the table in `http_status`, and log it once.

    Args:
        app: The app; also a FastAPI app.
    """
    app.add_exception_handler(XoxoError, _answer)


def webhook(
    api_key: str,
    on_delivery: Callable[[Delivery], Awaitable[None]],
    *,
    seen: SeenStore | None = None,
    read_back_timeout_s: float = 20.0,
) -> Asgi:
    """Make an endpoint for the vendor's webhook. It reads each new event back with the app's client.

    Args:
        api_key: The value of `x-api-key` that is set in the dashboard.
        on_delivery: Called with each new event, as `WebhookReceiver` does.
        seen: Remembers which events were handled; in memory by default.
        read_back_timeout_s: How long a read-back may take, in seconds.

    Returns:
        The endpoint: `Route("/hooks/xoxo", webhook(key, on_delivery), methods=["POST"])`.

    Raises:
        ConfigError: As for `WebhookReceiver`.
    """
    receiver = WebhookReceiver(api_key, on_delivery, seen=seen, read_back_timeout_s=read_back_timeout_s)
    return Asgi(receiver, lambda scope: get_client(HTTPConnection(scope)).orders)
