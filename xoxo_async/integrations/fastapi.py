"""FastAPI: the client as a dependency, errors as HTTP answers, and the vendor's webhook in the app's OpenAPI.

app = FastAPI(lifespan=lifespan)
add_error_handlers(app)

@app.post("/claims", responses=ERROR_RESPONSES)
async def claim(body: Claim, desk: Annotated[OrderDesk, Depends(get_desk)]) -> dict[str, object]:
    order = await desk.place(...)
"""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import msgspec

from xoxo_async.client import XoxoClient
from xoxo_async.integrations.desk import OrderDesk
from xoxo_async.integrations.http_status import STATUS_TEXTS, ErrorBody
from xoxo_async.integrations.webhook import MAX_BODY_BYTES, Delivery, HookAnswer, SeenStore, WebhookReceiver
from xoxo_async.wire.replies import Part

try:
    from fastapi import HTTPException, Request, Security, encoders
    from fastapi.requests import HTTPConnection
    from fastapi.security import APIKeyHeader
except ImportError as _why:
    raise ImportError(f"xoxo_async.integrations.fastapi needs FastAPI: pip install fastapi ({_why})") from _why

# FastAPI is built on Starlette, so the client, its desk and the errors are the same.
from xoxo_async.integrations import starlette
from xoxo_async.integrations.starlette import add_error_handlers, lifespan

__all__ = [
    "ERROR_RESPONSES",
    "OrderDesk",
    "Webhook",
    "add_error_handlers",
    "get_client",
    "get_desk",
    "lifespan",
]


def _to_plain(reply: Part) -> dict[str, object]:
    return reply.to_dict()


# FastAPI asks pydantic only where a route says what it returns. For any other route it has a function for each class,
# in a table that is not documented: a version without it answers such a route with 500, and nothing else changes.
getattr(encoders, "encoders_by_class_tuples", {})[_to_plain] = (Part,)


async def get_desk(request: HTTPConnection) -> OrderDesk:
    """Give the app's order desk to a route: `Annotated[OrderDesk, Depends(get_desk)]`.

    Args:
        request: The request, or the connection of a websocket.

    Raises:
        ConfigError: The app has none.
    """
    return starlette.get_desk(request)  # a coroutine function: FastAPI calls others in a thread


async def get_client(request: HTTPConnection) -> XoxoClient:
    """Give the app's client to a route: `Annotated[XoxoClient, Depends(get_client)]`.

    Args:
        request: The request, or the connection of a websocket.

    Raises:
        ConfigError: The app has none.
    """
    return starlette.get_client(request)


def _responses() -> dict[int | str, dict[str, Any]]:
    body = msgspec.json.schema(ErrorBody)["$defs"]["ErrorBody"]
    # FastAPI refuses a request by itself with 422 too, and its body is another one.
    details = {"type": "array", "items": {"type": "object"}}
    own = {"type": "object", "title": "ValidationErrors", "properties": {"detail": details}, "required": ["detail"]}
    schemas = dict.fromkeys(STATUS_TEXTS, body) | {422: {"anyOf": [body, own]}}
    return {
        status: {"description": text, "content": {"application/json": {"schema": schemas[status]}}}
        for status, text in STATUS_TEXTS.items()
    }


ERROR_RESPONSES: Final = _responses()
"""The answers of `add_error_handlers` for OpenAPI: `@app.post(..., responses=ERROR_RESPONSES)`."""

_KEY: Final = APIKeyHeader(
    name="x-api-key",
    scheme_name="XoxoWebhookKey",
    description="The key that is set for the webhook in the vendor's dashboard.",
    auto_error=False,  # the receiver answers
)

_EVENT: Final = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": ["string", "integer"]},
        "data": {
            "type": "object",
            "required": ["orderId", "deliveryStatus"],
            "properties": {
                "orderId": {"type": "integer"},
                "poNumber": {"type": ["string", "null"]},
                "orderDate": {"type": ["string", "null"]},
                "deliveryStatus": {"type": "string", "examples": ["delivered", "cancelled"]},
            },
        },
        "createdAt": {"type": "string"},
    },
}


class Webhook:
    """The vendor's webhook as a dependency: the route gets an event that is new and read back.

    The route runs before the vendor is answered, so it must be quick. When it raises, the event is not remembered, and
    the vendor posts it again. An event that is known, has a wrong key or cannot be read back does not reach the route.
    The app's client reads the order back. `WebhookReceiver` has the rules.

    Args:
        api_key: The value of `x-api-key` that is set in the dashboard.
        seen: Remembers which events were handled; in memory by default.
        read_back_timeout_s: How long a read-back may take, in seconds.

    Attributes:
        openapi_extra: The body of the request for OpenAPI. The dependency reads the body by itself, because a body that
            FastAPI refuses would make the vendor switch the hook off.

    Raises:
        ConfigError: As for `WebhookReceiver`.

    Example:
        ```python
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from xoxo_async.integrations.fastapi import Webhook, lifespan
        from xoxo_async.integrations.webhook import Delivery

        app, hook = FastAPI(lifespan=lifespan), Webhook(key)

        @app.post("/hooks/xoxo", openapi_extra=hook.openapi_extra)
        async def delivered(delivery: Annotated[Delivery, Depends(hook)]) -> None: ...
        ```
    """

    openapi_extra: Final[dict[str, Any]] = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _EVENT}}}
    }

    def __init__(self, api_key: str, *, seen: SeenStore | None = None, read_back_timeout_s: float = 20.0) -> None:
        self._receiver: Final = WebhookReceiver(api_key, _nothing, seen=seen, read_back_timeout_s=read_back_timeout_s)

    async def __call__(
        self, request: Request, api_key: Annotated[str | None, Security(_KEY)] = None
    ) -> AsyncGenerator[Delivery]:
        """Give a new event to the route. FastAPI calls this.

        Args:
            request: The request.
            api_key: Its header `x-api-key`.

        Raises:
            HTTPException: There is nothing for the route to do; its status is the answer, also 200.
        """
        # An ASGI server decodes headers as Latin-1; this gives the bytes back.
        refused = self._receiver.refuse(request.method, None if api_key is None else api_key.encode("latin-1"))
        if refused is not None:
            raise _answered(refused)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
        async with self._receiver.handling(bytes(body), orders=starlette.get_client(request).orders) as event:
            if isinstance(event, HookAnswer):
                raise _answered(event)
            yield event


def _answered(answer: HookAnswer) -> HTTPException:
    headers = {"Allow": "POST"} if answer.status == 405 else None
    return HTTPException(answer.status, answer.text, headers)


async def _nothing(_delivery: Delivery) -> None:
    """The route is the callback."""
