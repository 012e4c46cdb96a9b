"""What the tests of the frameworks share: a client of a sandbox, an order in it, and the vendor's posts about it."""

from typing import Any

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.integrations.webhook import Delivery
from xoxo_async.sandbox import Sandbox

KEY = "0123456789abcdef"
KEYED = {"x-api-key": KEY}


def client_of(sandbox: Sandbox) -> XoxoClient:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    return XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited())


async def event_of(sandbox: Sandbox) -> dict[str, Any]:
    """Place an order, and return the vendor's event of its delivery."""
    async with client_of(sandbox) as client:
        order = await client.orders.place(product_id=1001, denomination=500, po_number="PO-7")
    return {"id": "1", "data": {"orderId": order.order_id, "poNumber": "PO-7", "deliveryStatus": "delivered"}}


class Deliveries:
    """Keeps what the callback got, and fails as often as a test says."""

    def __init__(self, fail: int = 0) -> None:
        self.got: list[Delivery] = []
        self.fail = fail

    async def __call__(self, delivery: Delivery) -> None:
        if self.fail:
            self.fail -= 1
            raise OSError("the database is away")
        self.got.append(delivery)
