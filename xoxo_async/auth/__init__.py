"""The providers of access tokens (client credentials, refresh token, fixed token), and the stores that keep them."""

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
