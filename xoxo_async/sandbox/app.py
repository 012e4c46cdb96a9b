"""The server: routes, tokens, limits, faults, start and stop."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

import anyio
import msgspec
from aiohttp import web

from xoxo_async.sandbox.faults import AFTER_COMMIT, Faults, Rule
from xoxo_async.sandbox.handlers import HANDLERS
from xoxo_async.sandbox.handlers_flat import FLAT_HANDLERS, ROOTS, as_openapi
from xoxo_async.sandbox.limits import Limiter
from xoxo_async.sandbox.misbehave import misbehave, refused, reply
from xoxo_async.sandbox.reading import Refusal
from xoxo_async.sandbox.state import BookedOrder, Books, State
from xoxo_async.sandbox.tokens import CLIENT_ID, CLIENT_SECRET, Tokens

__all__ = ["Received", "Sandbox"]


class Received(NamedTuple):
    """A request as the sandbox received it.

    Attributes:
        operation: What it asked for.
        data: Its data, out of the wrapper.
        body: All of its body.
        path: Its path.
    """

    operation: str
    data: Mapping[str, object]
    body: bytes
    path: str


class Sandbox:
    """A local Plum server, for development and for tests. No money, no network.

    Args:
        seed: Decides about products and codes.
        balance: What the account starts with, in INR.
        path: A file for its books, so that a later sandbox goes on with them; None keeps them in memory.
        host: Where to listen.
        port: Where to listen; 0 takes a free port.
        dialect: `vendor` answers as the vendor's pages show, `openapi` as the OpenAPI file says.
        latency_ms: How long each answer takes.
        limits: Calls a minute by operation; none by default.
        limit_window: How the limit is kept: a `fixed` or `sliding` window, or a token `bucket`.
        penalty_s: The penalty for a call over the limit.
        limit_status: The HTTP status of the refusal.
        token_ttl_s: How long access tokens live.
        faults: Scripted faults and a mix.
        unique_po_numbers: Whether a repeated poNumber is refused; a server that does not is worth testing with.
        lookup_lag_s: How long an order cannot be found after it was placed.
        delivery_delay_s: How long delayed products take.

    Example:
        ```python
        async with Sandbox() as sandbox:
            credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
            async with XoxoClient(credentials, base_url=sandbox.base_url) as xoxo:
                print(await xoxo.account.get_balance())
        ```
    """

    client_id: Final = CLIENT_ID
    client_secret: Final = CLIENT_SECRET

    def __init__(
        self,
        *,
        seed: int = 1,
        balance: Decimal | int = 100_000_000,
        path: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        dialect: Literal["vendor", "openapi"] = "vendor",
        latency_ms: float = 0,
        limits: Mapping[str, float] | None = None,
        limit_window: Literal["fixed", "sliding", "bucket"] = "sliding",
        penalty_s: float = 60.0,
        limit_status: int = 429,
        token_ttl_s: float = 1_296_000.0,
        faults: Faults | None = None,
        unique_po_numbers: bool = True,
        lookup_lag_s: float = 0.0,
        delivery_delay_s: float = 5.0,
    ) -> None:
        self.state: Final = State(
            seed=seed,
            balance=Decimal(balance),
            path=Path(path) if path is not None else None,
            unique_po_numbers=unique_po_numbers,
            delivery_delay_s=delivery_delay_s,
        )
        self.requests: Final[deque[Received]] = deque(maxlen=10_000)
        self.faults: Final = faults or Faults()
        self.tokens: Final = Tokens(self.state, token_ttl_s)
        self.limiter: Final = Limiter(limits or {}, limit_window, penalty_s)
        self._host: Final = host
        self._port = port
        self._openapi: Final = dialect == "openapi"
        self._latency_s: Final = latency_ms / 1000
        self._limit_status: Final = limit_status
        self._lag_s: Final = lookup_lag_s
        self._runner: web.AppRunner | None = None
        self._later: Final[set[asyncio.Task[None]]] = set()
        self._comeback: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    # What a test looks at.

    @property
    def base_url(self) -> str:
        """The address to give to a client; the sandbox must be running."""
        return f"http://{self._host}:{self._port}/chef"

    def books(self) -> Books:
        """Return the sandbox's own count."""
        return self.state.books()

    def order(self, po_number: str) -> BookedOrder | None:
        """Return the order booked under a poNumber, if there is one."""
        return self.state.find(0, po_number)

    def script(
        self,
        kind: str,
        *,
        operation: str = "placeOrder",
        first: int | None = None,
        nth: int | None = None,
        every: int | None = None,
        po_number: str | None = None,
        seconds: float = 1.0,
        status: int | None = None,
        error_id: str = "PLE10035",
    ) -> None:
        """Add a fault; see `xoxo_async.sandbox.faults` for the kinds.

        Args:
            kind: What happens.
            operation: To which operation; empty is all.
            first: To the first so many requests, or
            nth: to the n-th alone, or
            every: to every n-th; none of them, to all.
            po_number: To this poNumber alone.
            seconds: How long, for kinds that take time.
            status: The HTTP status, for 5xx kinds.
            error_id: The error id, for error_5xx_after.

        Raises:
            FaultError: When it makes no sense.
        """
        self.faults.rules.append(
            Rule(
                kind=kind,
                operation=operation,
                first=first,
                nth=nth,
                every=every,
                po_number=po_number,
                seconds=seconds,
                status=status,
                error_id=error_id,
            )
        )

    # Running.

    async def start(self) -> None:
        """Listen. `async with` does the same."""
        await self._listen(())

    async def _listen(self, held: Sequence[socket.socket]) -> None:
        """Listen on sockets that are held, or on a port that is bound now."""
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        for prefix in ("/chef", ""):
            app.router.add_get(f"{prefix}/v1/oauth/token", self._validate)
            app.router.add_post(f"{prefix}/v1/oauth/token", self._token)
            app.router.add_post(f"{prefix}/v1/oauth/token/create/user", self._user_token)
            app.router.add_post(f"{prefix}/v1/oauth/token/{{family:user|company}}", self._token)
            app.router.add_post(f"{prefix}/v1/oauth/sso/stores/company", self._sso)
            app.router.add_post(f"{prefix}/v1/oauth/api{{rest:(/|/generateLink|/sendLinks)?}}", self._api)
        app.router.add_get("/_sandbox/books", self._show_books)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        for place in held:
            await web.SockSite(self._runner, place, backlog=1024).start()
        if not held:
            await web.TCPSite(self._runner, self._host, self._port, backlog=1024, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening, and let go of every connection at once; the books stay open for a look."""
        self._stopping.set()
        for task in list(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _end(self) -> None:
        """Stop for good, also in the middle of a restart."""
        if self._comeback is not None:
            self._comeback.cancel()
            await asyncio.gather(self._comeback, return_exceptions=True)
        await self.stop()

    async def restart(self, down_s: float = 0.1) -> None:
        """Go away for a moment and come back on the same port with the same books.

        Args:
            down_s: How long nobody listens.
        """
        addresses = self._runner.addresses if self._runner is not None else []
        await self.stop()
        # Bound, but not listened on: callers are refused, and nobody else on the machine takes the port meanwhile.
        held = [_bound(address) for address in addresses]
        try:
            await anyio.sleep(down_s)
            await self._listen(held)
        except BaseException:
            for place in held:
                place.close()
            raise

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._end()
        self.state.close()

    @contextmanager
    def run_in_thread(self) -> Generator[Self]:
        """Run on an event loop of its own in a thread: for tests without one, and to leave the client's loop alone."""
        started = threading.Event()
        loop = asyncio.new_event_loop()
        failures: list[BaseException] = []

        def serve() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self.start())
            except BaseException as error:  # noqa: BLE001 - told to whoever waits
                failures.append(error)
                started.set()
                return
            started.set()
            loop.run_forever()
            loop.run_until_complete(self._end())
            loop.run_until_complete(loop.shutdown_asyncgens())

        thread = threading.Thread(target=serve, name="xoxo-sandbox", daemon=True)
        thread.start()
        started.wait()
        try:
            if failures:
                raise failures[0]
            yield self
        finally:
            if not failures:
                loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            self.state.close()

    # Tokens.

    async def _token(self, request: web.Request) -> web.Response:
        status, fields = self.tokens.issue(request.path, await request.read(), request.content_type)
        self.state.requests["token"] += 1
        return reply(fields, status)

    async def _validate(self, request: web.Request) -> web.Response:
        refusal = self.tokens.check(request.headers.get("Authorization"))
        if refusal is not None:
            return reply(refusal[1], refusal[0])
        token = request.headers["Authorization"].removeprefix("Bearer ")
        seconds = self.tokens.seconds_left(token)
        return reply({"access_token": token, "token_type": "bearer", "expires_in": seconds})

    async def _user_token(self, request: web.Request) -> web.Response:
        refusal = self.tokens.check(request.headers.get("Authorization"))
        return reply(refusal[1], refusal[0]) if refusal else reply(self.tokens.new_pair())

    async def _sso(self, request: web.Request) -> web.Response:
        refusal = self.tokens.check(request.headers.get("Authorization"))
        return reply(refusal[1], refusal[0]) if refusal else reply({"data": {"ssoToken": "sandbox-sso-token"}})

    async def _show_books(self, _request: web.Request) -> web.Response:
        return reply(msgspec.to_builtins(self.books()))

    # Operations.

    async def _api(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        refusal = self.tokens.check(request.headers.get("Authorization"))
        if refusal is not None:
            return reply(refusal[1], refusal[0])
        operation, data = _parse(raw)
        if operation is None:
            return refused(Refusal("PLE10001"), openapi=self._openapi)
        self.requests.append(Received(operation, data, raw, request.path))
        self.state.requests[operation] += 1
        penalty = self.limiter.refuse(operation)
        if penalty is not None:
            return self._limited(penalty)
        po_number = str(data.get("poNumber") or "")
        rule = self.faults.pick(operation, po_number)
        if rule is not None and rule.kind == "lagging_lookup":
            rule = rule if self._lags(po_number, rule.seconds) else None
        if self._latency_s:
            await anyio.sleep(self._latency_s)
        if rule is None:
            return self._answer(operation, data)
        return await self._with_fault(request, rule, operation, data)

    def _answer(self, operation: str, data: Mapping[str, object]) -> web.Response:
        """Carry a request out and answer it."""
        flat = FLAT_HANDLERS.get(operation)
        if flat is not None:
            key = "generateLink" if operation == "generateLinkEmail" else operation
            answer = flat(self.state, data)
            return reply({"data": {key: as_openapi(operation, answer) if self._openapi else answer}})
        if operation == "getOrderDetails" and self._lags(str(data.get("poNumber") or ""), self._lag_s):
            return refused(Refusal("PLE10016"), openapi=self._openapi)
        try:
            inner = HANDLERS[operation](self.state, data, self._openapi)
        except Refusal as refusal:
            return refused(refusal, openapi=self._openapi)
        # Asked by one name, the payment report answers under the other.
        key = "getPaymentReport" if operation == "paymentHistory" and not self._openapi else operation
        return reply({"data": {key: {"status": 1, "data": inner}}})

    def _lags(self, po_number: str, seconds: float) -> bool:
        order = self.order(po_number) if po_number else None
        return order is not None and self.state.clock() < order.placed_at + seconds

    def _limited(self, penalty_s: float) -> web.Response:
        body = {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": penalty_s}]}
        return reply(body, self._limit_status)

    async def _with_fault(
        self, request: web.Request, rule: Rule, operation: str, data: Mapping[str, object]
    ) -> web.StreamResponse:
        answer = self._answer(operation, data) if rule.kind in AFTER_COMMIT else None
        if rule.kind == "late_commit":
            task = asyncio.get_running_loop().create_task(self._commit_late(rule.seconds, operation, data))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        if rule.kind.startswith("timeout"):
            with anyio.move_on_after(rule.seconds):
                await self._stopping.wait()
        if rule.kind == "revoke_token":
            self.tokens.revoke_all()
        if rule.kind == "restart":
            self._comeback = asyncio.get_running_loop().create_task(self.restart(rule.seconds))
        if rule.kind == "throttle":
            return self._limited(rule.seconds)
        if rule.kind == "lagging_lookup":
            return refused(Refusal("PLE10016"))
        return await misbehave(request, rule, answer)

    async def _commit_late(self, seconds: float, operation: str, data: Mapping[str, object]) -> None:
        await anyio.sleep(seconds)
        self._answer(operation, data)


def _bound(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket with an address, an IPv6 one where it has a flow and a scope."""
    place = socket.socket(socket.AF_INET6 if len(address) > _IPV4_PARTS else socket.AF_INET)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(address)
    return place


_IPV4_PARTS: Final = 2  # host and port
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def _parse(raw: bytes) -> tuple[str | None, Mapping[str, object]]:
    """Return the operation and its data; (None, {}) for what is no request of this API."""
    try:
        body = _DECODER.decode(raw)
        operation = str(body["query"]).rsplit(".", 1)[-1]
        variables = body["variables"]
        if operation not in HANDLERS and operation not in FLAT_HANDLERS:
            return None, {}
        data = variables.get(ROOTS.get(operation, "data"), variables)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
        return None, {}
    # PHP clients write an empty object as a list.
    return (operation, {}) if data == [] else (operation, data) if isinstance(data, dict) else (None, {})
