"""A session that notes what the server says beside its answers, for whoever examines a connection."""

import asyncio
import ssl
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import aiohttp
import anyio
from aiohttp import hdrs
from anyio.streams.tls import TLSAttribute

from xoxo_async.errors import ConnectError, XoxoError
from xoxo_async.network import Network
from xoxo_async.transport.connections import Records
from xoxo_async.transport.receiving import translate
from xoxo_async.transport.sending import MAX_HEADER_BYTES, Connector

__all__ = ["Heard", "Tls", "WatchedSession", "look_at_tls"]

_LIMIT_WORDS: Final = ("ratelimit", "rate-limit", "quota", "retry-after", "throttle")


class Heard(NamedTuple):
    """What one answer said beside its body.

    Attributes:
        path: The path that was asked.
        status: The HTTP status.
        date: The `Date` header; empty without one.
        limits: The headers that speak of limits, by their names in lower case.
        began: When the request began, in epoch seconds of this machine.
        ended: When the head of the answer had come.
    """

    path: str
    status: int
    date: str
    limits: dict[str, str]
    began: float
    ended: float


class Tls(NamedTuple):
    """A TLS connection to the server.

    Attributes:
        version: Its version, for example `TLSv1.3`.
        issuer: Who signed the server's certificate.
        expires: When that ends, as the certificate says it; empty where it is not known.
    """

    version: str
    issuer: str
    expires: str


class WatchedSession:
    """An aiohttp session with a client's settings that notes each answer. Make it on the event loop.

    Args:
        base_url: The address, checked.
        network: Proxy and TLS.
        wall: The wall clock, in epoch seconds.

    Attributes:
        session: The session; give it to a client, or use `knock`.
        heard: The answers so far.

    Raises:
        ConfigError: The environment's proxy is no address.
    """

    def __init__(self, base_url: str, network: Network, *, wall: Callable[[], float] = time.time) -> None:
        self._base_url: Final = base_url
        self._wall: Final = wall
        self.heard: Final[list[Heard]] = []
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._note_start)
        trace.on_request_end.append(self._note_end)
        self.session: Final = aiohttp.ClientSession(
            connector=Connector(Records(), limit=8, ssl=network.ssl or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=network.proxy_for(base_url),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            trace_configs=[trace],
        )

    async def aclose(self) -> None:
        """Close the session."""
        with anyio.CancelScope(shield=True):
            await self.session.close()

    async def knock(self, within_s: float) -> Heard:
        """Ask for the address itself, without a token, and return what the answer said. Moves no money.

        Args:
            within_s: Seconds for all of it.

        Raises:
            XoxoError: The server was not reached, or did not answer in time.
        """
        try:
            async with asyncio.timeout(within_s), self.session.get(self._base_url, allow_redirects=False) as response:
                await response.content.readany()
        except Exception as error:  # noqa: BLE001 - told below what it means
            failure = translate(error, sent=False, total_s=within_s)
            if isinstance(error, TimeoutError):
                failure = ConnectError(f"the server did not answer within {within_s:g} s")
            raise failure from None
        return self.heard[-1]

    async def _note_start(self, _session: aiohttp.ClientSession, context: SimpleNamespace, _about: Any) -> None:
        context.began = self._wall()

    async def _note_end(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, about: aiohttp.TraceRequestEndParams
    ) -> None:
        headers = about.response.headers
        limits = {
            name.lower(): value
            for name, value in headers.items()
            if any(word in name.lower() for word in _LIMIT_WORDS) and value.isprintable() and len(value) < 100
        }
        date = headers.get(hdrs.DATE, "")
        self.heard.append(Heard(about.url.path, about.response.status, date, limits, context.began, self._wall()))


async def look_at_tls(base_url: str, context: ssl.SSLContext | None, within_s: float) -> Tls:
    """Connect to an https address without a proxy, and return what TLS says. Sends no request.

    Args:
        base_url: The address.
        context: The TLS settings; None for the system's certificates.
        within_s: Seconds for all of it.

    Raises:
        XoxoError: No connection can be made; the message has the reason of TLS.
    """
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or 443
    failure: XoxoError
    try:
        with anyio.fail_after(within_s):
            stream = await anyio.connect_tcp(
                host, port, tls=True, ssl_context=context or ssl.create_default_context(), tls_standard_compatible=False
            )
            async with stream:
                version = stream.extra(TLSAttribute.tls_version)  # noqa: S610 - not Django
                certificate = cast("dict[str, Any]", stream.extra(TLSAttribute.peer_certificate) or {})  # noqa: S610
                return Tls(version, _issuer(certificate), str(certificate.get("notAfter", "")))
    except ssl.SSLCertVerificationError as error:
        failure = ConnectError(f"the certificate of {host} is not trusted: {error.verify_message}")
    except (OSError, ssl.SSLError, TimeoutError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        failure = ConnectError(f"TLS with {host} failed: {getattr(error, 'reason', None) or type(error).__name__}")
    raise failure


def _issuer(certificate: dict[str, Any]) -> str:
    names = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    return str(names.get("organizationName") or names.get("commonName") or "an unknown issuer")
