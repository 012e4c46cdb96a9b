"""A Starlette app that gives out vouchers. It opens one client at its start and closes it at its end.

Run: uvicorn starlette_app:app
"""

import os
from decimal import Decimal

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xoxo_async import Order
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.starlette import add_error_handlers, get_client, get_desk, lifespan, webhook
from xoxo_async.integrations.webhook import Delivery


class Claim(msgspec.Struct):
    """What a user claims."""

    product_id: int
    denomination: Decimal


def po_number(request: Request) -> str:
    """Derive the poNumber from the caller's own key: never a random one. Your login gives the user."""
    try:
        return derive_po_number(f"claims of {request.headers['X-User']}", request.headers["Idempotency-Key"])
    except KeyError as missing:
        raise HTTPException(422, f"the header {missing} is missing") from None


async def claim(request: Request) -> Response:
    """Place the order of a claim. The same claim made again finds the same order."""
    po = po_number(request)
    try:
        body = msgspec.json.decode(await request.body(), type=Claim)
    except (msgspec.DecodeError, RecursionError):
        raise HTTPException(422, "the body is no claim") from None
    return told(await get_desk(request).place(**msgspec.structs.asdict(body), po_number=po, wait_s=10))


async def poll(request: Request) -> Response:
    """Read the order of a claim."""
    return told(await get_client(request).orders.get(po_number=po_number(request)))


def told(order: Order | None) -> Response:
    """Return the codes, or 202 while there are none."""
    if order is None or order.delivery_status == "pending":
        return JSONResponse({"status": "pending"}, 202, {"Retry-After": "5"})
    codes = [voucher.code.reveal() for voucher in order.vouchers]
    return JSONResponse({"status": order.delivery_status, "codes": codes})


async def on_delivery(delivery: Delivery) -> None:
    """Tell the user that the codes are there."""


hook = webhook(os.environ.get("XOXO_HOOK_KEY", "0123456789abcdef"), on_delivery)
routes = [
    Route("/claims", claim, methods=["POST"]),
    Route("/claims", poll),
    Route("/hooks/xoxo", hook, methods=["POST"]),
]
app = Starlette(routes=routes, lifespan=lifespan)
add_error_handlers(app)
