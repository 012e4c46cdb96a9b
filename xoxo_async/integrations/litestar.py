"""Litestar: a plugin with the client, errors as HTTP answers, and the vendor's webhook.

@post("/claims")
async def claim(data: Claim, xoxo_desk: OrderDesk) -> dict[str, object]:
    order = await xoxo_desk.place(...)

app = Litestar([claim], plugins=[XoxoPlugin()])
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError, XoxoError
from xoxo_async.integrations.desk import ClientSource, OrderDesk, opened
from xoxo_async.integrations.http_status import STATUS_TEXTS, ErrorBody, http_answer, log_error
from xoxo_async.integrations.webhook import MAX_BODY_BYTES, Delivery, SeenStore, WebhookReceiver
from xoxo_async.wire import Masked, Secret

try:
    from litestar import Litestar, Request, Response, post
    from litestar.config.app import AppConfig
    from litestar.datastructures import State
    from litestar.di import Provide
    from litestar.handlers import HTTPRouteHandler
    from litestar.openapi.datastructures import ResponseSpec
    from litestar.openapi.spec import OpenAPIType, Schema
    from litestar.plugins import InitPluginProtocol, OpenAPISchemaPlugin
    from litestar.typing import FieldDefinition
except ImportError as _why:
    raise ImportError(f"xoxo_async.integrations.litestar needs Litestar: pip install litestar ({_why})") from _why

__all__ = ["ERROR_RESPONSES", "XoxoPlugin", "error_handlers", "get_client", "get_desk", "webhook"]

ERROR_RESPONSES: Final = {
    status: ResponseSpec(ErrorBody, generate_examples=False, description=text) for status, text in STATUS_TEXTS.items()
}
"""The answers of the plugin for OpenAPI: `@post(..., responses=ERROR_RESPONSES)`."""


def get_desk(state: State) -> OrderDesk:
    """Return the app's order desk. It places orders that go on when their request is cancelled.

    Args:
        state: The app's state.

    Raises:
        ConfigError: The app has none.
    """
    desk = state.get("xoxo_desk")
    if not isinstance(desk, OrderDesk):
        raise ConfigError("the app has no client: Litestar(..., plugins=[XoxoPlugin()])")
    return desk


def get_client(state: State) -> XoxoClient:
    """Return the app's client.

    Args:
        state: The app's state.

    Raises:
        ConfigError: The app has none.
    """
    return get_desk(state).client


def _answer(_request: Request[Any, Any, Any], error: XoxoError) -> Response[bytes]:
    log_error(error)
    answer = http_answer(error)
    return Response(answer.json(), status_code=answer.status, headers=answer.headers, media_type="application/json")


error_handlers: Final = {XoxoError: _answer}
"""For `Litestar(exception_handlers=…)`: answers errors by the table in `http_status`. The plugin adds it too."""


class XoxoPlugin(InitPluginProtocol, OpenAPISchemaPlugin):
    """Open one client for the whole app, and offer it to handlers as `xoxo` and its desk as `xoxo_desk`.

    It also answers every error of the SDK by the table in `http_status`, and describes the masks in replies for the
    app's OpenAPI.

    Args:
        source: A client, or a function that makes one; `XoxoClient.from_env` by default.
        finish_s: Seconds that orders under way get when the app stops.
    """

    def __init__(self, source: ClientSource = XoxoClient.from_env, *, finish_s: float = 20.0) -> None:
        self._source: Final = source
        self._finish_s: Final = finish_s

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the lifespan, the dependencies and the error handler. Litestar calls this.

        Args:
            app_config: The app's settings.
        """
        app_config.lifespan.append(self._lifespan)
        app_config.dependencies.setdefault("xoxo", Provide(get_client, sync_to_thread=False))
        app_config.dependencies.setdefault("xoxo_desk", Provide(get_desk, sync_to_thread=False))
        for kind, handler in error_handlers.items():
            app_config.exception_handlers.setdefault(kind, handler)
        return app_config

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Return whether a type of a reply is written as a mask. Litestar calls this.

        Args:
            value: The type.
        """
        return isinstance(value, type) and issubclass(value, Secret | Masked)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: object) -> Schema:  # noqa: ARG002
        """Return what msgspec writes of a secret: an object with its mask. Litestar calls this.

        Args:
            field_definition: The field.
            schema_creator: Litestar's.
        """
        mask = Schema(type=OpenAPIType.STRING, examples=["****"])
        return Schema(type=OpenAPIType.OBJECT, properties={"masked": mask}, required=["masked"])

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncGenerator[None]:
        async with opened(self._source, finish_s=self._finish_s) as desk:
            app.state.xoxo_desk = desk
            yield


def webhook(
    path: str,
    api_key: str,
    on_delivery: Callable[[Delivery], Awaitable[None]],
    *,
    seen: SeenStore | None = None,
    read_back_timeout_s: float = 20.0,
) -> HTTPRouteHandler:
    """Make a route handler for the vendor's webhook. It reads each new event back with the app's client.

    Args:
        path: The path, for example `/hooks/xoxo`.
        api_key: The value of `x-api-key` that is set in the dashboard.
        on_delivery: Called with each new event, as `WebhookReceiver` does.
        seen: Remembers which events were handled; in memory by default.
        read_back_timeout_s: How long a read-back may take, in seconds.

    Returns:
        The handler: `Litestar([webhook("/hooks/xoxo", key, on_delivery)], plugins=[XoxoPlugin()])`.

    Raises:
        ConfigError: As for `WebhookReceiver`.
    """
    receiver = WebhookReceiver(api_key, on_delivery, seen=seen, read_back_timeout_s=read_back_timeout_s)

    # 413 is the receiver's answer; Litestar's own bound is far above it.
    @post(path, status_code=200, media_type="text/plain")
    async def xoxo_webhook(request: Request[Any, Any, Any], state: State) -> Response[str]:
        """Receive a delivery event of the vendor's."""
        key = request.headers.get("x-api-key")
        answer = receiver.refuse("POST", None if key is None else key.encode("latin-1"))
        if answer is None:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
            answer = await receiver.take(bytes(body), orders=get_client(state).orders)
        return Response(answer.text, status_code=answer.status, media_type="text/plain")

    return xoxo_webhook
