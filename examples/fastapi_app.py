"""A FastAPI app that gives out vouchers: one client for the whole app, and one poNumber for each claim.

Run: WEB_CONCURRENCY=4 uvicorn fastapi_app:app
"""

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from xoxo_async import RateLimits, Timeouts, XoxoClient, XoxoError, verdict_of

# uvicorn and gunicorn start so many processes. They divide the account's 100 orders a minute.
PROCESSES = int(os.environ.get("WEB_CONCURRENCY", "1"))
LIMITS = RateLimits(place_order=100 / PROCESSES)
IN_TIME = Timeouts(call_s=60)  # who waits for an answer gives up after a minute


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client on the app's own event loop, and close it with the app."""
    async with XoxoClient.from_env(rate_limits=LIMITS, timeouts=IN_TIME) as xoxo:
        app.state.xoxo = xoxo
        yield


app = FastAPI(lifespan=lifespan)


class Claim(BaseModel):
    """What a user claims. The poNumber is made from the claim's id, so that a double click buys once."""

    claim_id: str
    product_id: int
    denomination: Decimal


@app.post("/claims")
async def claim(body: Claim, request: Request) -> dict[str, object]:
    """Place the order of a claim. The same claim made again returns the same order."""
    xoxo: XoxoClient = request.app.state.xoxo
    try:
        order = await xoxo.orders.place(
            product_id=body.product_id, denomination=body.denomination, po_number=f"claim-{body.claim_id}"
        )
    except XoxoError as error:
        verdict = verdict_of(error)
        if verdict.action == "again":
            wait = {"Retry-After": str(math.ceil(verdict.after_s))}
            raise HTTPException(503, f"claim again later: {type(error).__name__}", headers=wait) from None
        raise HTTPException(422, error.message) from None
    return {"order_id": order.order_id, "codes": [voucher.code.reveal() for voucher in order.vouchers]}
