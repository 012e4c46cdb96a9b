"""`XoxoClient`: builds the session and the dispatcher, offers the services, and closes the connections."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec
from aiohttp import ClientSession
from msgspec.structs import replace

from xoxo_async.allowance.protocol import Allowance
from xoxo_async.auth.naming import fingerprint_of
from xoxo_async.auth.tokens import TokenProvider
from xoxo_async.calls import Calls, report_doubt
from xoxo_async.config import STAGING, RateLimits, Timeouts, check_count, check_kind, check_number
from xoxo_async.dispatcher import Dispatcher
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import Hook
from xoxo_async.network import Network, check_base_url
from xoxo_async.notifying import checked_hooks
from xoxo_async.operation import Operation
from xoxo_async.options import Options
from xoxo_async.pacing import Pacer, Pacing
from xoxo_async.retry import RetryPolicy
from xoxo_async.services.account.service import AccountService
from xoxo_async.services.catalog.service import CatalogService
from xoxo_async.services.links import LinkService
from xoxo_async.services.orders.service import OrderService
from xoxo_async.services.points import PointService
from xoxo_async.session import Session
from xoxo_async.transport.http import Http

__all__ = ["XoxoClient"]

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
        app: Your application's name and version, for example `my-shop/1.2`. The user agent holds it after the versions
            of the SDK and of Python.
        user_agent: The whole user agent, instead of the SDK's own and `app`.
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

    _is_view = False

    def __init__(
        self,
        credentials: TokenProvider,
        *,
        base_url: str = STAGING,
        timeouts: Timeouts | None = None,
        rate_limits: RateLimits | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 256,
        session: ClientSession | None = None,
        hooks: Sequence[Hook] = (),
        allow_insecure_http: bool = False,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        trust_env: bool = False,
        app: str = "",
        user_agent: str | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        if isinstance(credentials, type) or not callable(getattr(credentials, "obtain", None)):
            raise ConfigError("credentials must be a token provider, for example ClientCredentials(id, secret)")
        check_count("max_connections", max_connections)
        hooks = checked_hooks(hooks)
        network = Network(proxy=proxy or "", ssl=ssl, trust_env=trust_env, app=app, user_agent=user_agent or "")
        # The client applies these to its own session alone, so a caller's session would send past the proxy.
        if session is not None and (proxy or ssl is not None or trust_env):
            raise ConfigError("proxy, ssl and trust_env are for the client's own session: set them in the one you give")
        self._base_url: Final = check_base_url(base_url, allow_insecure_http=allow_insecure_http)
        self._fingerprint: Final = fingerprint_of(credentials)
        self._timeouts: Final = check_kind("timeouts", timeouts or Timeouts(), Timeouts)
        retry = check_kind("retry", retry or RetryPolicy(), RetryPolicy)
        # The vendor does not say whether it counts by client, token or address (wire documentation § 5). One allowance
        # for each account is safe for the first two.
        limits = check_kind("rate_limits", rate_limits or RateLimits(), RateLimits)
        pacer: Pacing = Pacer.shared(self._base_url, credentials, limits)
        self._leave: Callable[[], Awaitable[None]] | None = None
        if allowance is not None:
            from xoxo_async.allowance.pacer import SharedPacer  # noqa: PLC0415 - only for those who share

            pacer = SharedPacer(allowance, base_url=self._base_url, provider=credentials, limits=limits, hooks=hooks)
            self._leave = pacer.aclose
        self._max_connections: Final = max_connections
        self._hooks: Final = hooks
        http = Http(
            self._base_url, timeouts=self._timeouts, max_connections=max_connections, callers=session, network=network
        )
        self._session: Final = Session(
            credentials,
            self._base_url,
            http=http,
            timeouts=self._timeouts,
            retry=retry,
            hooks=hooks,
            pacer=pacer,
        )
        self._doubt: Final = partial(report_doubt, hooks)
        self._offer(
            Dispatcher(
                self._session,
                pacer=pacer,
                retry=retry,
                timeouts=self._timeouts,
                calls=Calls(hooks, base_url=self._base_url, pacer=pacer) if hooks else None,
                doubt=self._doubt,
            ),
            Options(),
        )

    def _offer(self, dispatcher: Dispatcher, options: Options) -> None:
        """Offer the services over a dispatcher: the client's own, or that of a view."""
        self._dispatcher: Dispatcher = dispatcher
        self._options: Options = options
        self.account: AccountService = AccountService(dispatcher)
        self.catalog: CatalogService = CatalogService(dispatcher)
        self.orders: OrderService = OrderService(
            dispatcher,
            doubt=self._doubt,
            distrust=dispatcher.distrust,
            call_s=dispatcher.bounds.timeouts.call_s,
            ends_at=dispatcher.ends_at,
            calls=dispatcher.calls,
        )
        self.points: PointService = PointService(dispatcher)
        self.links: LinkService = LinkService(dispatcher)

    def with_options(
        self,
        *,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
        attempts: int | None = None,
        headers: Mapping[str, str] | None = None,
        keep_body: bool | None = None,
    ) -> Self:
        """Return a view of this client with other options. It opens nothing and moves no money.

        A view is a client over the same connections, token and allowance; it costs a few microseconds. Views can be
        made of views: what is not given stays. No option makes the SDK send an order again. `aclose()` of a view does
        nothing, and after `aclose()` of the client its views are closed too.

        Args:
            timeout_s: Seconds for one attempt, also of an order. The vendor may take 120 s to place an order: with less
                time, an order without an answer is looked up, and may end as `OutcomeUnknownError`.
            deadline_s: Seconds for each whole call, as `Timeouts.call_s`.
            attempts: HTTP attempts of one call, as `RetryPolicy.attempts`.
            headers: Headers that each call sends too, for example `X-Request-ID`; a token request does not send them.
                Those that the SDK sets itself (`Authorization`, `Content-Type`, `Host` …) are refused.
            keep_body: Whether `reply.raw` also keeps an answer of more than 256 KiB.

        Returns:
            The view.

        Raises:
            ConfigError: A value is wrong. The message names the option.

        Example:
            ```python
            patient = xoxo.with_options(attempts=5, headers={"X-Request-ID": "4711"})
            info = await patient.account.check_token()
            ```
        """
        return self._view(
            self._options.changed(
                timeout_s=timeout_s, deadline_s=deadline_s, attempts=attempts, headers=headers, keep_body=keep_body
            )
        )

    @asynccontextmanager
    async def deadline(self, seconds: float) -> AsyncGenerator[Self]:
        """Give all calls inside an `async with` block one deadline. It opens nothing and moves no money.

        It holds for this client and all its views inside the block, and for the view that the block gets, wherever that
        is used. Of two deadlines the earlier one counts. A call that would begin after it raises `ConnectError`, and
        nothing was sent. An order that is under way is looked up in the last part of the time, and ends as
        `OutcomeUnknownError` where nobody knows: it is never sent again. Other code in the block goes on.

        Args:
            seconds: Seconds from now.

        Raises:
            ConfigError: The value is no positive number.

        Example:
            ```python
            async with xoxo.deadline(5) as view:
                page = await view.catalog.list_vouchers(limit=10)
            ```
        """
        ends_at = time.monotonic() + check_number("deadline", seconds)
        view = self._view(replace(self._options, ends_at=min(ends_at, self._options.ends_at)))
        leave = self._dispatcher.bounds.scope.enter(ends_at)
        try:
            yield view
        finally:
            leave()

    def _view(self, options: Options) -> Self:
        view = copy(self)
        view._offer(self._dispatcher.view(options), options)  # noqa: SLF001 - of this class
        view._is_view = True  # noqa: SLF001 - the same
        return view

    @classmethod
    def from_env(
        cls,
        *,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        rate_limits: RateLimits | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 256,
        session: ClientSession | None = None,
        hooks: Sequence[Hook] = (),
        allow_insecure_http: bool = False,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        trust_env: bool | None = None,
        app: str = "",
        user_agent: str | None = None,
        allowance: Allowance | None = None,
        profile: str | None = None,
    ) -> Self:
        """Return a client made from `XOXO_*` variables and a profile.

        The first complete set of credentials is used: `XOXO_ACCESS_TOKEN` alone; `XOXO_REFRESH_TOKEN`, or a pair that
        `xoxo token import` has stored, with client id and secret; client id and secret. `XOXO_TOKEN_FAMILY=company`
        says that these are for points. Variables with `_FILE` after their names name files that hold the secrets. A
        refresh token rotates: its pairs are kept in `XOXO_TOKEN_FILE`, otherwise in the database of `XOXO_SHARED`,
        otherwise in the account's file under `$XDG_STATE_HOME/xoxo`.

        `XOXO_PROXY` is a proxy, `XOXO_CA_FILE` holds certificates to trust besides the system's, and `XOXO_TRUST_ENV=1`
        is as `trust_env`. `XOXO_SHARED` (`postgresql://…`, `redis://…`, `file:/path`) is as `allowance`. `XOXO_PROFILE`
        names a profile of `~/.config/xoxo/config.toml` (`XOXO_CONFIG`), and a variable goes before it.

        Args:
            base_url: The address, instead of `XOXO_BASE_URL`.
            timeouts: As for the client.
            rate_limits: As for the client; those of the profile by default.
            retry: As for the client.
            max_connections: As for the client.
            session: As for the client. With it, `XOXO_PROXY`, `XOXO_CA_FILE` and `XOXO_TRUST_ENV` have to be unset.
            hooks: As for the client.
            allow_insecure_http: As for the client.
            proxy: The proxy, instead of `XOXO_PROXY`; an empty text for none.
            ssl: The TLS settings, instead of `XOXO_CA_FILE`.
            trust_env: As for the client, instead of `XOXO_TRUST_ENV`.
            app: As for the client.
            user_agent: As for the client.
            allowance: The store, instead of `XOXO_SHARED`.
            profile: The name of a profile, instead of `XOXO_PROFILE`. It goes before the variables.

        Raises:
            ConfigError: A setting is missing or wrong; the message names it.
        """
        # Imported here: most programs give a client its credentials, and `import xoxo_async` is a part of their start.
        from xoxo_async.credentials import allowance_from, credentials_from, network_from  # noqa: PLC0415
        from xoxo_async.environment import Environment  # noqa: PLC0415

        environment = Environment.read(profile=profile)
        network = network_from(environment, proxy=proxy, ssl=ssl, trust_env=trust_env, own=session is None)
        return cls(
            credentials_from(environment),
            base_url=base_url or environment.base_url,
            timeouts=timeouts,
            rate_limits=rate_limits if rate_limits is not None else environment.limits,
            retry=retry,
            max_connections=max_connections,
            session=session,
            hooks=hooks,
            allow_insecure_http=allow_insecure_http,
            proxy=network.proxy,
            ssl=network.ssl,
            trust_env=network.trust_env,
            app=app,
            user_agent=user_agent,
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
        may take, because the pair would be lost. On a view it does nothing: other views still use the connections.
        """
        if self._is_view:
            return
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
        return f"XoxoClient(base_url={self._base_url!r}{', view' if self._is_view else ''})"
