"""A FastAPI app that gives out vouchers: one client for the whole app, and one poNumber for each claim.

Run: uvicorn fastapi_app:app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from xoxo_async import XoxoClient, errors


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client on the app's own event loop, and close it with the app."""
    async with XoxoClient.from_env() as xoxo:
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
    except errors.ConfigError as error:
        raise HTTPException(422, error.message) from None
    except errors.OutcomeUnknownError:
        raise HTTPException(503, "outcome not known yet; claim again", headers={"Retry-After": "60"}) from None
    except errors.XoxoError as error:
        raise HTTPException(502, type(error).__name__) from None
    return {"order_id": order.order_id, "codes": [voucher.code.reveal() for voucher in order.vouchers]}
