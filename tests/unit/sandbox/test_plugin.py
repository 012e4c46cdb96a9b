"""`plugin`: every test can use the fixtures `xoxo_sandbox` and `xoxo_client`, and gets its own."""

import pytest

from xoxo_async import XoxoClient
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def test_the_client_is_connected_to_the_sandbox(xoxo_client: XoxoClient, xoxo_sandbox: Sandbox) -> None:
    """An order placed by the client is in the books of the sandbox."""
    async with xoxo_client as xoxo:
        order = await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    booked = xoxo_sandbox.order("PO-1")
    assert booked is not None
    assert booked.order_id == order.order_id


@pytest.mark.parametrize("number", [1, 2])
async def test_no_test_finds_what_another_one_left(xoxo_client: XoxoClient, xoxo_sandbox: Sandbox, number: int) -> None:
    """Each test starts with empty books, whichever of them runs first."""
    assert xoxo_sandbox.books().orders == 0
    async with xoxo_client as xoxo:
        await xoxo.orders.place(product_id=1001, denomination=100, po_number=f"PO-{number}")
    assert xoxo_sandbox.books().by_po_number == {f"PO-{number}": 1}


def test_the_sandbox_serves_tests_without_a_loop(xoxo_sandbox: Sandbox) -> None:
    """A test without an event loop can script faults and read the books."""
    xoxo_sandbox.script("throttle")
    assert xoxo_sandbox.base_url.startswith("http://127.0.0.1:")
