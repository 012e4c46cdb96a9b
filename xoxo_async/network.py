"""The connection settings of a client: address, proxy, TLS."""

import ipaddress
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from xoxo_async.errors import ConfigError
from xoxo_async.public_names import LazyModule
from xoxo_async.version import __version__

if TYPE_CHECKING:
    import ssl as tls
else:
    tls = LazyModule("ssl")  # a slow import, which most settings do not need

__all__ = ["Network", "check_base_url", "is_loopback", "spends_real_money", "ssl_context"]

_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))
_LONGEST: Final = 256


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Proxy, TLS and user agent of a client.

    Attributes:
        proxy: The address of an HTTP proxy; empty for none. It may hold a user name and a password.
        ssl: The TLS settings; None for the system's certificates.
        trust_env: Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are used where no proxy is given.
        app: The application's name in the user agent, beside the SDK's name.
        user_agent: The whole user agent; empty for the SDK's own.

    Raises:
        ConfigError: A value is wrong.
    """

    proxy: str = ""
    ssl: "tls.SSLContext | None" = None
    trust_env: bool = False
    app: str = ""
    user_agent: str = ""

    def __post_init__(self) -> None:
        if self.proxy:
            _check_proxy(self.proxy)
        if self.ssl is not None:
            _check_ssl(self.ssl)
        if not isinstance(self.trust_env, bool):
            raise ConfigError(f"trust_env must be True or False, not {self.trust_env!r}")
        for name in ("app", "user_agent"):
            value = getattr(self, name)
            if not isinstance(value, str) or not (value.isascii() and value.isprintable()) or len(value) > _LONGEST:
                raise ConfigError(f"{name} must be plain printable text, for example my-shop/1.2")
        if self.app and self.user_agent:
            raise ConfigError("app is a part of the SDK's user agent: give app or user_agent, not both")

    @property
    def agent(self) -> str:
        """The `User-Agent` header: the versions of the SDK and of Python, and the application."""
        return self.user_agent or f"xoxo_async/{__version__} Python/{_PYTHON} {self.app}".rstrip()

    def __repr__(self) -> str:
        return f"Network(proxy={'***' if self.proxy else None}, trust_env={self.trust_env}, app={self.app!r})"

    def proxy_for(self, base_url: str) -> str | None:
        """Return the proxy for an address, or None. The environment's proxy is never used for this machine.

        Args:
            base_url: The address.

        Raises:
            ConfigError: The environment's proxy is no address.
        """
        if self.proxy or not self.trust_env:
            return self.proxy or None
        from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415 - a slow import

        parts = urlsplit(base_url)
        host = parts.hostname or ""
        proxies = getproxies_environment()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        # A company's proxy cannot reach a server on this machine, and it would see the tokens.
        if not proxy or is_loopback(host) or proxy_bypass(host):
            return None
        return _check_proxy(proxy)


def _check_ssl(value: object) -> None:
    if not isinstance(value, tls.SSLContext):
        # aiohttp takes False for "no check". Then anyone on the way can read tokens and voucher codes.
        raise ConfigError(f"ssl must be an ssl.SSLContext, not {value!r}")


def ssl_context(ca_file: str) -> "tls.SSLContext":
    """Return TLS settings that trust the certificates of a file besides the system's.

    Args:
        ca_file: A PEM file, for example that of a company's proxy which decrypts TLS.

    Raises:
        ConfigError: The file cannot be read, or holds no certificate.
    """
    context = tls.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = "it holds no certificate" if isinstance(error, tls.SSLError) else getattr(error, "strerror", error)
        raise ConfigError(f"the CA file {ca_file} cannot be used: {reason}") from None
    return context


def _check_proxy(proxy: str) -> str:
    """Return a proxy's address, or raise. The error does not repeat it, because it may hold a password."""
    try:
        parts = urlsplit(proxy) if isinstance(proxy, str) else None
        sound = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(c.isspace() or ord(c) < 32 for c in proxy):
        raise ConfigError("the proxy must be an http(s) address, for example http://proxy.example.com:3128")
    return proxy


def check_base_url(base_url: str, *, allow_insecure_http: bool = False) -> str:
    """Return the address without its trailing slash.

    Args:
        base_url: The address, with the vendor's `/chef` prefix.
        allow_insecure_http: Whether plain http to other machines is allowed. Anyone on the way can then read tokens
            and voucher codes.

    Returns:
        The address without a slash at its end.

    Raises:
        ConfigError: The value is no http(s) address, or holds credentials, a query or a fragment, or is plain http to
            another machine.
    """
    if not isinstance(base_url, str):
        raise ConfigError(f"base_url must be a text, not {type(base_url).__name__}")
    try:
        parts = urlsplit(base_url)
        host, _port = parts.hostname, parts.port  # `port` raises where it is no number
    except ValueError as error:
        raise ConfigError(f"base_url is not an address: {error}") from None
    if parts.scheme not in {"http", "https"} or not host or any(c.isspace() or ord(c) < 32 for c in base_url):
        raise ConfigError("base_url must be an http(s) address, for example https://accounts.xoxoday.com/chef")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError("base_url must hold no user name, query or fragment")
    if not isinstance(allow_insecure_http, bool):  # the text "no" would count as yes
        raise ConfigError(f"allow_insecure_http must be True or False, not {allow_insecure_http!r}")
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(host):
        raise ConfigError(
            f"base_url is plain http to {host}: tokens and voucher codes would travel readable; "
            "use https, or allow_insecure_http=True"
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host name stands for this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def spends_real_money(base_url: str) -> bool:
    """Return whether an order at an address may cost real money. It does not on this machine, nor at staging.

    Args:
        base_url: The address. One that is not known may be another name of production.
    """
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return True
    return not (is_loopback(host) or (host.startswith("staging") and host.endswith(".xoxoday.com")))
