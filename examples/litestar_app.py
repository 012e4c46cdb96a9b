"""A Litestar app that gives out vouchers. The plugin opens one client at its start and closes it at its end.

Run: uvicorn litestar_app:app
"""

import os
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from litestar import Litestar, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, JSONBody

from xoxo_async import Order, XoxoClient
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.desk import OrderDesk
from xoxo_async.integrations.litestar import ERROR_RESPONSES, XoxoPlugin, webhook
from xoxo_async.integrations.webhook import Delivery


@dataclass
class Claim:
    """What a user claims."""

    product_id: int
    denomination: Decimal


def po_number(
    key: Annotated[str, HeaderParameter(name="Idempotency-Key", max_length=200)],
    user: Annotated[str, HeaderParameter(name="X-User")],
) -> str:
    """Derive the poNumber from the caller's own key: never a random one. Your login gives the user."""
    return derive_po_number(f"claims of {user}", key)


@post("/claims", responses=ERROR_RESPONSES)
async def claim(
    data: JSONBody[Claim], po: NamedDependency[str], xoxo_desk: NamedDependency[OrderDesk]
) -> Response[dict[str, Any]]:
    """Place the order of a claim. The same claim made again finds the same order."""
    fields = {"product_id": data.product_id, "denomination": data.denomination}
    return told(await xoxo_desk.place(**fields, po_number=po, wait_s=10))


@get("/claims", responses=ERROR_RESPONSES)
async def poll(po: NamedDependency[str], xoxo: NamedDependency[XoxoClient]) -> Response[dict[str, Any]]:
    """Read the order of a claim."""
    return told(await xoxo.orders.get(po_number=po))


def told(order: Order | None) -> Response[dict[str, Any]]:
    """Return the codes, or 202 while there are none."""
    if order is None or order.delivery_status == "pending":
        return Response({"status": "pending"}, status_code=202, headers={"Retry-After": "5"})
    codes = [voucher.code.reveal() for voucher in order.vouchers]
    return Response({"status": order.delivery_status.value, "codes": codes}, status_code=200)


async def on_delivery(delivery: Delivery) -> None:
    """Tell the user that the codes are there."""


hook = webhook("/hooks/xoxo", os.environ.get("XOXO_HOOK_KEY", "0123456789abcdef"), on_delivery)
po = Provide(po_number, sync_to_thread=False)
app = Litestar([claim, poll, hook], plugins=[XoxoPlugin()], dependencies={"po": po})
