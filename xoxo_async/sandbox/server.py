"""The sandbox as a server: its settings, what a test reads from it, start, stop and restart."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, Self

import anyio
from aiohttp import web

from xoxo_async.sandbox.api import Api, Received
from xoxo_async.sandbox.faults import Faults, Rule
from xoxo_async.sandbox.limits import Limiter
from xoxo_async.sandbox.state import BookedOrder, Books, State
from xoxo_async.sandbox.tokens import CLIENT_ID, CLIENT_SECRET, Tokens

__all__ = ["Sandbox"]


class Sandbox:
    """A local Plum server for development and for tests. It moves no money and uses no network but loopback.

    Args:
        seed: Fixes the products and the codes: the same seed gives the same ones.
        balance: The opening balance of the account, in INR.
        path: The file that keeps the books, so that a later sandbox continues with them. None keeps them in memory.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free port.
        dialect: `vendor` answers as the vendor's pages show, `openapi` as the vendor's OpenAPI file says.
        latency_ms: The delay of each answer, in milliseconds.
        limits: Calls per minute, by operation. Without it there is no limit.
        limit_window: How calls are counted: in a `fixed` or `sliding` window, or by a token `bucket`.
        penalty_s: How long an operation is refused after a call over its limit, in seconds.
        limit_status: The HTTP status of that refusal.
        token_ttl_s: The lifetime of an access token, in seconds.
        faults: Scripted faults, and a mix of random ones.
        unique_po_numbers: Whether a repeated poNumber is refused. Test your code with False as well: nobody outside the
            vendor knows for certain that the vendor always refuses one.
        lookup_lag_s: How long a look-up does not find an order after it was placed, in seconds.
        delivery_delay_s: How long a delayed product takes until its codes are there, in seconds.
        history_lag_s: How long the order history does not show an order after it was placed, in seconds. Nobody outside
            the vendor knows whether its history lags.
        pay_on: When points and links cost the account: `send`, with a row of the payment report for each credit and for
            each call that made links, or `redeem`, which nobody does here. The vendor has accounts of both kinds, and
            documents no such row.

    Attributes:
        client_id: The client id that the sandbox accepts.
        client_secret: The client secret that the sandbox accepts.
        requests: The last ten thousand requests that named an operation, as they came.
        faults: The scripted faults and the mix.
        tokens: The token endpoint. A test may set `tokens.broken`, or call `tokens.revoke_all()`.
        limiter: Counts calls, and the calls it refused.
        state: The books. A test may call `state.add_funds(...)`.

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
        history_lag_s: float = 0.0,
        pay_on: Literal["send", "redeem"] = "send",
    ) -> None:
        self.state: Final = State(
            seed=seed,
            balance=Decimal(balance),
            path=Path(path) if path is not None else None,
            unique_po_numbers=unique_po_numbers,
            delivery_delay_s=delivery_delay_s,
            history_lag_s=history_lag_s,
            pay_on=pay_on,
        )
        self.faults: Final = faults or Faults()
        self.tokens: Final = Tokens(self.state, token_ttl_s)
        self.limiter: Final = Limiter(limits or {}, limit_window, penalty_s)
        self._api: Final = Api(
            self.state,
            self.tokens,
            self.limiter,
            self.faults,
            openapi=dialect == "openapi",
            latency_s=latency_ms / 1000,
            limit_status=limit_status,
            lookup_lag_s=lookup_lag_s,
            restart=self._begin_restart,
        )
        self.requests: Final[deque[Received]] = self._api.requests
        self._host: Final = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._restarting: asyncio.Task[None] | None = None

    # What a test reads.

    @property
    def base_url(self) -> str:
        """The address to give to a client. It is valid while the sandbox runs."""
        return f"http://{self._host}:{self._port}/chef"

    def books(self) -> Books:
        """Return the sandbox's own count."""
        return self.state.books()

    def order(self, po_number: str) -> BookedOrder | None:
        """Return the order booked under a poNumber, or None."""
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
        email: str | None = None,
        seconds: float = 1.0,
        status: int | None = None,
        error_id: str = "PLE10035",
    ) -> None:
        """Add a fault. The module `xoxo_async.sandbox.faults` has the table of kinds.

        Give at most one of `first`, `nth` and `every`; without one, every matching request gets the fault.

        Args:
            kind: The kind of fault.
            operation: The operation that gets the fault; empty means all operations.
            first: Only the first so many requests get it.
            nth: Only the n-th request gets it.
            every: Every n-th request gets it.
            po_number: Only requests with this poNumber get it.
            email: Only requests that name this e-mail address get it.
            seconds: The duration, for kinds that take time.
            status: The HTTP status, for 5xx kinds.
            error_id: The error id, for error_5xx_after.

        Raises:
            FaultError: A value is not valid.
        """
        self.faults.rules.append(
            Rule(
                kind=kind,
                operation=operation,
                first=first,
                nth=nth,
                every=every,
                po_number=po_number,
                email=email,
                seconds=seconds,
                status=status,
                error_id=error_id,
            )
        )

    # Running.

    async def start(self) -> None:
        """Start to listen. `async with` does the same."""
        await self._listen(())

    async def _listen(self, reserved: Sequence[socket.socket]) -> None:
        """Listen on reserved sockets, or bind a port if there are none."""
        self._runner = web.AppRunner(self._api.open(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        for bound in reserved:
            await web.SockSite(self._runner, bound, backlog=1024).start()
        if not reserved:
            await web.TCPSite(self._runner, self._host, self._port, backlog=1024, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close every connection at once. The books can still be read."""
        await self._api.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def restart(self, down_s: float = 0.1) -> None:
        """Stop, wait, and listen again on the same port with the same books.

        Args:
            down_s: How long nothing listens, in seconds.
        """
        addresses = self._runner.addresses if self._runner is not None else []
        await self.stop()
        # A socket that is bound and does not listen refuses callers, and no other program can take the port meanwhile.
        reserved = [_bind(address) for address in addresses]
        try:
            await anyio.sleep(down_s)
            await self._listen(reserved)
        except BaseException:
            for bound in reserved:
                bound.close()
            raise

    def _begin_restart(self, down_s: float) -> None:
        """Restart in a task of its own, since the request that asks for it ends with the server."""
        if self._restarting is not None and not self._restarting.done():
            return  # requests that are under way when it stops may ask again
        self._restarting = asyncio.get_running_loop().create_task(self.restart(down_s))

    async def _end(self) -> None:
        """Stop for good, also during a restart."""
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        await self.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._end()
        self.state.close()

    @contextmanager
    def run_in_thread(self) -> Generator[Self]:
        """Run in a thread with its own event loop: for tests without a loop, or to keep the client's loop free."""
        started = threading.Event()
        loop = asyncio.new_event_loop()
        failures: list[BaseException] = []

        def serve() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self.start())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
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


def _bind(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket bound to an address. An IPv6 address has four parts: it adds flow and scope."""
    bound = socket.socket(socket.AF_INET6 if len(address) > _IPV4_PARTS else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    return bound


_IPV4_PARTS: Final = 2  # host and port
