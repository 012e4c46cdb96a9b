"""The report of a job at work, on loopback: one page that reads itself again. It writes nothing and takes no input."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import Final

import anyio
import anyio.to_thread
from aiohttp import web

from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.reporting.files import html_of
from xoxo_async.bulk.reporting.proof import ProofFact
from xoxo_async.bulk.reporting.reading import Follow, read_facts
from xoxo_async.bulk.reporting.words import masked
from xoxo_async.errors import ConfigError, LedgerError

__all__ = ["serving_report"]

_HOST: Final = "127.0.0.1"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_COST_SHARE: Final = 20
"""A page that took a second to make is kept for twenty: reading a large ledger must not keep a machine busy."""


@asynccontextmanager
async def serving_report(
    ledger: Ledger,
    *,
    port: int = 0,
    refresh_s: int = 5,
    proof: ProofFact | None = None,
    follow: Follow | None = None,
    zone: tzinfo | None = None,
) -> AsyncGenerator[str]:
    """Serve the report of a ledger's job while the block runs, read anew as it goes. Moves no money.

    It listens on 127.0.0.1 only, answers GET only, and only under its own name: a page of another site that resolves
    to this address is refused. Its path holds a random word, so that other users of the machine cannot find it.

    Args:
        ledger: The ledger, open; to read only is enough, also while a process works on it.
        port: The port; 0 takes a free one.
        refresh_s: How often a browser reads the page again, in seconds.
        proof: The result of `xoxo bulk prove`.
        follow: Returns the command that goes on, which the report shows.
        zone: The time zone of the report; None is the machine's own.

    Yields:
        The URL of the page.

    Raises:
        ConfigError: The port cannot be opened, or the extra `report` is missing.
        LedgerError: The ledger cannot be read. Once the page is served, it tells that instead.
    """
    page = _Page(ledger, refresh_s, proof, follow, zone)
    await page.read()  # a ledger that cannot be read, and a missing extra, are told before anything is served
    path = f"/{secrets.token_urlsafe(16)}"
    names: set[str] = set()

    async def show(request: web.Request) -> web.Response:
        if request.headers.get("Host", "").lower() not in names:
            raise web.HTTPMisdirectedRequest(text="this page has another address", headers=_HEADERS)
        try:
            text = await page.read()
        except LedgerError as error:
            why = masked(error.message)
            again = {"Refresh": str(refresh_s), **_HEADERS}
            return web.Response(status=503, text=f"The ledger cannot be read now: {why}\n", headers=again)
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=_HEADERS)

    app = web.Application()
    app.router.add_get(path, show, allow_head=False)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            raise ConfigError(f"port {port} cannot be opened: {error.strerror or error}") from error
        taken = int(runner.addresses[0][1])
        names.update(f"{name}:{taken}" for name in (_HOST, "localhost"))
        yield f"http://{_HOST}:{taken}{path}"
    finally:
        await runner.cleanup()


class _Page:
    """The page as it was made last; one is made at a time, and no more often than it costs."""

    def __init__(
        self, ledger: Ledger, refresh_s: int, proof: ProofFact | None, follow: Follow | None, zone: tzinfo | None
    ) -> None:
        self._ledger: Final = ledger
        self._refresh_s: Final = refresh_s
        self._proof: Final = proof
        self._follow: Final = follow
        self._zone: Final = zone
        self._turn: Final = anyio.Lock()
        self._text = ""
        self._good_until = 0.0

    async def read(self) -> str:
        """Return the page.

        Raises:
            ConfigError: The extra `report` is missing.
            LedgerError: The ledger cannot be read.
        """
        async with self._turn:
            began = time.monotonic()
            if began >= self._good_until:
                facts = await read_facts(self._ledger, proof=self._proof, follow=self._follow)
                read_s = time.monotonic() - began
                self._text = await anyio.to_thread.run_sync(
                    lambda: html_of(facts, zone=self._zone, refresh_s=self._refresh_s)
                )
                self._good_until = time.monotonic() + max(_COST_SHARE * read_s, self._refresh_s / 2)
            return self._text
