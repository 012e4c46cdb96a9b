"""A server in its own process that answers everything at once, so that a benchmark measures the client.

Raw asyncio, no HTTP library: it reads a request's length, and writes the bytes it was told to.
"""

import asyncio
import json
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection


def order_reply(order_id: int = 1) -> dict[str, object]:
    """A placeOrder answer as the vendor's pages print it, about 1 KB."""
    voucher = {
        "productId": 1001,
        "orderId": order_id,
        "voucherCode": f"BENCH-{order_id:012d}-ABCDEF",
        "pin": "123456",
        "validity": "2028-02-14",
        "amount": 500,
        "currency": "INR",
        "country": "IN",
        "type": "codePin",
        "currencyValue": 1,
    }
    detail = {
        "orderId": order_id,
        "productId": 1001,
        "productName": "Corner Shop",
        "currencyCode": "INR",
        "productStatus": "delivered",
        "denomination": 500,
        "vendorLogo": "https://images.example.com/logo/corner-shop.png",
    }
    order = {
        "orderId": order_id,
        "orderTotal": 500,
        "rawOrderTotal": 500.0,
        "orderDiscount": "",
        "rawOrderDiscount": "",
        "discountPercent": "0",
        "currencyCode": "INR",
        "currencyValue": 1,
        "amountCharged": 500,
        "orderStatus": "complete",
        "deliveryStatus": "delivered",
        "tag": "bench",
        "quantity": 1,
        "vouchers": [voucher],
        "voucherDetails": [detail],
        "orderMeta": {"email": "someone@example.com", "contact": "+91-9000000000"},
    }
    return {"data": {"placeOrder": {"status": 1, "data": order}}}


TOKEN = {"access_token": "QkVOQ0g=", "token_type": "bearer", "expires_in": 1296000}


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


class _Stub(asyncio.Protocol):
    """Answer each request on a connection; the token endpoint by its path, everything else with an order."""

    latency_s = 0.0
    token = _answer(json.dumps(TOKEN).encode())
    order = _answer(json.dumps(order_reply()).encode())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            start = self.buffer.lower().find(b"content-length:", 0, end)
            length = int(self.buffer[start + 15 : self.buffer.find(b"\r\n", start)]) if start >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            is_token = b"/oauth/token" in self.buffer[: self.buffer.find(b"\r\n")]
            self.buffer = self.buffer[end + 4 + length :]
            answer = self.token if is_token else self.order
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self.transport.write, answer)
            else:
                self.transport.write(answer)


def _serve(port: "Connection", latency_s: float) -> None:
    async def main() -> None:
        _Stub.latency_s = latency_s
        server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        parent = os.getppid()
        while os.getppid() == parent:  # end with the benchmark, however it ends
            await asyncio.sleep(0.5)

    asyncio.run(main())


@contextmanager
def stub_server(latency_s: float = 0.0) -> Iterator[str]:
    """Run the server; yield its base URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, latency_s), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/chef"
    finally:
        process.terminate()
        process.join()
