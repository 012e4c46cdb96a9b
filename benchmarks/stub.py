"""A server in its own process that answers everything at once, so that a benchmark measures the client.

It uses raw asyncio and no HTTP library: it reads the length of a request, and writes fixed bytes.
"""

import asyncio
import json
import multiprocessing
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from typing import Final, cast

import uvloop

ORDER_ID: Final = 987654321
"""The order id in `order_reply`, unless the caller gives another one."""

TOKEN_LIFETIME_S: Final = 1_296_000.0


def order_reply(order_id: int = ORDER_ID) -> dict[str, object]:
    """Return a placeOrder answer as the vendor's pages print it, about 1 KB."""
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


_CURRENCIES: Final = (
    ("IN", "India", "INR", "rupees"),
    ("US", "USA", "USD", "Dollar"),
    ("GB", "United Kingdom", "GBP", "Pound"),
    ("DE", "Germany", "EUR", "Euro"),
)


def product(number: int) -> dict[str, object]:
    """Return a product with every field that the vendor documents, about 2 KB, with HTML and CRLF in its texts."""
    code, country, currency, currency_name = _CURRENCIES[number % len(_CURRENCIES)]
    is_open = number % 3 == 0
    shop = f"Corner Shop {number}"
    return {
        "productId": 1000 + number,
        "name": f"{shop} Gift Card",
        "description": f"<p>{shop} has sold <b>everything for the home &amp; garden</b> since 1987.</p>\r\n" * 3,
        "termsAndConditionsInstructions": "<ul>\r\n"
        + "<li>Good in every shop and on the web site; no cash is given back.</li>\r\n" * 6
        + "</ul>",
        "expiryAndValidity": "<p>12 months from the date of issue.</p>\r\n",
        "redemptionInstructions": "<p>Show the code at the till, or enter it at check-out.</p>\r\n" * 2,
        "categories": "Shopping,Home &amp; Living,Gift Cards",
        "lastUpdateDate": "2026-01-06 10:23:24",
        "imageUrl": f"https://images.example.com/vouchers/{1000 + number}.png",
        "currencyCode": currency,
        "currencyName": currency_name,
        "countryName": country,
        "countryCode": code,
        "countries": [{"code": code, "name": country}],
        "exchangeRate": 83.25 if number % 5 == 0 else None,
        "exchangeRateRule": 1.5,
        "valueType": "open_value" if is_open else "fixed_denomination",
        "maxValue": 10000 if is_open else 0,
        "minValue": 100.5 if is_open else 0,
        "valueDenominations": "500,100,250,1000,2000",
        "tatInDays": "1 - 7" if number % 7 == 0 else 0,
        "usageType": "both",
        "deliveryType": "realtime",
        "fee": 2.5 if number % 4 == 0 else 0,
        "discount": 3.75 if number % 6 == 0 else 0,
        "orderQuantityLimit": 10,
        "isPhoneNumberMandatory": number % 9 == 0,
        "isRecommended": 0,
        "isDummyProduct": 0,
        "is_free": 0,
        "showDiscountPercent": 1,
        "isCommon": "0",
        "filterGroupCode": "voucher_category",
        "loyaltyName": None,
        "loyaltyConversion": None,
        "parentProductId": None,
        "brand": [],
        "productImages": [],
        "variants": None,
        "productMeta": '{"fields":[{"name":"email","required":true},{"name":"contact","required":false}]}',
        "metaData": None,
        "redemptionFee": 0,
        "redemptionFeeType": "percentage",
        "redemptionFeeBorneByUser": False,
        "redemptionFeeTax": 0,
    }


@cache
def catalog_page(products: int, first: int = 1) -> bytes:
    """Return a getVouchers answer of full products, as bytes."""
    page = [product(number) for number in range(first, first + products)]
    return json.dumps({"data": {"getVouchers": {"status": 1, "data": page}}}, separators=(",", ":")).encode()


def one_odd_product(page: bytes) -> bytes:
    """Return the same page with a blank quantity limit in one product, which only the tolerant decoder reads."""
    return page.replace(b'"orderQuantityLimit":10', b'"orderQuantityLimit":""', 1)


_BALANCE: Final = json.dumps(
    {"data": {"getBalance": {"status": 1, "data": {"points": 10**10, "value": 10**10, "currency": "INR"}}}}
).encode()


def token_reply(lifetime_s: float) -> dict[str, object]:
    """Return an answer of the token endpoint."""
    return {"access_token": "QkVOQ0g=", "token_type": "bearer", "expires_in": lifetime_s}


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


_PIECES: Final = _answer(json.dumps(order_reply()).encode()).split(str(ORDER_ID).encode())
_FIRST_ORDER: Final = 100_000_000  # as many digits as ORDER_ID, since the length of the answer is fixed
_LIMIT: Final = re.compile(rb'"limit":(\d+)')
_EMAIL: Final = re.compile(rb'"email":"([^"]*)"')
_ORDER: Final = json.dumps(order_reply()).encode()


class _Stub(asyncio.Protocol):
    """Answer each request: tokens and counts by path, products by query, and anything else with an order."""

    latency_s = 0.0
    token_latency_s = 0.0
    token_lifetime_s = TOKEN_LIFETIME_S
    odd_products = False
    own_receivers = False
    orders = 0
    tokens = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transport is no subclass
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
            line = self.buffer[: self.buffer.find(b"\r\n")]
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            answer, latency_s = self.answer(line, body)
            if latency_s:
                asyncio.get_running_loop().call_later(latency_s, self.transport.write, answer)
            else:
                self.transport.write(answer)

    def answer(self, line: bytes, body: bytes) -> tuple[bytes, float]:
        if b"/oauth/token" in line:
            _Stub.tokens += 1
            return _answer(json.dumps(token_reply(self.token_lifetime_s)).encode()), self.token_latency_s
        if b"/counts" in line:
            return _answer(json.dumps({"orders": _Stub.orders, "tokens": _Stub.tokens}).encode()), 0.0
        if b"getBalance" in body:
            return _answer(_BALANCE), self.latency_s
        if b"getVouchers" in body:
            limit = _LIMIT.search(body)
            page = catalog_page(int(limit[1]) if limit else 100)
            return _answer(one_odd_product(page) if self.odd_products else page), self.latency_s
        _Stub.orders += 1
        if self.own_receivers and (email := _EMAIL.search(body)):
            order = _ORDER.replace(str(ORDER_ID).encode(), b"%d" % (_FIRST_ORDER + _Stub.orders))
            return _answer(order.replace(b"someone@example.com", email[1])), self.latency_s
        return (b"%d" % (_FIRST_ORDER + _Stub.orders)).join(_PIECES), self.latency_s


def _serve(port: "Connection", settings: dict[str, float]) -> None:
    async def main() -> None:
        for name, value in settings.items():
            setattr(_Stub, name, value)
        server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0, backlog=4096)
        port.send(server.sockets[0].getsockname()[1])
        parent = os.getppid()
        while os.getppid() == parent:  # the server ends when the benchmark ends, for any reason
            await asyncio.sleep(0.5)

    # It shares the processors with the client that is measured, so it takes as little of them as it can.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@contextmanager
def stub_server(
    latency_s: float = 0.0,
    *,
    token_latency_s: float = 0.0,
    token_lifetime_s: float = TOKEN_LIFETIME_S,
    odd_products: bool = False,
    own_receivers: bool = False,
) -> Iterator[str]:
    """Run the server and yield its base URL. `GET {url}/counts` returns how many orders and tokens it has given.

    With `own_receivers` an order is answered with the address of its request; otherwise all have the same one.
    """
    settings = {
        "latency_s": latency_s,
        "token_latency_s": token_latency_s,
        "token_lifetime_s": token_lifetime_s,
        "odd_products": odd_products,
        "own_receivers": own_receivers,
    }
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
    process.start()
    theirs.close()  # a server that cannot start raises here
    try:
        yield f"http://127.0.0.1:{ours.recv()}/chef"
    finally:
        process.terminate()
        process.join()
