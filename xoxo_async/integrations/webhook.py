"""The order delivery webhook: a receiver for ASGI and aiohttp.web.

The vendor posts an event when an order is delivered or cancelled. It does not sign events: an optional header
`x-api-key` is the only proof of the sender. So the key is compared in constant time, and a receiver with `orders` reads
the order back through the API before the callback runs. The vendor posts the same event again, so the receiver handles
each event once. After three failed posts the vendor switches the hook off until a person switches it on again, so an
unknown kind of event is answered with 200.

    receiver = WebhookReceiver(os.environ["XOXO_HOOK_KEY"], on_delivery, orders=client.orders)
    app.add_route("/hooks/xoxo", receiver.asgi, methods=["POST"])     # FastAPI, Starlette
    app.router.add_post("/hooks/xoxo", receiver.aiohttp_handler)      # aiohttp.web
"""

import hmac
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import msgspec

from xoxo_async.config import check_number
from xoxo_async.consequences import in_our_words
from xoxo_async.errors import ConfigError, DecodeError, XoxoError
from xoxo_async.integrations.delivery import (
    MAX_BODY_BYTES,
    Delivery,
    MemorySeenStore,
    SeenStore,
    keys_to_find,
    keys_to_remember,
    parse_delivery,
)
from xoxo_async.public_names import LazyModule
from xoxo_async.services import checks
from xoxo_async.services.orders import OrderService
from xoxo_async.wire import Secret

if TYPE_CHECKING:
    from aiohttp import web
else:
    web = LazyModule("aiohttp.web")  # an ASGI server does not need it

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
    """The answer to a post.

    Attributes:
        status: The HTTP status.
        text: A short text, for people who read the vendor's log.
    """

    status: int
    text: str


_NOT_POST: Final = HookAnswer(405, "only POST")
_NO_KEY: Final = HookAnswer(401, "x-api-key is missing or wrong")
_TOO_LARGE: Final = HookAnswer(413, "too large")
_KNOWN: Final = HookAnswer(200, "known already")


class WebhookReceiver:
    """Verify, de-duplicate and read back delivery events, and give each new one to a callback.

    The callback runs before the vendor is answered, so it must be quick: put the event into a queue or a database.
    When it raises, the answer is 500 and the event is not marked as handled, so that the vendor posts it again.
    Therefore the callback may get an event twice, and must handle that. The receiver moves no money. Each new event
    costs one getOrderDetails call if `orders` is given.

    Without a key anyone can post. Then every event is read back before it counts as known, so each post costs a call.
    The callback may then get an order twice: once for a stranger's post without the poNumber, and once for the vendor's
    post with it.

    Args:
        api_key: The value of `x-api-key` that is set in the dashboard. None accepts posts from anyone.
        on_delivery: Called with each new event. Two events of one order never run at the same time.
        orders: Reads each order back (pass `client.orders`). The callback then gets what the vendor's API says, not
            what the body says. With None nothing is verified: `delivery_status` is None, and `claimed_status` is the
            body's claim.
        seen: Remembers which events were handled. The default keeps them in memory.
        read_back_timeout_s: How long a read-back may take, in seconds; after that the vendor is asked to post again.
            It is also how long an event waits while an earlier event of the same order is handled.

    Raises:
        ConfigError: The key is empty or is not a valid header value, there is neither a key nor `orders`, or the
            timeout is not a positive number.
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
            raise ConfigError("a webhook without api_key and orders trusts every sender: give at least one of them")
        if api_key is not None and (
            not isinstance(api_key, str)
            or not api_key
            or not api_key.isascii()
            or not api_key.isprintable()
            or " " in api_key
        ):
            raise ConfigError("api_key must be a text, not empty, without characters that a header must not have")
        if not callable(on_delivery):
            raise ConfigError("on_delivery must be an async function that takes a Delivery")
        if orders is not None and not callable(getattr(orders, "get", None)):
            raise ConfigError("orders must be the orders of a client: client.orders")
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

    async def aiohttp_handler(self, request: "web.Request", *, orders: OrderService | None = None) -> "web.Response":
        """Answer one request of aiohttp.web: `app.router.add_post("/hooks/xoxo", receiver.aiohttp_handler)`.

        Args:
            request: The request.
            orders: As for `take`.
        """
        key = request.headers.get("x-api-key")
        answer = self.refuse(request.method, None if key is None else key.encode("utf-8", "surrogateescape"))
        if answer is None:
            body = bytearray()
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
            answer = await self.take(bytes(body), orders=orders)
        headers = {"Allow": "POST"} if answer.status == 405 else None
        return web.Response(status=answer.status, text=answer.text, headers=headers)

    def refuse(self, method: str, api_key: bytes | None) -> HookAnswer | None:
        """Check a request before its body is read. For servers that use neither ASGI nor aiohttp.web.

        Args:
            method: The HTTP method.
            api_key: The header `x-api-key` as it came, or None if it is missing.

        Returns:
            The answer (`status`, `text`), or None: then call `take`.
        """
        if method != "POST":
            return _NOT_POST
        if self._api_key is not None:
            expected = self._api_key.reveal().encode()
            if not hmac.compare_digest(expected, api_key if api_key is not None else b""):
                return _NO_KEY
        return None

    async def take(self, body: bytes, *, orders: OrderService | None = None) -> HookAnswer:
        """Handle the body of a request that `refuse` did not refuse.

        Args:
            body: The body. You may cut it anywhere after `MAX_BODY_BYTES`.
            orders: Reads the order back, instead of the receiver's `orders`: for an app that opens its client later.

        Returns:
            The answer: `status` and `text`.
        """
        try:
            async with self.handling(body, orders=orders) as event:
                if isinstance(event, HookAnswer):
                    return event
                await self._on_delivery(event)
        except Exception:  # noqa: BLE001 - `handling` has logged it; after any error of the callback the vendor posts again
            return HookAnswer(500, "not handled, post it again")
        return HookAnswer(200, "ok")

    @asynccontextmanager
    async def handling(
        self, body: bytes, *, orders: OrderService | None = None
    ) -> AsyncGenerator[Delivery | HookAnswer]:
        """Give a new event to the block, and remember it when the block ends without an error. `take` uses it.

        Args:
            body: As for `take`.
            orders: As for `take`.

        Returns:
            A context manager. It gives the event; or the answer to send, where the block has nothing to handle.
        """
        claimed = self._read(body)
        if isinstance(claimed, HookAnswer):
            yield claimed
            return
        if not await self._is_free(claimed.order_id):
            _LOG.warning("webhook: an earlier event of order %d is still being handled", claimed.order_id)
            yield HookAnswer(503, "an earlier event of this order is still being handled, post it again")
            return
        with self._one_at_a_time(claimed.order_id):
            try:
                event = await self._new(claimed, orders or self._orders)
                yield event
                if isinstance(event, Delivery):
                    # Stored with the status that was read back: if the event came too early, its next post is new.
                    await self._seen.add(keys_to_remember(event, by_event=self._api_key is not None))
            except Exception as error:
                kind = type(error).__name__
                _LOG.exception("webhook: the event of order %d was not handled (%s)", claimed.order_id, kind)
                raise

    def _read(self, body: bytes) -> Delivery | HookAnswer:
        if len(body) > MAX_BODY_BYTES:
            return _TOO_LARGE
        try:
            return parse_delivery(body)
        except DecodeError as error:
            if self._api_key is None:
                return HookAnswer(400, "not a delivery event")
            # The key is right, so the vendor sent it: an event of an unknown kind. Posting it again does not help, and
            # after three refusals the vendor switches the hook off for every order.
            _LOG.warning("webhook: an event with the right key was not understood and is ignored: %s", error.message)
            return HookAnswer(200, "ignored")

    async def _new(self, claimed: Delivery, orders: OrderService | None) -> Delivery | HookAnswer:
        """Return the event as it was read back, or the answer where it is not new or cannot be read back."""
        # Without a key anyone can post, so no event counts as known before its read-back, and its id never counts.
        keyed = self._api_key is not None
        if keyed and await self._seen.contains(keys_to_find(claimed, by_event=True)):
            return _KNOWN
        if orders is None:
            return claimed
        try:
            found = await self._read_back(orders, claimed)
        except (XoxoError, TimeoutError) as error:
            # This includes an order that is not found: look-ups may lag behind the event.
            why = in_our_words(error) if isinstance(error, XoxoError) else "no answer in time"
            _LOG.warning("webhook: order %d could not be read back: %s", claimed.order_id, why)
            return HookAnswer(503, "the order could not be read back, post it again")
        if found is None:
            return HookAnswer(200, "ignored")
        if await self._seen.contains(keys_to_find(found, by_event=False)):
            return _KNOWN
        return found

    async def _read_back(self, orders: OrderService, claimed: Delivery) -> Delivery | None:
        """Return the event with the order that the API has, or None if its poNumber belongs to another order."""
        po_number = _usable_po_number(claimed.po_number)
        with anyio.fail_after(self._read_back_timeout_s):
            # The look-up uses the poNumber if there is one. The reply does not contain it, so only this proves that
            # id and number belong together. An invented pair could put one order's codes under a wrong number.
            order = await (orders.get(po_number=po_number) if po_number else orders.get(order_id=claimed.order_id))
        if order.order_id != claimed.order_id:
            _LOG.warning(
                "webhook: the event names order %d, but its poNumber is order %d's; ignored",
                claimed.order_id,
                order.order_id,
            )
            return None
        status = order.delivery_status or None  # without a status, the claim must not replace it
        return msgspec.structs.replace(claimed, order=order, po_number=po_number, delivery_status=status)

    async def _is_free(self, order_id: int) -> bool:
        """Wait until no event of the order is being handled, for a limited time. Return whether none is."""
        with anyio.move_on_after(self._read_back_timeout_s):
            while (busy := self._busy.get(order_id)) is not None:
                await busy.wait()
        return order_id not in self._busy

    @contextmanager
    def _one_at_a_time(self, order_id: int) -> Generator[None]:
        """Mark the order as being handled: the vendor may post an event again while the first post is handled."""
        done = self._busy[order_id] = anyio.Event()
        try:
            yield
        finally:
            del self._busy[order_id]
            done.set()


class Asgi:
    """A receiver as an ASGI application. Use `receiver.asgi`.

    Args:
        receiver: The receiver.
        orders_of: Called with the scope of each post: what reads the order back, instead of the receiver's `orders`.
    """

    __slots__ = ("_orders_of", "_receiver")

    def __init__(
        self, receiver: WebhookReceiver, orders_of: Callable[[Scope], OrderService | None] = lambda _scope: None
    ) -> None:
        self._receiver: Final = receiver
        self._orders_of: Final = orders_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, at any path."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"a webhook answers http requests, not {scope['type']}")
        keys = [value for name, value in scope["headers"] if name.lower() == b"x-api-key"]
        answer = self._receiver.refuse(scope["method"], keys[0] if keys else None)
        if answer is None:
            body = await _read_body(receive)
            if body is None:
                return  # the sender has disconnected
            answer = await self._receiver.take(body, orders=self._orders_of(scope))
        text = answer.text.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
        if answer.status == 405:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": text})


async def _read_body(receive: Receive) -> bytes | None:
    """Read a body, and stop soon after the limit. Return None if the sender disconnects."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES or not message.get("more_body", False):
            return bytes(body)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Answer the start and the stop of a server, for a receiver that is the whole application."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _usable_po_number(po_number: str) -> str:
    """Return the poNumber if it can be looked up, else an empty text: another system may have placed the order."""
    try:
        return checks.po_number("po_number", po_number)
    except ConfigError:
        return ""
