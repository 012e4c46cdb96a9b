"""`xoxo sandbox`: run a local Plum server for experiments and tests."""

from pathlib import Path
from typing import Any, Literal

import click

from xoxo_async.cli.connect import SANDBOX_CLIENT, SANDBOX_SECRET
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.options import NewFile
from xoxo_async.cli.output import out, say
from xoxo_async.cli.signals import as_before, ending_signals
from xoxo_async.errors import ConfigError

__all__ = ["sandbox"]

_VENDOR_LIMITS = {"placeOrder": 100.0, "getOrderDetails": 200.0, "getOrderHistory": 200.0, "getVouchers": 50.0,
                  "getFilters": 50.0, "getBalance": 10.0}  # fmt: skip


@click.command(
    cls=Command,
    epilog="""\b
Example, in one terminal and in another:
  xoxo sandbox --port 8080
  export XOXO_BASE_URL=http://127.0.0.1:8080/chef XOXO_CLIENT_ID=sandbox-client XOXO_CLIENT_SECRET=sandbox-secret
  xoxo balance""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free port.")
@click.option("--seed", type=int, default=1, show_default=True, help="The seed of the products and codes.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="The time of each answer.")
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="A JSON file with the faults to make.")
@click.option("--dialect", type=click.Choice(["vendor", "openapi"]), default="vendor", show_default=True,
              help="Answer as the vendor's pages show, or as its OpenAPI file does.")  # fmt: skip
@click.option("--pay-on", type=click.Choice(["send", "redeem"]), default="send", show_default=True,
              help="When points and links cost the account: as they are sent, or as they are redeemed.")  # fmt: skip
@click.option("--books", type=NewFile(), metavar="FILE", help="Keep the books in this file.")
@click.option("--limits", is_flag=True, help="Enforce the vendor's limits per minute.")
def sandbox(**flags: Any) -> None:
    """Serve a local sandbox of the API until Ctrl-C. It moves no money and needs no network.

    Its own books are at /_sandbox/books of the same port, as JSON: orders, points and links by receiver, with what the
    answers told.
    """
    with as_before():
        run_async(lambda: _serve(**flags))


async def _serve(
    *,
    host: str,
    port: int,
    seed: int,
    latency_ms: float,
    faults: Path | None,
    dialect: Literal["vendor", "openapi"],
    pay_on: Literal["send", "redeem"],
    books: Path | None,
    limits: bool,
) -> None:
    import anyio

    from xoxo_async.sandbox import FaultError, Sandbox, load_faults

    with anyio.open_signal_receiver(*ending_signals()) as signals:
        try:
            server = Sandbox(
                seed=seed,
                path=books,
                host=host,
                port=port,
                latency_ms=latency_ms,
                faults=load_faults(faults) if faults is not None else None,
                dialect=dialect,
                pay_on=pay_on,
                limits=_VENDOR_LIMITS if limits else None,
            )
            await server.start()
        except (FaultError, OSError, ValueError) as error:
            raise ConfigError(f"the sandbox cannot start: {error}") from error
        try:
            out(f"export XOXO_BASE_URL={server.base_url}")
            out(f"export XOXO_CLIENT_ID={SANDBOX_CLIENT} XOXO_CLIENT_SECRET={SANDBOX_SECRET}")
            say("serving; Ctrl-C ends it")
            async for _number in signals:
                break
        finally:
            with anyio.CancelScope(shield=True):
                await server.__aexit__(None, None, None)
