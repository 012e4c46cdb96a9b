"""Check what needs the network: the way to the server, its clock, the token, the account, the limits it states."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from xoxo_async.auth import RefreshToken, StaticToken, TokenProvider, TokenStore
from xoxo_async.client import XoxoClient
from xoxo_async.config import RateLimits
from xoxo_async.doctor.findings import Finding
from xoxo_async.errors import (
    AuthError,
    BulkError,
    CredentialsRejectedError,
    RefreshTokenDeadError,
    TokenStoreError,
    XoxoError,
)
from xoxo_async.network import Network
from xoxo_async.transport.watching import Heard, look_at_tls

__all__ = [
    "advice_for",
    "check_account",
    "check_clock",
    "check_pair",
    "check_stated_limits",
    "check_tls",
    "check_token",
]

_TLS_S = 10.0
_CLOCK_WARN_S = 5.0
_CLOCK_FAIL_S = 300.0
"""A token is renewed this long before its expiry, by this machine's clock."""
_CERTIFICATE_DAYS = 14
_DAY_S = 86_400.0


async def check_tls(base_url: str, network: Network) -> Finding:
    """Connect, and say which TLS there is and how long the certificate lives.

    Args:
        base_url: The address.
        network: Proxy and TLS settings.

    Raises:
        XoxoError: No connection can be made.
    """
    if base_url.startswith("http://"):
        return Finding(check="tls", status="ok", text="plain http, to this machine only")
    if network.proxy_for(base_url):
        return Finding(check="tls", status="ok", text="TLS through the proxy, checked by the call above")
    found = await look_at_tls(base_url, network.ssl, _TLS_S)
    left = _days_left(found.expires)
    text = f"{found.version}, certificate of {found.issuer}"
    facts = {"version": found.version, "issuer": found.issuer, "expires": found.expires}
    if left is None:
        return Finding(check="tls", status="ok", text=text, facts=facts)
    if left < _CERTIFICATE_DAYS:
        advice = "the server's operator must renew it; calls fail once it has ended"
        return Finding(check="tls", status="warn", text=f"{text}, ends in {left} days", advice=advice, facts=facts)
    return Finding(check="tls", status="ok", text=f"{text}, valid for {left} days", facts=facts)


def _days_left(expires: str) -> int | None:
    import ssl  # noqa: PLC0415 - it reads the certificate's own form of a date

    try:
        return int((ssl.cert_time_to_seconds(expires) - time.time()) // _DAY_S)
    except ValueError:
        return None


def check_clock(heard: Heard) -> Finding:
    """Compare this machine's clock with the server's `Date`, which has whole seconds.

    Args:
        heard: An answer.
    """
    try:
        server = parsedate_to_datetime(heard.date).timestamp() + 0.5  # the header cuts the fraction off
    except (ValueError, TypeError, OverflowError):
        return Finding(check="clock", status="warn", text="not checked: the server's answer has no Date")
    middle = (heard.began + heard.ended) / 2
    ahead = middle - server
    # A second of the header's, and half of the answer's time, are not known.
    unsure = 0.5 + (heard.ended - heard.began) / 2
    off = max(abs(ahead) - unsure, 0.0)
    facts = {"ahead_s": round(ahead, 1), "unsure_s": round(unsure, 1)}
    if off <= _CLOCK_WARN_S:
        return Finding(
            check="clock",
            status="ok",
            text=f"agrees with the server's, to {max(abs(ahead), unsure):.1f} s",
            facts=facts,
        )
    where = "ahead of" if ahead > 0 else "behind"
    bad = off > _CLOCK_FAIL_S
    return Finding(
        check="clock",
        status="fail" if bad else "warn",
        text=f"this machine's clock is {abs(ahead):,.0f} s {where} the server's",
        advice="set the clock (NTP): tokens would be used after their end, or renewed too often" if bad else
        "set the clock (NTP)",
        facts=facts,
    )  # fmt: skip


async def check_token(client: XoxoClient, provider: TokenProvider) -> Finding:
    """Get a token, ask the vendor whether it is valid, and say how long it lives.

    Args:
        client: The client.
        provider: Its credentials.

    Raises:
        XoxoError: No token can be had, or it is not valid.
    """
    info = await client.account.check_token()
    expires = info.expires_at
    if expires is None:
        return Finding(check="token", status="ok", text="the vendor accepts it, and does not say until when")
    left_s = expires.timestamp() - time.time()
    text = f"valid until {expires:%Y-%m-%d %H:%M} UTC, {_span(left_s)}"
    facts = {"expires_at": expires.isoformat(), "left_s": round(left_s)}
    if isinstance(provider, StaticToken) and left_s < 2 * _DAY_S:
        advice = "nothing renews it: put a new one in its place, or use client id and secret"
        return Finding(check="token", status="warn", text=text, advice=advice, facts=facts)
    return Finding(check="token", status="ok", text=text, facts=facts)


async def check_pair(provider: TokenProvider, store: TokenStore | None) -> Finding | None:
    """Say how long the refresh token of a rotating pair lives.

    Args:
        provider: The credentials.
        store: Where their pair is kept; None where that is no file.

    Returns:
        The finding; None where the credentials have no pair, or it says no time.

    Raises:
        XoxoError: The store cannot be read.
    """
    if not isinstance(provider, RefreshToken) or store is None:
        return None
    pair = await store.load()
    if pair is None or pair.refresh_expires_at is None:
        return None
    left_s = pair.refresh_expires_at - time.time()
    until = datetime.fromtimestamp(pair.refresh_expires_at, UTC)
    low = left_s < 7 * _DAY_S
    return Finding(
        check="refresh token",
        status="warn" if low else "ok",
        text=f"valid until {until:%Y-%m-%d %H:%M} UTC, {_span(left_s)}",
        advice="run any command before then: it renews the pair; after that, a person must make a new one"
        if low
        else "",
        facts={"expires_at": until.isoformat(), "left_s": round(left_s)},
    )


async def check_account(client: XoxoClient) -> Finding:
    """Ask for the balance: the account answers, and has money.

    Args:
        client: The client.

    Raises:
        XoxoError: The call failed.
    """
    balance = await client.account.get_balance()
    facts = {"value": str(balance.value), "currency": balance.currency}
    text = f"balance {balance.currency} {balance.value:,f}".replace("  ", " ")
    if balance.value > 0:
        return Finding(check="account", status="ok", text=text, facts=facts)
    return Finding(check="account", status="warn", text=text, advice="add funds: no order can be placed", facts=facts)


def check_stated_limits(heard: Sequence[Heard], limits: RateLimits) -> Finding:
    """Say whether the answers state limits of their own.

    Args:
        heard: The answers of this examination.
        limits: The limits in force.
    """
    stated = {name: value for answer in heard for name, value in answer.limits.items()}
    if not stated:
        return Finding(check="stated limits", status="ok", text=f"{len(heard)} answers state no limits of their own")
    text = ", ".join(f"{name}: {value}" for name, value in sorted(stated.items()))
    return Finding(
        check="stated limits",
        status="warn",
        text=f"the answers state {text}; getBalance is paced at {limits.balance or 'no limit'} a minute here",
        advice="if they are lower than yours, set them in the profile ([profiles.NAME.limits]) or with --rate",
        facts={"headers": stated},
    )


def advice_for(error: XoxoError) -> str:
    """Return what to do after an error of these checks.

    Args:
        error: The error.
    """
    match error:
        case RefreshTokenDeadError():
            return "make new tokens in the dashboard (Settings, API, Generate New Tokens): xoxo token import"
        case CredentialsRejectedError():
            return "compare client id and secret with the dashboard's; those of staging are not production's"
        case BulkError():
            return "compare its URL, PGPASSWORD and ~/.pgpass with the database's; xoxo ledger check shows more"
        case TokenStoreError():
            return "the token is not at fault: look at the place that keeps it, XOXO_SHARED or XOXO_TOKEN_FILE"
        case AuthError():
            return "try again later; if it stays, make new credentials in the dashboard"
        case _:
            return "look at the network, the proxy (XOXO_PROXY) and the certificates (XOXO_CA_FILE)"


def _span(left_s: float) -> str:
    if left_s < 0:
        return "which is over"
    days, hours = divmod(int(left_s // 3600), 24)
    return f"{days} days left" if days > 1 else f"{days * 24 + hours} h {int(left_s % 3600 // 60)} min left"
