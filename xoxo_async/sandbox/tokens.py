"""The token endpoint: client credentials, refresh tokens that rotate, and expiry."""

import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

import msgspec

from xoxo_async.sandbox.state import State

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "STATIC_TOKEN", "Tokens"]

CLIENT_ID: Final = "sandbox-client"
CLIENT_SECRET: Final = "sandbox-secret"  # noqa: S105 - valid for the sandbox only
REFRESH_TOKEN: Final = "sandbox-refresh-token"  # noqa: S105
STATIC_TOKEN: Final = "sandbox-token"  # noqa: S105

Reply = Mapping[str, object]

_INVALID: Final = (401, {"error": "invalid_token", "error_description": "invalid/expired token"})
_NO_CLIENT: Final = (401, {"error": "invalid_client", "error_description": "client authentication failed"})


class Tokens:
    """Issue tokens and check them.

    Args:
        state: Keeps the tokens.
        ttl_s: The lifetime of an access token, in seconds.

    Attributes:
        broken: Whether every token request is answered with 502, for tests.
    """

    def __init__(self, state: State, ttl_s: float) -> None:
        self._state: Final = state
        self._ttl_s: Final = ttl_s
        self.broken: bool = False
        state.refresh.setdefault(REFRESH_TOKEN, True)

    def issue(self, path: str, body: bytes, content_type: str) -> tuple[int, Reply]:
        """Answer a token request."""
        if self.broken:
            return 502, {"code": 502, "error": "the token service is down"}
        try:
            fields = (
                msgspec.json.decode(body, type=dict[str, str])
                if content_type == "application/json"
                else {name: values[0] for name, values in parse_qs(body.decode()).items()}
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            return 400, {"error": "invalid_request", "error_description": "malformed body"}
        if fields.get("client_id") != CLIENT_ID or fields.get("client_secret") != CLIENT_SECRET:
            return _NO_CLIENT
        grant = fields.get("grant_type")
        if grant == "client_credentials" and path.endswith("/token"):
            return 200, self._short(self.new_pair())
        if grant == "refresh_token" and not path.endswith("/token"):
            if not self._state.spend_refresh(fields.get("refresh_token", "")):
                return 400, {"error": "invalid_grant", "error_description": "refresh token is spent or unknown"}
            return 200, self.new_pair()
        return 400, {"error": "unsupported_grant_type", "error_description": "not here"}

    def new_pair(self) -> dict[str, object]:
        """Issue an access token and a refresh token."""
        access, refresh = secrets.token_urlsafe(48), secrets.token_hex(20)
        now = self._state.clock()
        self._state.remember_tokens(access, now + self._ttl_s, refresh)
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(self._ttl_s) if self._ttl_s >= 1 else self._ttl_s,
            "refresh_token": refresh,
            # Milliseconds. The vendor's rewards page has them as strings, its points page as numbers.
            "access_token_expiry": str(int((now + self._ttl_s) * 1000)),
            "refresh_token_expiry": str(int((now + 2 * self._ttl_s) * 1000)),
        }

    def check(self, header: str | None) -> tuple[int, Reply] | None:
        """Return the refusal of an Authorization header, or None if it is valid."""
        if header is None or not header.startswith("Bearer ") or len(header) < 8:
            return 400, {"error": "invalid_request", "error_description": "missing or malformed authorization header"}
        token = header.removeprefix("Bearer ")
        if token == STATIC_TOKEN:
            return None
        return None if self._state.access.get(token, 0.0) > self._state.clock() else _INVALID

    def seconds_left(self, token: str) -> int:
        """Return how many seconds are left until a token expires."""
        expires = self._state.access.get(token)
        return int(expires - self._state.clock()) if expires is not None else 1_296_000

    def revoke_all(self) -> None:
        """Make every access token that was issued so far invalid."""
        self._state.access.clear()

    def _short(self, pair: dict[str, object]) -> Reply:
        return {name: pair[name] for name in ("access_token", "token_type", "expires_in")}
