"""Which files of the package a warm `orders.place` runs through: a reader opens these to follow one order."""

import sys
from pathlib import Path
from types import FrameType

import pytest

import xoxo_async
from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PACKAGE = Path(xoxo_async.__file__).parent

ROAD = {
    "services/orders/service.py",  # the method
    "services/orders/requests.py",  # the request
    "services/checks.py",  # its fields
    "dispatcher.py",  # from an operation to a decoded struct
    "belief.py",  # whether the answer can belong to this request
    "operation.py",  # the envelope, and the success flag
    "pacing.py",  # the rate slot
    "session.py",  # the token
    "transport/http.py",  # one request
    "transport/sending.py",  # what leaves, and whether any byte has left
    "transport/connections.py",  # what each connection has answered
    "transport/deadlines.py",  # the time limit
    "wire/decoder.py",  # bytes to structs
    "wire/amounts.py",  # no absurd amount
    "wire/secrets.py",  # codes and PINs are masked
    "services/orders/matching.py",  # the order is the requested one
}
"""Errors, retries, renewals, refusals, settling and hooks have other files, which run only after a failure."""


async def test_a_warm_order_passes_these_files() -> None:
    """The second order of a client runs through these files and no others."""
    passed: set[str] = set()

    def note(frame: FrameType, event: str, _arg: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "sandbox"):
            passed.add(path.relative_to(PACKAGE).as_posix())

    async with Sandbox() as sandbox:
        credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
        client = XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited())
        async with client as xoxo:
            product = (await xoxo.catalog.list_vouchers()).items[0]
            order = {"product_id": product.product_id, "denomination": product.denominations[0]}
            await xoxo.orders.place(**order, po_number="first")
            before = sys.getprofile()
            sys.setprofile(note)
            try:
                await xoxo.orders.place(**order, po_number="second")
            finally:
                sys.setprofile(before)
    assert passed <= ROAD, f"an order passes more files than before: {sorted(passed - ROAD)}"
    assert passed == ROAD, f"an order passes fewer files now, which is good news for this list: {sorted(ROAD - passed)}"
