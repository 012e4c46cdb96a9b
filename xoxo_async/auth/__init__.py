"""The providers of access tokens (client credentials, refresh token, fixed token), and the stores that keep them."""

from typing import TYPE_CHECKING, Final

from xoxo_async.public_names import import_name

if TYPE_CHECKING:
    from xoxo_async.auth.memory import MemoryTokenStore
    from xoxo_async.auth.postgres import PostgresTokenStore
    from xoxo_async.auth.providers import ClientCredentials, StaticToken
    from xoxo_async.auth.rotating import RefreshToken
    from xoxo_async.auth.stores import FileTokenStore
    from xoxo_async.auth.tokens import Exchange, ExchangeAnswer, Token, TokenProvider, TokenStore

__all__ = [
    "ClientCredentials",
    "Exchange",
    "ExchangeAnswer",
    "FileTokenStore",
    "MemoryTokenStore",
    "PostgresTokenStore",
    "RefreshToken",
    "StaticToken",
    "Token",
    "TokenProvider",
    "TokenStore",
]

_HOMES: Final = {
    "MemoryTokenStore": "xoxo_async.auth.memory",
    "PostgresTokenStore": "xoxo_async.auth.postgres",
    "ClientCredentials": "xoxo_async.auth.providers",
    "StaticToken": "xoxo_async.auth.providers",
    "RefreshToken": "xoxo_async.auth.rotating",
    "FileTokenStore": "xoxo_async.auth.stores",
    "Exchange": "xoxo_async.auth.tokens",
    "ExchangeAnswer": "xoxo_async.auth.tokens",
    "Token": "xoxo_async.auth.tokens",
    "TokenProvider": "xoxo_async.auth.tokens",
    "TokenStore": "xoxo_async.auth.tokens",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    return import_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
