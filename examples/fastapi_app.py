"""A FastAPI app that gives out vouchers: one client for each process, and one order for each claim.

Run: XOXO_SHARED=file:/run/shop/allowance uvicorn fastapi_app:app --workers 4
"""

import logging
import os
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

from xoxo_async import LoggingHook, Order, RateLimits, Timeouts, XoxoClient
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.fastapi import ERROR_RESPONSES, OrderDesk, Webhook, add_error_handlers, get_desk, lifespan
from xoxo_async.integrations.webhook import Delivery

LIMITS = RateLimits(place_order=100)  # the account's; the processes share them through XOXO_SHARED
IN_TIME = Timeouts(call_s=200)  # an order waits 20 s for its turn at most: 180 s are kept for the vendor
WAIT_S = 10.0  # then the caller hears 202, and the order goes on
Key, User = Annotated[str, Header(max_length=200)], Annotated[str, Header(min_length=1)]
LATER = {202: {"description": "The order is being placed, or its codes come later: ask again after `Retry-After`."}}


def make_client() -> XoxoClient:
    """Make the client of this process, whose log names the poNumber of each order."""
    return XoxoClient.from_env(rate_limits=LIMITS, timeouts=IN_TIME, hooks=[LoggingHook()])


app = FastAPI(lifespan=lifespan(make_client))
add_error_handlers(app)
hook = Webhook(os.environ.get("XOXO_HOOK_KEY", "0123456789abcdef"))


class Claim(BaseModel):
    """What a user claims."""

    product_id: int
    denomination: Decimal


async def po_number(idempotency_key: Key, x_user: User) -> str:
    """Derive the poNumber from the caller's own key: never a random one. Your login gives the user."""
    return derive_po_number(f"claims of {x_user}", idempotency_key)


Po, Desk = Annotated[str, Depends(po_number)], Annotated[OrderDesk, Depends(get_desk)]


@app.post("/claims", responses={**ERROR_RESPONSES, **LATER})
async def claim(body: Claim, po: Po, desk: Desk, response: Response) -> dict[str, object]:
    """Place the order of a claim. The same claim made again finds the same order."""
    return told(await desk.place(**body.model_dump(), po_number=po, wait_s=WAIT_S), response)


@app.get("/claims", responses={**ERROR_RESPONSES, **LATER})
async def poll(po: Po, desk: Desk, response: Response) -> dict[str, object]:
    """Read the order of a claim."""
    if desk.is_placing(po):
        return told(None, response)
    if (order := await desk.client.orders.find(po)) is None:
        raise HTTPException(404, "make the claim again, with the same key")
    return told(order, response)


@app.get("/support/orders/{order_id}", response_model=Order, responses=ERROR_RESPONSES)
async def look(order_id: int, desk: Desk) -> Order:
    """Show an order to the shop's support, whose login you check. The codes are masked."""
    return await desk.client.orders.get(order_id=order_id)


@app.post("/hooks/xoxo", openapi_extra=hook.openapi_extra)
async def delivered(delivery: Annotated[Delivery, Depends(hook)]) -> None:
    """Tell the user that the codes are there. The event is new, and read back."""
    logging.getLogger("shop").info("order %s is %s", delivery.po_number, delivery.delivery_status)


def told(order: Order | None, response: Response) -> dict[str, object]:
    """Return the codes, or 202 while there are none."""
    if order is None or order.delivery_status == "pending":
        response.status_code, response.headers["Retry-After"] = 202, "5"
        return {"status": "pending"}
    return {"status": order.delivery_status, "codes": [voucher.code.reveal() for voucher in order.vouchers]}
