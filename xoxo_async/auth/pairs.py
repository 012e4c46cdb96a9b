"""The form in which a store keeps a token or a pair: one JSON object."""

import msgspec

from xoxo_async.auth.tokens import Token, header_value
from xoxo_async.errors import ConfigError
from xoxo_async.wire.secrets import Secret

__all__ = ["packed", "unpacked"]


class _StoredPair(msgspec.Struct, omit_defaults=True):
    access_token: str
    expires_at: float | None = None
    refresh_token: str | None = None
    refresh_expires_at: float | None = None
    issued_at: float | None = None
    client: str = ""
    origins: tuple[str, ...] = ()


def packed(token: Token) -> bytes:
    """Return a pair as it is stored.

    Args:
        token: The pair, or a token without a refresh token.
    """
    pair = _StoredPair(
        token.access.reveal(),
        token.expires_at,
        token.refresh.reveal() if token.refresh is not None else None,
        token.refresh_expires_at,
        token.issued_at,
        token.client,
        token.origins,
    )
    return msgspec.json.encode(pair)


def unpacked(content: bytes, where: str, *, otherwise: str) -> Token:
    """Return a pair as `packed` got it.

    Args:
        content: What the store holds.
        where: The name of the store, for messages.
        otherwise: What the store is where the content is no pair, for the message.

    Raises:
        ConfigError: The content is no pair, or its access token cannot be a header value. The message repeats nothing.
    """
    try:
        pair = msgspec.json.decode(content, type=_StoredPair)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{where} {otherwise}") from None
    if pair.access_token:  # an imported pair may have none until its first renewal
        header_value(f"{where}: its access_token", pair.access_token)
    refresh = Secret(pair.refresh_token) if pair.refresh_token else None
    return Token(
        Secret(pair.access_token),
        pair.expires_at,
        refresh,
        pair.refresh_expires_at,
        pair.issued_at,
        pair.client,
        pair.origins,
    )
