"""aiohttp.web: the client in a cleanup context, errors as HTTP answers, and the vendor's webhook.

app = web.Application()
app.cleanup_ctx.append(lifespan)
add_error_handlers(app)

async def claim(request: web.Request) -> web.Response:
    order = await get_desk(request).place(...)
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, overload

from aiohttp import web

from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError, XoxoError
from xoxo_async.integrations.desk import ClientSource, OrderDesk, opened
from xoxo_async.integrations.http_status import http_answer, log_error
from xoxo_async.integrations.webhook import Delivery, SeenStore, WebhookReceiver

__all__ = ["DESK", "add_error_handlers", "get_client", "get_desk", "lifespan", "webhook"]

DESK: Final = web.AppKey("xoxo_desk", OrderDesk)
"""The key of the app's order desk."""

CleanupContext = Callable[[web.Application], AsyncIterator[None]]


@overload
def lifespan(app: web.Application, /) -> AsyncIterator[None]: ...


@overload
def lifespan(source: ClientSource = ..., /, *, finish_s: float = ...) -> CleanupContext: ...


def lifespan(
    app: web.Application | ClientSource = XoxoClient.from_env, /, *, finish_s: float = 20.0
) -> AsyncIterator[None] | CleanupContext:
    """Open one client for the whole app on the app's event loop, and close it with the app.

    `app.cleanup_ctx.append(lifespan)` makes the client with `XoxoClient.from_env`;
    `app.cleanup_ctx.append(lifespan(make_client))` calls your function. Sub-apps use the client of their parent.

    Args:
        app: The app; or a client, or a function that makes one.
        finish_s: Seconds that orders under way get when the app stops.

    Returns:
        The context of this app; without an app, a cleanup context.

    Raises:
        ConfigError: The settings are wrong; raised at the start.
    """
    if isinstance(app, web.Application):
        return _lifespan(app, XoxoClient.from_env, finish_s)
    source = app
    return lambda app: _lifespan(app, source, finish_s)


async def _lifespan(app: web.Application, source: ClientSource, finish_s: float) -> AsyncIterator[None]:
    async with opened(source, finish_s=finish_s) as desk:
        app[DESK] = desk
        yield


def get_desk(request: web.Request) -> OrderDesk:
    """Return the app's order desk. It places orders that go on when their request is cancelled.

    Args:
        request: The request.

    Raises:
        ConfigError: The app has none.
    """
    desk = request.config_dict.get(DESK)
    if desk is None:
        raise ConfigError("the app has no client: app.cleanup_ctx.append(lifespan)")
    return desk


def get_client(request: web.Request) -> XoxoClient:
    """Return the app's client.

    Args:
        request: The request.

    Raises:
        ConfigError: The app has none.
    """
    return get_desk(request).client


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except XoxoError as error:
        log_error(error)
        answer = http_answer(error)
        return web.Response(
            body=answer.json(), status=answer.status, headers=answer.headers, content_type="application/json"
        )


def add_error_handlers(app: web.Application) -> None:
    """Answer every error of the SDK that a handler raises by the table in `http_status`, and log it once.

    Args:
        app: The app. Call it before the app starts.
    """
    app.middlewares.append(_errors)


def webhook(
    api_key: str,
    on_delivery: Callable[[Delivery], Awaitable[None]],
    *,
    seen: SeenStore | None = None,
    read_back_timeout_s: float = 20.0,
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make a handler for the vendor's webhook. It reads each new event back with the app's client.

    Args:
        api_key: The value of `x-api-key` that is set in the dashboard.
        on_delivery: Called with each new event, as `WebhookReceiver` does.
        seen: Remembers which events were handled; in memory by default.
        read_back_timeout_s: How long a read-back may take, in seconds.

    Returns:
        The handler: `app.router.add_post("/hooks/xoxo", webhook(key, on_delivery))`.

    Raises:
        ConfigError: As for `WebhookReceiver`.
    """
    receiver = WebhookReceiver(api_key, on_delivery, seen=seen, read_back_timeout_s=read_back_timeout_s)

    async def handler(request: web.Request) -> web.Response:
        return await receiver.aiohttp_handler(request, orders=get_client(request).orders)

    return handler
