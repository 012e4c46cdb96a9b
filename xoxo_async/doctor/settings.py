"""Check the settings that need no network: where they come from, the address, the credentials, the limits."""

from pathlib import Path

from xoxo_async.auth import ClientCredentials, RefreshToken, StaticToken, TokenProvider
from xoxo_async.config import PRODUCTION, STAGING, RateLimits
from xoxo_async.credentials import allowance_from
from xoxo_async.doctor.findings import Finding
from xoxo_async.environment import Environment, token_file_if_any
from xoxo_async.network import Network, check_base_url, is_loopback, spends_real_money
from xoxo_async.profiles import without_password

__all__ = [
    "check_address",
    "check_credentials",
    "check_limits",
    "check_proxy",
    "check_secret_files",
    "check_shared",
    "kind_of",
]


def kind_of(base_url: str) -> str:
    """Return `production`, `staging`, `this machine` or `another server`.

    Args:
        base_url: The address.
    """
    if base_url.rstrip("/") == PRODUCTION:
        return "production"
    if spends_real_money(base_url):
        return "another server"
    host = base_url.partition("://")[2].partition("/")[0].rsplit(":", 1)[0].strip("[]")
    return "this machine" if is_loopback(host) else "staging"


def check_address(environment: Environment) -> Finding:
    """Say where calls go, and whether orders there cost real money.

    Args:
        environment: The settings.

    Raises:
        ConfigError: The address is wrong.
    """
    address = check_base_url(environment.base_url)
    kind = kind_of(address)
    origin = environment.origins.get("base_url", "the default")
    real = spends_real_money(address)
    money = "orders cost real money" if real else "orders cost no real money"
    profile = f", profile {environment.profile}" if environment.profile else ""
    unknown = kind == "another server"
    return Finding(
        check="address",
        status="warn" if unknown else "ok",
        text=f"{address} is {kind}, from {origin}{profile}: {money}",
        advice=f"the vendor's addresses are {PRODUCTION} and {STAGING}" if unknown else "",
        facts={"base_url": address, "kind": kind, "real_money": real, "profile": environment.profile},
    )


def check_credentials(environment: Environment, provider: TokenProvider) -> Finding:
    """Say which kind of credentials is used, and where it comes from.

    Args:
        environment: The settings.
        provider: What they give.
    """
    match provider:
        case StaticToken():
            kind, name = "a fixed access token, which nothing renews", "access_token"
        case ClientCredentials():
            kind, name = "client credentials, which renew themselves", "client_secret"
        case RefreshToken():
            where = token_file_if_any(environment)
            kind, name = f"a rotating pair, kept in {where}", "client_secret"
        case _:
            kind, name = "client id and secret, with the pair in the shared database if it has one", "client_secret"
    origin = environment.origins.get(name, "elsewhere")
    family = environment.family
    unused = [one for one in ("client_secret", "refresh_token") if name == "access_token" and getattr(environment, one)]
    advice = f"the access token goes before {' and '.join(unused)}: remove it to use them" if unused else ""
    return Finding(
        check="credentials",
        status="warn" if unused else "ok",
        text=f"{kind}; family {family}; from {origin}",
        advice=advice,
        facts={"kind": type(provider).__name__, "family": family, "from": origin},
    )


def check_secret_files(environment: Environment, paths: dict[str, Path]) -> Finding | None:
    """Warn of a secret's file that other users may read. A container's own secrets are files of that kind.

    Args:
        environment: The settings.
        paths: The files that `XOXO_…_FILE` variables name, by variable.

    Returns:
        The finding; None where no variable names a file.
    """
    if not paths:
        return None
    loose = [f"{name} ({path})" for name, path in paths.items() if path.is_file() and path.stat().st_mode & 0o077]
    if not loose or Path("/run/secrets") in {path.parent for path in paths.values()}:
        return Finding(check="secret files", status="ok", text=", ".join(sorted(paths)))
    return Finding(
        check="secret files",
        status="warn",
        text=f"other users may read {', '.join(loose)}",
        advice="outside a container, run: chmod 600 on each of them",
        facts={"family": environment.family},
    )


def check_proxy(environment: Environment, network: Network) -> Finding:
    """Say whether calls go through a proxy, and which certificates are trusted.

    Args:
        environment: The settings.
        network: What they give.

    Raises:
        ConfigError: The environment's proxy is no address.
    """
    proxy = without_password(network.proxy_for(environment.base_url) or "")
    named = environment.origins.get("proxy", "the proxy variables of this system")
    trust = f"; trusts {environment.ca_file} besides the system's certificates" if environment.ca_file else ""
    text = f"calls go through {proxy}, from {named}" if proxy else "no proxy"
    return Finding(
        check="proxy", status="ok", text=text + trust, facts={"proxy": proxy, "ca_file": environment.ca_file}
    )


def check_shared(environment: Environment) -> Finding | None:
    """Say where the shared allowance is kept. The store is not asked.

    Args:
        environment: The settings.

    Returns:
        The finding; None without such a store.

    Raises:
        ConfigError: The address is wrong, or an extra is missing.
    """
    if allowance_from(environment) is None:
        return None
    place = without_password(environment.shared)
    token = "the token and one allowance" if environment.token_database else "one allowance"
    return Finding(check="shared", status="ok", text=f"{place} keeps {token} for all processes (not contacted)")


def check_limits(limits: RateLimits, environment: Environment) -> Finding:
    """Say which limits pace the calls.

    Args:
        limits: The limits in force.
        environment: The settings.
    """
    values = {name: getattr(limits, name) for name in limits.__struct_fields__}
    text = ", ".join(f"{name} {'none' if value is None else f'{value:g}'}" for name, value in values.items())
    usual = "the vendor's documents" if limits == RateLimits() else "the command line"
    origin = f"profile {environment.profile}" if limits == environment.limits else usual
    return Finding(check="limits", status="ok", text=f"calls a minute, from {origin}: {text}", facts={"limits": values})
