"""Answer the health checks of Kubernetes: `/live` and `/ready`, each with its reason as JSON."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web

from xoxo_async.errors import ConfigError
from xoxo_async.workers.state import Health, WorkerState

__all__ = ["serving_health"]

_ENCODE: Final = msgspec.json.Encoder().encode


@asynccontextmanager
async def serving_health(
    state: WorkerState,
    *,
    port: int,
    host: str = "0.0.0.0",  # noqa: S104 - see below
    shown: Callable[[str], str] = str,
) -> AsyncGenerator[int]:
    """Answer health checks while the block runs.

    `/live` answers 200 while the worker's loop turns and its ledger has answered within three minutes: restart a worker
    that does not. `/ready` answers 200 while the worker can issue orders. Otherwise they answer 503. The body is
    `{"ok": …, "reason": "…"}`.

    It listens on all interfaces, because Kubernetes asks at the address of the pod. The answers hold the name of a
    paused job and the reason of its pause, and no secret.

    Args:
        state: The worker's.
        port: The port; 0 takes a free one.
        host: The address to listen on.
        shown: Returns a reason as it may be shown, for example with secrets masked.

    Yields:
        The port.

    Raises:
        ConfigError: The port cannot be opened.
    """

    def answered(health: Health) -> web.Response:
        body = _ENCODE({"ok": health.ok, "reason": shown(health.reason)})
        return web.Response(status=200 if health.ok else 503, body=body, content_type="application/json")

    async def live(_request: web.Request) -> web.Response:
        return answered(state.live())

    async def ready(_request: web.Request) -> web.Response:
        return answered(state.ready())

    app = web.Application()
    app.router.add_get("/live", live)
    app.router.add_get("/ready", ready)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"health: port {port} cannot be opened: {error.strerror or error}") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
