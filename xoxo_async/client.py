"""`XoxoClient`: builds the session and the dispatcher, offers the services, and closes the connections."""

import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

import msgspec

from xoxo_async.auth.postgres import PostgresTokenStore
from xoxo_async.auth.providers import ClientCredentials, StaticToken
from xoxo_async.auth.rotating import RefreshToken
from xoxo_async.auth.stored import StoredCredentials
from xoxo_async.auth.stores import FileTokenStore
from xoxo_async.auth.tokens import TokenProvider
from xoxo_async.calls import Calls, report_doubt
from xoxo_async.config import STAGING, RateLimits, Timeouts, check_count
from xoxo_async.dispatcher import Dispatcher
from xoxo_async.environment import Environment, default_token_file, make_folder, token_file_if_any
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import Hook, checked
from xoxo_async.network import Network, check_base_url
from xoxo_async.operation import Operation
from xoxo_async.pacing import Pacer, Pacing
from xoxo_async.retry import RetryPolicy
from xoxo_async.services.account.service import AccountService
from xoxo_async.services.catalog.service import CatalogService
from xoxo_async.services.links import LinkService
from xoxo_async.services.orders.service import OrderService
from xoxo_async.services.points import PointService
from xoxo_async.session import Session
from xoxo_async.transport.http import Http

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp import ClientSession

    from xoxo_async.allowance import Allowance

__all__ = ["XoxoClient"]

_LOG: Final = logging.getLogger("xoxo_async")

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply")


class XoxoClient:
    """A client of the Plum API. All its services share one connection pool, one token and one allowance.

    Make one client per event loop and keep it. The constructor opens nothing and needs no running loop. The first call
    opens the connections, and `aclose()` (or `async with`) closes them.

    The vendor counts calls by account. So clients of one process with the same address, the same account (client id,
    static token, or provider object) and equal rate limits share one allowance, also across event loops and one after
    the other. Clients with different rate limits each have their own. A penalty of the vendor holds for all of them.

    Args:
        credentials: `ClientCredentials`, `RefreshToken`, `StaticToken`, or a `TokenProvider` of your own.
        base_url: The address; STAGING by default. A client sends to production only where PRODUCTION is given.
        timeouts: How long attempts and calls may take.
        rate_limits: The account's allowance, or this client's part of it; the vendor's documented limits by default.
        retry: How often a failed attempt or token request is repeated, where that is safe.
        max_connections: The size of the connection pool.
        session: Your own aiohttp session to send with. The client does not close it, and its cookie jar, proxy and TLS
            settings are yours to check. `proxy`, `ssl` and `trust_env` are enough in most cases.
        hooks: Called with every event; see `xoxo_async.hooks`.
        allow_insecure_http: Allow plain http to other machines. Anyone on the way can then read tokens and voucher
            codes.
        proxy: The address of an HTTP proxy; it may hold a user name and a password.
        ssl: The TLS settings, for example `ssl.create_default_context(cafile=…)`; they trust the system's certificates
            by default.
        trust_env: Use `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` where no `proxy` is given. Calls to this machine use
            no proxy.
        app: Your application's name for the user agent, for example `my-shop/1.2`.
        allowance: A store from `xoxo_async.allowance`. All processes with this store, the same address and the same
            account then share one allowance and its penalties. Give them all the account's whole `rate_limits`.

    Raises:
        ConfigError: A setting is wrong.

    Example:
        ```python
        async with XoxoClient(ClientCredentials("client-id", "client-secret"), base_url=PRODUCTION) as xoxo:
            print(await xoxo.account.get_balance())
        ```
    """

    def __init__(
        self,
        credentials: TokenProvider,
        *,
        base_url: str = STAGING,
        timeouts: Timeouts | None = None,
        rate_limits: RateLimits | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 256,
        session: "ClientSession | None" = None,
        hooks: Sequence[Hook] = (),
        allow_insecure_http: bool = False,
        proxy: str | None = None,
        ssl: "SSLContext | None" = None,
        trust_env: bool = False,
        app: str = "",
        allowance: "Allowance | None" = None,
    ) -> None:
        if not callable(getattr(credentials, "obtain", None)):
            raise ConfigError("credentials must be a token provider, for example ClientCredentials(id, secret)")
        check_count("max_connections", max_connections)
        hooks = tuple(checked(hook) for hook in hooks)
        network = Network(proxy=proxy or "", ssl=ssl, trust_env=trust_env, app=app)
        # The client applies these to its own session alone, so a caller's session would send past the proxy.
        if session is not None and (proxy or ssl is not None or trust_env):
            raise ConfigError("proxy, ssl and trust_env are for the client's own session: set them in the one you give")
        self._base_url: Final = check_base_url(base_url, allow_insecure_http=allow_insecure_http)
        self._fingerprint: Final = fingerprint_of(credentials)
        timeouts, retry = timeouts or Timeouts(), retry or RetryPolicy()
        # The vendor does not say whether it counts by client, token or address (wire documentation § 5). One allowance
        # for each account is safe for the first two.
        limits = rate_limits or RateLimits()
        pacer: Pacing = Pacer.shared(self._base_url, credentials, limits)
        self._leave: Callable[[], Awaitable[None]] | None = None
        if allowance is not None:
            from xoxo_async.allowance.pacer import SharedPacer  # noqa: PLC0415 - only for those who share

            pacer = SharedPacer(allowance, base_url=self._base_url, provider=credentials, limits=limits, hooks=hooks)
            self._leave = pacer.aclose
        self._max_connections: Final = max_connections
        self._hooks: Final = hooks
        http = Http(
            self._base_url, timeouts=timeouts, max_connections=max_connections, callers=session, network=network
        )
        self._session: Final = Session(
            credentials,
            self._base_url,
            http=http,
            timeouts=timeouts,
            retry=retry,
            hooks=hooks,
            pacer=pacer,
        )
        doubt = partial(report_doubt, hooks)
        calls = Calls(hooks, base_url=self._base_url, pacer=pacer) if hooks else None
        self._dispatcher: Final = Dispatcher(
            self._session,
            pacer=pacer,
            retry=retry,
            timeouts=timeouts,
            calls=calls,
            doubt=doubt,
        )
        self.account: Final = AccountService(self._dispatcher)
        self.catalog: Final = CatalogService(self._dispatcher)
        self.orders: Final = OrderService(
            self._dispatcher, doubt=doubt, distrust=self._dispatcher.distrust, call_s=timeouts.call_s, calls=calls
        )
        self.points: Final = PointService(self._dispatcher)
        self.links: Final = LinkService(self._dispatcher)

    @classmethod
    def from_env(
        cls,
        *,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        rate_limits: RateLimits | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 256,
        hooks: Sequence[Hook] = (),
        app: str = "",
        allowance: "Allowance | None" = None,
        profile: str | None = None,
    ) -> Self:
        """Make a client from `XOXO_*` variables and a profile.

        The first complete set of credentials is used: `XOXO_ACCESS_TOKEN` alone; `XOXO_REFRESH_TOKEN`, or a pair that
        `xoxo token import` has stored, with client id and secret; client id and secret. A refresh token rotates, and
        its pairs are kept in `XOXO_TOKEN_FILE`, or in the account's file under `$XDG_STATE_HOME/xoxo`.
        With `XOXO_SHARED=postgresql://…`, and without `XOXO_TOKEN_FILE`, pairs and tokens are kept in that database.
        `XOXO_TOKEN_FAMILY=company` says that the credentials are those for points and the storefront.

        `XOXO_PROXY` is the address of a proxy. `XOXO_CA_FILE` is a file of certificates that the client trusts besides
        the system's. With `XOXO_TRUST_ENV=1` the client uses `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

        `XOXO_SHARED` is the address of a store in which all processes of the account share one allowance:
        `postgresql://…`, `redis://…` or `file:/path`.

        `XOXO_CLIENT_SECRET_FILE`, `XOXO_REFRESH_TOKEN_FILE` and `XOXO_ACCESS_TOKEN_FILE` name files that hold the
        secrets. `XOXO_PROFILE` names a profile of `~/.config/xoxo/config.toml` (`XOXO_CONFIG`): a variable goes before
        a setting of the profile.

        Args:
            base_url: The address, instead of `XOXO_BASE_URL`.
            timeouts: As for the client.
            rate_limits: As for the client; those of the profile by default.
            retry: As for the client.
            max_connections: As for the client.
            hooks: As for the client.
            app: As for the client.
            allowance: The store, instead of `XOXO_SHARED`.
            profile: The name of a profile, instead of `XOXO_PROFILE`.

        Returns:
            The client.

        Raises:
            ConfigError: A variable or the profile is missing or wrong, or there is no place for the token file. The
                message names the setting.
        """
        environment = Environment.read(profile=profile)
        network = environment.network()
        return cls(
            credentials_from(environment),
            base_url=base_url or environment.base_url,
            timeouts=timeouts,
            rate_limits=rate_limits if rate_limits is not None else environment.limits,
            retry=retry,
            max_connections=max_connections,
            hooks=hooks,
            proxy=network.proxy,
            ssl=network.ssl,
            trust_env=network.trust_env,
            app=app,
            allowance=allowance if allowance is not None else allowance_from(environment),
        )

    @property
    def base_url(self) -> str:
        """The address that this client sends to."""
        return self._base_url

    @property
    def account_fingerprint(self) -> str:
        """A hash of this client's account; empty where the provider does not name its account.

        It reveals no secret. A ledger keeps it, so that a run never works on the orders of another account.
        """
        return self._fingerprint

    @property
    def max_connections(self) -> int:
        """The size of the connection pool."""
        return self._max_connections

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The hooks that receive this client's events, and those of the bulk runs that use it."""
        return self._hooks

    @property
    def dispatcher(self) -> Dispatcher:
        """The dispatcher, for callers that have a ledger and make single attempts."""
        return self._dispatcher

    async def dispatch(self, operation: Operation[Request, Reply], request: Request) -> Reply:
        """Run any operation, also one of your own. Its `effect` says whether it moves money.

        Args:
            operation: The operation.
            request: Its request struct.

        Returns:
            The decoded reply.

        Raises:
            XoxoError: See `Dispatcher`.
        """
        return await self._dispatcher(operation, request)

    async def aclose(self) -> None:
        """Close the connections. After that a call raises `ConfigError`, and another `aclose()` does nothing.

        Where a renewal of a rotating pair is under way, `aclose()` first waits for it, for as long as a token request
        may take, because the pair would be lost.
        """
        try:
            await self._session.aclose()
        finally:
            if self._leave is not None:
                await self._leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"XoxoClient(base_url={self._base_url!r})"


def fingerprint_of(credentials: TokenProvider) -> str:
    """Return a short hash of a provider's account, or an empty text where the provider does not name its account.

    Args:
        credentials: The provider.
    """
    account = getattr(credentials, "account", None)
    return hashlib.sha256(account.encode()).hexdigest()[:16] if isinstance(account, str) else ""


def allowance_from(environment: Environment) -> "Allowance | None":
    """Return the store that `XOXO_SHARED` names, None where it names none.

    Args:
        environment: The `XOXO_*` settings.

    Raises:
        ConfigError: The address is wrong, or an extra is missing. The message names the variable.
    """
    if not environment.shared:
        return None
    from xoxo_async.allowance.opening import open_allowance  # noqa: PLC0415 - only for those who share

    try:
        return open_allowance(environment.shared)
    except ConfigError as error:
        raise ConfigError(f"XOXO_SHARED: {error.message}") from None


def credentials_from(environment: Environment) -> TokenProvider:
    """Choose the token provider that the environment has values for.

    Args:
        environment: The `XOXO_*` settings.

    Raises:
        ConfigError: No credentials are complete; the message names the missing variables.
    """
    if environment.access_token:
        return StaticToken(environment.access_token)
    if not environment.client_id or not environment.client_secret:
        missing = [name for name in ("client_id", "client_secret") if not getattr(environment, name)]
        named = " and ".join(f"XOXO_{name.upper()}" for name in missing)
        given = f"; the profile {environment.profile} gives none" if environment.profile else ""
        raise ConfigError(f"no credentials: set {named}, or XOXO_ACCESS_TOKEN{given}")
    family, path = environment.family, token_file_if_any(environment)
    client_id, secret, refresh_token = environment.client_id, environment.client_secret, environment.refresh_token
    stored = path is not None and os.path.exists(path)  # noqa: PTH110 - Path.exists() raises where it may not look
    if environment.token_database:
        if stored:
            raise ConfigError(
                f"XOXO_SHARED keeps the token in a database, and {path} holds a pair that would not be used: move it "
                "with xoxo token import, and delete the file then; or set XOXO_TOKEN_FILE to go on with the file"
            )
        store = shared_token_store(environment)
        if not refresh_token:
            return StoredCredentials(client_id, secret, store=store, family=family)
        return RefreshToken(client_id, secret, refresh_token, store=store, family=family)
    # A stored pair may be newer than the configured token. `RefreshToken` decides which of them it uses.
    if refresh_token or stored:
        file_store = FileTokenStore(make_folder(default_token_file(environment)))
        return RefreshToken(client_id, secret, refresh_token or None, store=file_store, family=family)
    return ClientCredentials(client_id, secret, no_pair_in=str(path) if path is not None else "")


def shared_token_store(environment: Environment) -> PostgresTokenStore:
    """Return the store of tokens that `XOXO_SHARED` names.

    Args:
        environment: The `XOXO_*` settings, in which it names a database.

    Raises:
        ConfigError: The URL is wrong, or an extra is missing. The message names the variable.
    """
    try:
        return PostgresTokenStore(environment.token_database)
    except ConfigError as error:
        named = "" if error.message.startswith("XOXO_") else "XOXO_SHARED: "
        raise ConfigError(f"{named}{error.message}") from None
