"""An aiohttp.web app that gives out vouchers. It opens one client at its start and closes it at its end.

Run: python examples/aiohttp_app.py
"""

import os
from decimal import Decimal

import msgspec
from aiohttp import web

from xoxo_async import Order
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.aiohttp_web import add_error_handlers, get_client, get_desk, lifespan, webhook
from xoxo_async.integrations.webhook import Delivery


class Claim(msgspec.Struct):
    """What a user claims."""

    product_id: int
    denomination: Decimal


def po_number(request: web.Request) -> str:
    """Derive the poNumber from the caller's own key: never a random one. Your login gives the user."""
    try:
        return derive_po_number(f"claims of {request.headers['X-User']}", request.headers["Idempotency-Key"])
    except KeyError as missing:
        raise web.HTTPUnprocessableEntity(text=f"the header {missing} is missing") from None


async def claim(request: web.Request) -> web.Response:
    """Place the order of a claim. The same claim made again finds the same order."""
    po = po_number(request)
    try:
        body = msgspec.json.decode(await request.read(), type=Claim)
    except (msgspec.DecodeError, RecursionError):
        raise web.HTTPUnprocessableEntity(text="the body is no claim") from None
    return told(await get_desk(request).place(**msgspec.structs.asdict(body), po_number=po, wait_s=10))


async def poll(request: web.Request) -> web.Response:
    """Read the order of a claim."""
    return told(await get_client(request).orders.get(po_number=po_number(request)))


def told(order: Order | None) -> web.Response:
    """Return the codes, or 202 while there are none."""
    if order is None or order.delivery_status == "pending":
        return web.json_response({"status": "pending"}, status=202, headers={"Retry-After": "5"})
    codes = [voucher.code.reveal() for voucher in order.vouchers]
    return web.json_response({"status": order.delivery_status, "codes": codes})


async def on_delivery(delivery: Delivery) -> None:
    """Tell the user that the codes are there."""


def make_app() -> web.Application:
    """Build the app."""
    app = web.Application()
    app.cleanup_ctx.append(lifespan)
    add_error_handlers(app)
    hook = webhook(os.environ.get("XOXO_HOOK_KEY", "0123456789abcdef"), on_delivery)
    app.add_routes([web.post("/claims", claim), web.get("/claims", poll), web.post("/hooks/xoxo", hook)])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8000)
