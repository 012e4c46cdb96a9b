"""The contestants that place the same order over the same wire: the SDK, and other ways to write it."""

import asyncio
import importlib
import importlib.util
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.hooks import Hook

IN_FLIGHT: Final = 64
WARM_UP: Final = 512
"""Orders before those that are counted: with connections open, Python adapts its code in the first hundreds."""
TOKEN: Final = "QkVOQ0g="
PATH: Final = "/v1/oauth/api"
QUERY: Final = "plumProAPI.mutation.placeOrder"
HEADERS: Final = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "Accept": "application/json"}

_numbers: Final = itertools.count(1)


class Placer(Protocol):
    """Places orders, one at a time, from any number of tasks."""

    async def open(self, base_url: str) -> None:
        """Open the session or the client."""

    async def place(self, number: int) -> object:
        """Place one order and read its answer."""

    async def close(self) -> None:
        """Close it."""


async def place_many(placer: Placer, orders: int, in_flight: int = IN_FLIGHT) -> None:
    """Place orders with a number of workers that pull from one iterator."""
    numbers = itertools.islice(_numbers, orders)

    async def work() -> None:
        for number in numbers:
            await placer.place(number)

    await asyncio.gather(*[work() for _ in range(min(in_flight, orders))])


# The code that a careful person writes with aiohttp.


class PlaceOrder(msgspec.Struct, rename="camel", omit_defaults=True):
    """The request, with types by hand."""

    product_id: int
    quantity: int
    denomination: Decimal
    po_number: str
    email: str | None = None
    contact: str | None = None
    tag: str | None = None
    notify_receiver_email: int | None = None
    notify_admin_email: int | None = None


class Variables(msgspec.Struct):
    """The wrapper inside the envelope."""

    data: PlaceOrder


class Envelope(msgspec.Struct):
    """The request envelope."""

    query: str
    tag: str
    variables: Variables


class VoucherCode(msgspec.Struct, rename="camel"):
    """A voucher, with types by hand."""

    product_id: int | None = None
    order_id: int | None = None
    voucher_code: str = ""
    pin: str = ""
    validity: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    country: str | None = None
    type: str | None = None
    currency_value: Decimal | None = None


class VoucherDetail(msgspec.Struct, rename="camel"):
    """A product of the order, with types by hand."""

    order_id: int | None = None
    product_id: int | None = None
    product_name: str | None = None
    currency_code: str | None = None
    product_status: str | None = None
    denomination: Decimal | None = None
    vendor_logo: str | None = None


class Order(msgspec.Struct, rename="camel"):
    """The order, with types by hand."""

    order_id: int
    order_total: Decimal | None = None
    raw_order_total: Decimal | None = None
    order_discount: str | None = None
    raw_order_discount: str | None = None
    discount_percent: str | None = None
    currency_code: str | None = None
    currency_value: Decimal | None = None
    amount_charged: Decimal | None = None
    order_status: str | None = None
    delivery_status: str | None = None
    tag: str | None = None
    quantity: int | None = None
    vouchers: list[VoucherCode] = []
    voucher_details: list[VoucherDetail] = []
    order_meta: dict[str, Any] | None = None


class Outcome(msgspec.Struct):
    """The inner reply."""

    status: int
    data: Order | None = None


class Data(msgspec.Struct, rename="camel"):
    """The outer reply."""

    place_order: Outcome | None = None


class Reply(msgspec.Struct):
    """The whole answer."""

    data: Data | None = None


def _request(number: int) -> dict[str, Any]:
    return {
        "query": QUERY,
        "tag": "plumProAPI",
        "variables": {
            "data": {
                "productId": 1001,
                "quantity": 1,
                "denomination": 500,
                "poNumber": f"BENCH-{number}",
                "notifyReceiverEmail": 0,
                "notifyAdminEmail": 0,
            }
        },
    }


class BareJson:
    """aiohttp as its tutorial shows it: `json=` and `resp.json()`, with dicts. Its default is 100 connections."""

    def __init__(self, connections: int = 100) -> None:
        self.connections = connections

    async def open(self, base_url: str) -> None:
        self.url = base_url + PATH
        connector = aiohttp.TCPConnector(limit=self.connections)
        self.http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}, connector=connector)

    async def place(self, number: int) -> int:
        async with self.http.post(self.url, json=_request(number)) as response:
            answer = await response.json()
        inner = answer["data"]["placeOrder"]
        assert inner["status"] == 1
        order_id: int = inner["data"]["orderId"]
        assert order_id
        return order_id

    async def close(self) -> None:
        await self.http.close()


class BareMsgspec:
    """aiohttp with msgspec for requests and answers, and with aiohttp's defaults."""

    async def open(self, base_url: str) -> None:
        self.url = base_url + PATH
        self.http = aiohttp.ClientSession(headers=HEADERS)
        self.encoder = msgspec.json.Encoder(decimal_format="number")
        self.decoder = msgspec.json.Decoder(Reply)

    async def place(self, number: int) -> None:
        order = PlaceOrder(1001, 1, Decimal(500), f"BENCH-{number}", notify_receiver_email=0, notify_admin_email=0)
        body = self.encoder.encode(Envelope(QUERY, "plumProAPI", Variables(order)))
        async with self.http.post(self.url, data=body) as response:
            answer = self.decoder.decode(await response.read())
        assert answer.data is not None
        assert answer.data.place_order is not None
        assert answer.data.place_order.status == 1
        assert answer.data.place_order.data is not None

    async def close(self) -> None:
        await self.http.close()


class TunedMsgspec(BareMsgspec):
    """The same with every setting of aiohttp that saves time and has no other cost."""

    async def open(self, base_url: str) -> None:
        await super().open(base_url)
        await self.http.close()
        self.http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS, timeout=aiohttp.ClientTimeout(total=None)
        )
        url = importlib.import_module("yarl").URL(self.url)
        prefix, suffix = self.encoder.encode(Envelope(QUERY, "plumProAPI", Variables(_ANY))).split(
            self.encoder.encode(_ANY)
        )
        encode, decode, request = self.encoder.encode, self.decoder.decode, self.http.request

        async def place(number: int) -> None:
            order = PlaceOrder(1001, 1, _VALUE, f"BENCH-{number}", notify_receiver_email=0, notify_admin_email=0)
            body = prefix + encode(order) + suffix
            response = await request("POST", url, data=body, allow_redirects=False)
            answer = decode(await response.read())
            assert answer.data.place_order.status == 1

        self.place = place  # type: ignore[method-assign]


_VALUE: Final = Decimal(500)
_ANY: Final = PlaceOrder(1, 1, _VALUE, "")


class Raw:
    """No HTTP client: hand-written bytes over one connection for each worker. Nothing is faster."""

    async def open(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.address = (parts.hostname, parts.port)
        self.head = (
            f"POST {parts.path}{PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        ).encode()
        self.idle: deque[_RawConnection] = deque()
        self.all: list[_RawConnection] = []

    async def place(self, number: int) -> None:
        body = (
            b'{"query":"plumProAPI.mutation.placeOrder","tag":"plumProAPI","variables":{"data":{"productId":1001,'
            b'"quantity":1,"denomination":500,"poNumber":"BENCH-%d","notifyReceiverEmail":0,"notifyAdminEmail":0}}}'
        ) % number
        if self.idle:
            connection = self.idle.pop()
        else:
            _, connection = await asyncio.get_running_loop().create_connection(_RawConnection, *self.address)
            self.all.append(connection)
        answer = await connection.ask(self.head % len(body) + body)
        self.idle.append(connection)
        assert b'"status": 1' in answer

    async def close(self) -> None:
        for connection in self.all:
            connection.transport.close()


class _RawConnection(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transport is no subclass
        self.loop = asyncio.get_running_loop()

    def ask(self, request: bytes) -> Awaitable[bytes]:
        self.answer: asyncio.Future[bytes] = self.loop.create_future()
        self.buffer = b""
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        start = self.buffer.find(b"Content-Length: ")
        if end < 0 or len(self.buffer) < end + 4 + int(self.buffer[start + 16 : self.buffer.find(b"\r\n", start)]):
            return
        self.answer.set_result(self.buffer[end + 4 :])


class Sdk:
    """`orders.place` without rate limits, with defaults otherwise: pacing, hooks, retries, token, errors, secrets."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self.hooks = hooks

    async def open(self, base_url: str) -> None:
        limits = RateLimits.unlimited()
        self.client = XoxoClient(StaticToken(TOKEN), base_url=base_url, rate_limits=limits, hooks=self.hooks)

    async def place(self, number: int) -> None:
        order = await self.client.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{number}")
        assert order.order_id

    async def close(self) -> None:
        await self.client.aclose()


# Peers, which run if `make bench-peers` has installed them.


class HttpxPydantic:
    """httpx and pydantic v2, a common pair."""

    async def open(self, base_url: str) -> None:
        self.url = base_url + PATH
        self.model = importlib.import_module("pydantic_models").Reply
        httpx = importlib.import_module("httpx")
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
        self.http = httpx.AsyncClient(headers=HEADERS, limits=limits)

    async def place(self, number: int) -> None:
        response = await self.http.post(self.url, json=_request(number))
        assert self.model.model_validate_json(response.content).data.place_order.status == 1

    async def close(self) -> None:
        await self.http.aclose()


class Generated:
    """The client that openapi-generator writes for asyncio, from `plum_openapi.yml`."""

    async def open(self, base_url: str) -> None:
        self.package = importlib.import_module("plum_openapi")
        settings = self.package.Configuration(host=base_url, access_token=TOKEN)
        settings.connection_pool_maxsize = 256
        self.api_client = self.package.ApiClient(settings)
        self.api = self.package.OrdersApi(self.api_client)

    async def place(self, number: int) -> None:
        package = self.package
        order = package.PlaceOrder(
            product_id=1001,
            quantity=1,
            denomination=500,
            po_number=f"BENCH-{number}",
            notify_receiver_email=0,
            notify_admin_email=0,
        )
        variables = package.PlaceOrderVariables(data=order)
        answer = await self.api.place_order(
            package.PlaceOrderRequest(query=QUERY, tag="plumProAPI", variables=variables)
        )
        assert answer.data.place_order.status == 1

    async def close(self) -> None:
        await self.api_client.close()


class Requests:
    """requests in threads, with one session that has a connection for each thread."""

    async def open(self, base_url: str) -> None:
        requests = importlib.import_module("requests")
        self.url = base_url + PATH
        self.http = requests.Session()
        self.http.headers.update(HEADERS)
        self.http.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=IN_FLIGHT))
        self.threads = ThreadPoolExecutor(IN_FLIGHT)

    def _place(self, number: int) -> None:
        answer = self.http.post(self.url, json=_request(number), timeout=30).json()
        assert answer["data"]["placeOrder"]["status"] == 1

    async def place(self, number: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self.threads, self._place, number)

    async def close(self) -> None:
        self.http.close()
        self.threads.shutdown()


SDK: Final = "xoxo_async orders.place"
JSON: Final = "aiohttp + json"
MSGSPEC: Final = "aiohttp + msgspec"
TUNED: Final = "aiohttp + msgspec, tuned"
RAW: Final = "raw protocol"
GENERATED: Final = "openapi-generator asyncio"
HTTPX: Final = "httpx + pydantic"
THREADS: Final = "requests in threads"

PLACERS: Final[dict[str, Callable[[], Placer]]] = {
    RAW: Raw,
    TUNED: TunedMsgspec,
    MSGSPEC: BareMsgspec,
    JSON: BareJson,
    SDK: Sdk,
    GENERATED: Generated,
    THREADS: Requests,
    HTTPX: HttpxPydantic,
}

_NEEDS: Final = {HTTPX: ("httpx", "pydantic"), GENERATED: ("plum_openapi", "pydantic"), THREADS: ("requests",)}


def installed(name: str) -> bool:
    """Return whether the libraries of a placer are installed."""
    found = False
    with suppress(ImportError, ValueError):
        found = all(importlib.util.find_spec(module) is not None for module in _NEEDS.get(name, ()))
    return found
