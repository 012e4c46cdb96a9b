"""The order delivery webhook: a parser, and a receiver for ASGI and aiohttp.web.

The vendor posts when an order is delivered or cancelled. Three things about it shape this module: it signs nothing (an
optional `x-api-key` header is all), it posts the same event again, and after three failed posts it switches the hook
off until a person switches it on again. So the key is compared in constant time, an event is handled once, and what a
body claims is looked up before anybody acts on it.

    receiver = WebhookReceiver(os.environ["XOXO_HOOK_KEY"], on_delivery, orders=client.orders)
    app.add_route("/hooks/xoxo", receiver.asgi, methods=["POST"])     # FastAPI, Starlette
    app.router.add_post("/hooks/xoxo", receiver.aiohttp_handler)      # aiohttp.web
"""

import hmac
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import msgspec

from xoxo_async.config import check_number
from xoxo_async.errors import ConfigError, DecodeError, XoxoError
from xoxo_async.integrations.delivery import (
    MAX_BODY_BYTES,
    Delivery,
    MemorySeenStore,
    SeenStore,
    keys_of,
    known_by,
    parse_delivery,
)
from xoxo_async.services import checks
from xoxo_async.services.orders import OrderService
from xoxo_async.wire import Secret

if TYPE_CHECKING:
    from aiohttp import web

__all__ = [
    "MAX_BODY_BYTES",
    "Asgi",
    "Delivery",
    "HookAnswer",
    "MemorySeenStore",
    "SeenStore",
    "WebhookReceiver",
    "parse_delivery",
]

_LOG: Final = logging.getLogger("xoxo_async")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HookAnswer(NamedTuple):
    """What to answer to a post.

    Attributes:
        status: The HTTP status.
        text: A word for whoever reads the vendor's log.
    """

    status: int
    text: str


_NOT_POST: Final = HookAnswer(405, "only POST")
_NO_KEY: Final = HookAnswer(401, "x-api-key is missing or wrong")
_TOO_LARGE: Final = HookAnswer(413, "too large")
_KNOWN: Final = HookAnswer(200, "known already")


class WebhookReceiver:
    """Verify, de-duplicate and read back delivery events, and hand each one to a callback.

    The callback runs before the vendor is answered, so it must be quick: put the event into a queue or a database.
    When it raises, the answer is 500 and the event is not marked as handled, so that the vendor posts it again: the
    callback may see an event twice, and must bear that. Moves no money; each new event costs one getOrderDetails call.

    Without a key anyone can post. So every event is then read back before it counts as known: each post costs a call,
    and an order that a stranger named without its poNumber is handed out again once the vendor names it with it.

    Args:
        api_key: The value of `x-api-key` set in the dashboard. None takes posts from anyone.
        on_delivery: Called with each new event, one at a time for an order.
        orders: Reads each order back (`client.orders`); the callback then gets what the vendor's API says, whatever
            the body said. With None, no status is handed out: `delivery_status` is None, and `claimed_status` a claim.
        seen: Remembers what was handled; in memory unless given.
        read_back_timeout_s: How long a read-back may take before the vendor is asked to post again.

    Raises:
        ConfigError: The key is blank or no header value; there is neither a key nor a read-back; or the timeout is no
            positive number.
    """

    def __init__(
        self,
        api_key: str | None,
        on_delivery: Callable[[Delivery], Awaitable[None]],
        *,
        orders: OrderService | None = None,
        seen: SeenStore | None = None,
        read_back_timeout_s: float = 20.0,
    ) -> None:
        if api_key is None and orders is None:
            raise ConfigError("a webhook with neither api_key nor orders believes anyone: give at least one of them")
        if api_key is not None and (
            not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key
        ):
            raise ConfigError("api_key is empty or holds characters that no header may hold")
        self._api_key: Final = Secret(api_key) if api_key is not None else None
        self._on_delivery: Final = on_delivery
        self._orders: Final = orders
        self._seen: Final[SeenStore] = MemorySeenStore() if seen is None else seen
        self._read_back_timeout_s: Final = check_number("read_back_timeout_s", read_back_timeout_s)
        self._busy: Final[dict[int, anyio.Event]] = {}
        self.asgi: Final = Asgi(self)

    def __repr__(self) -> str:
        key = "None" if self._api_key is None else "***"
        return f"WebhookReceiver(api_key={key}, orders={'no' if self._orders is None else 'yes'})"

    async def aiohttp_handler(self, request: "web.Request") -> "web.Response":
        """Answer one request of aiohttp.web: `app.router.add_post("/hooks/xoxo", receiver.aiohttp_handler)`.

        Args:
            request: The request.
        """
        from aiohttp import web  # noqa: PLC0415 - a server of another kind needs none of it

        key = request.headers.get("x-api-key")
        answer = self.refuse(request.method, None if key is None else key.encode("utf-8", "surrogateescape"))
        if answer is None:
            body = bytearray()
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
            answer = await self.take(bytes(body))
        headers = {"Allow": "POST"} if answer.status == 405 else None
        return web.Response(status=answer.status, text=answer.text, headers=headers)

    def refuse(self, method: str, api_key: bytes | None) -> HookAnswer | None:
        """Look at a request before its body is read; for servers that speak neither ASGI nor aiohttp.web.

        Args:
            method: The HTTP method.
            api_key: The header `x-api-key` as it came, None without one.

        Returns:
            What to answer (`status`, `text`), or None to go on with `take`.
        """
        if method != "POST":
            return _NOT_POST
        if self._api_key is not None:
            expected = self._api_key.reveal().encode()
            if not hmac.compare_digest(expected, api_key if api_key is not None else b""):
                return _NO_KEY
        return None

    async def take(self, body: bytes) -> HookAnswer:
        """Handle the body of a request that `refuse` let through.

        Args:
            body: The body; cut anywhere beyond `MAX_BODY_BYTES`.

        Returns:
            What to answer: `status` and `text`.
        """
        if len(body) > MAX_BODY_BYTES:
            return _TOO_LARGE
        try:
            claimed = parse_delivery(body)
        except DecodeError as error:
            if self._api_key is None:
                return HookAnswer(400, "no delivery event")
            # From the vendor, and of a kind we do not know. Posting it again would not help, and the third refusal
            # would switch the hook off for every order.
            _LOG.warning("webhook: an event with the right key was not understood and is ignored: %s", error.message)
            return HookAnswer(200, "ignored")
        async with self._alone(claimed.order_id):
            try:
                return await self._handle(claimed)
            except Exception as error:  # noqa: BLE001 - whatever the callback or the store raises, the vendor posts again
                kind = type(error).__name__
                _LOG.exception("webhook: the event of order %d was not handled (%s)", claimed.order_id, kind)
                return HookAnswer(500, "not handled, post it again")

    async def _handle(self, claimed: Delivery) -> HookAnswer:
        # Without a key anyone can post: nothing is known before it has been read back, and no id counts.
        keyed = self._api_key is not None
        if keyed and await self._seen.contains(known_by(claimed, by_event=True)):
            return _KNOWN
        delivery = claimed
        if self._orders is not None:
            try:
                found = await self._read_back(self._orders, claimed)
            except (XoxoError, TimeoutError) as error:
                # An order that is not found as well: look-ups may lag behind the event.
                _LOG.warning("webhook: order %d could not be read back: %r", claimed.order_id, error)
                return HookAnswer(503, "the order could not be read back, post it again")
            if found is None:
                return HookAnswer(200, "ignored")
            if await self._seen.contains(known_by(found, by_event=False)):
                return _KNOWN
            delivery = found
        await self._on_delivery(delivery)
        # Under the status that is true: where the event ran ahead of the books, the next post of it is new.
        await self._seen.add(keys_of(delivery, by_event=keyed))
        return HookAnswer(200, "ok")

    async def _read_back(self, orders: OrderService, claimed: Delivery) -> Delivery | None:
        """Return the event with the order as the API has it; None when its order and its poNumber are not one's."""
        po_number = _askable(claimed.po_number)
        with anyio.fail_after(self._read_back_timeout_s):
            # By poNumber where there is one: the reply does not echo it, so this alone proves that both are one
            # order's. A made-up pair could otherwise have one order's codes filed under another's number.
            order = await (orders.get(po_number=po_number) if po_number else orders.get(order_id=claimed.order_id))
        if order.order_id != claimed.order_id:
            _LOG.warning(
                "webhook: the event names order %d, but its poNumber is order %d's; ignored",
                claimed.order_id,
                order.order_id,
            )
            return None
        status = order.delivery_status or None  # never the claim instead
        return msgspec.structs.replace(claimed, order=order, po_number=po_number, delivery_status=status)

    @asynccontextmanager
    async def _alone(self, order_id: int) -> AsyncGenerator[None]:
        """Let one event of an order be handled at a time: its repetition may come while the first is under way."""
        while (busy := self._busy.get(order_id)) is not None:
            await busy.wait()
        done = self._busy[order_id] = anyio.Event()
        try:
            yield
        finally:
            del self._busy[order_id]
            done.set()


class Asgi:
    """A receiver as an ASGI application; `receiver.asgi` is one.

    Args:
        receiver: The receiver.
    """

    __slots__ = ("_receiver",)

    def __init__(self, receiver: WebhookReceiver) -> None:
        self._receiver: Final = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever its path."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"a webhook answers http, not {scope['type']}")
        keys = [value for name, value in scope["headers"] if name.lower() == b"x-api-key"]
        answer = self._receiver.refuse(scope["method"], keys[0] if keys else None)
        if answer is None:
            body = await _read(receive)
            if body is None:
                return  # the sender has hung up
            answer = await self._receiver.take(body)
        text = answer.text.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
        if answer.status == 405:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": text})


async def _read(receive: Receive) -> bytes | None:
    """Read a body, but not far beyond the limit; None when the sender left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES or not message.get("more_body", False):
            return bytes(body)


async def _live(receive: Receive, send: Send) -> None:
    """Take part in a server's start and stop, for a receiver that is the whole application."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _askable(po_number: str) -> str:
    """Return a poNumber that can be looked up; empty for one that this SDK does not send (another system's order)."""
    try:
        return checks.po_number(po_number)
    except ConfigError:
        return ""
