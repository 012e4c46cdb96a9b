"""A local Plum server for development and tests: products, balance, orders, tokens, limits and faults."""

from xoxo_async.sandbox.api import Received
from xoxo_async.sandbox.faults import KINDS, FaultError, Faults, Rule, load_faults
from xoxo_async.sandbox.server import Sandbox
from xoxo_async.sandbox.state import BookedOrder, Books
from xoxo_async.sandbox.tokens import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, STATIC_TOKEN

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "KINDS",
    "REFRESH_TOKEN",
    "STATIC_TOKEN",
    "BookedOrder",
    "Books",
    "FaultError",
    "Faults",
    "Received",
    "Rule",
    "Sandbox",
    "load_faults",
]
