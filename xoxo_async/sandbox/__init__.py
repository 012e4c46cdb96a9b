"""A local Plum server for development and tests: products, balance, orders, tokens, limits and faults."""

from typing import TYPE_CHECKING, Final

from xoxo_async.public_names import import_name

if TYPE_CHECKING:
    from xoxo_async.sandbox.api import Received
    from xoxo_async.sandbox.faults import KINDS, FaultError, Faults, Rule, load_faults
    from xoxo_async.sandbox.fixtures import SandboxFixture
    from xoxo_async.sandbox.links_book import BookedLinks
    from xoxo_async.sandbox.points_book import BookedCredit
    from xoxo_async.sandbox.server import Sandbox
    from xoxo_async.sandbox.state import BookedOrder, Books
    from xoxo_async.sandbox.tokens import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, STATIC_TOKEN

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "KINDS",
    "REFRESH_TOKEN",
    "STATIC_TOKEN",
    "BookedCredit",
    "BookedLinks",
    "BookedOrder",
    "Books",
    "FaultError",
    "Faults",
    "Received",
    "Rule",
    "Sandbox",
    "SandboxFixture",
    "load_faults",
]

_HOMES: Final = {
    "Received": "xoxo_async.sandbox.api",
    "KINDS": "xoxo_async.sandbox.faults",
    "FaultError": "xoxo_async.sandbox.faults",
    "Faults": "xoxo_async.sandbox.faults",
    "Rule": "xoxo_async.sandbox.faults",
    "load_faults": "xoxo_async.sandbox.faults",
    "SandboxFixture": "xoxo_async.sandbox.fixtures",
    "BookedLinks": "xoxo_async.sandbox.links_book",
    "BookedCredit": "xoxo_async.sandbox.points_book",
    "Sandbox": "xoxo_async.sandbox.server",
    "BookedOrder": "xoxo_async.sandbox.state",
    "Books": "xoxo_async.sandbox.state",
    "CLIENT_ID": "xoxo_async.sandbox.tokens",
    "CLIENT_SECRET": "xoxo_async.sandbox.tokens",
    "REFRESH_TOKEN": "xoxo_async.sandbox.tokens",
    "STATIC_TOKEN": "xoxo_async.sandbox.tokens",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: pytest loads this package in every run, for its plugin."""
    return import_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
