"""Examine a set-up: run every check, one after another, so that one that fails hides no other."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.auth import FileTokenStore, TokenProvider
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.client import XoxoClient
from xoxo_async.config import RateLimits, Timeouts
from xoxo_async.credentials import credentials_from
from xoxo_async.doctor import ledgers, records, server, settings
from xoxo_async.doctor.findings import Diagnosis, Finding, failed, not_run
from xoxo_async.doctor.proving import SmallOrder, choose_order, finding_of, prove_po, refuse_real_money
from xoxo_async.doctor.versions import check_versions
from xoxo_async.environment import Environment, token_file_if_any
from xoxo_async.errors import ConfigError, XoxoError
from xoxo_async.network import Network, check_base_url
from xoxo_async.profiles import SECRET_NAMES
from xoxo_async.retry import RetryPolicy
from xoxo_async.transport.watching import WatchedSession

__all__ = ["Examination", "Proving", "examine"]

_KNOCK_S: Final = 15.0
_TIMEOUTS: Final = Timeouts(connect_s=10, read_s=20, token_s=20)

Found = Finding | Iterable[Finding] | None


class Proving:
    """What `--prove-po` asks for.

    Args:
        product_id: The product; the cheapest by default.
        order: The whole order, in place of one from the catalog.
        later_s: Seconds before the third request.
        agree: Called with the order before it is placed; raises where nobody agrees.
        keep: Whether to keep the result for later examinations of the account.
        flags: The flags with which a command reaches the same account, for the advice.
    """

    def __init__(
        self,
        *,
        product_id: int | None = None,
        order: SmallOrder | None = None,
        later_s: float = 10.0,
        agree: Callable[[SmallOrder], Awaitable[None]] | None = None,
        keep: bool = True,
        flags: Sequence[str] = (),
    ) -> None:
        self.product_id: Final = product_id
        self.order: Final = order
        self.later_s: Final = later_s
        self.agree: Final = agree
        self.keep: Final = keep
        self.flags: Final = tuple(flags)


async def examine(
    read: Callable[[], Environment],
    *,
    ledger: LedgerAddress | None = None,
    limits: RateLimits | None = None,
    proving: Proving | None = None,
    credentials: TokenProvider | None = None,
    variables: Mapping[str, str] | None = None,
) -> Diagnosis:
    """Check settings, server, token, account, limits, a ledger's place and versions.

    Moves no money without `proving`: it makes one token request at most, and two calls.

    Args:
        read: Returns the settings; what it raises is a finding too.
        ledger: The ledger whose place is checked; the working folder by default.
        limits: The limits in force; those of the profile or the vendor's by default.
        proving: Place one order under one poNumber three times, at a sandbox or at staging.
        credentials: The credentials, in place of those in the settings.
        variables: The environment variables; the process's by default.

    Returns:
        The findings, without secrets.

    Raises:
        ConfigError: `proving` is asked for at an address that may spend real money; nothing was sent.
    """
    run = Examination(os.environ if variables is None else variables)
    environment = run.settings(read)
    if environment is not None and proving is not None:
        refuse_real_money(environment.base_url)
    if environment is None:
        for check in ("address", "credentials", "server"):
            run.add(not_run(check, "the settings cannot be read"))
    else:
        await run.on_the_network(environment, limits or environment.limits or RateLimits(), credentials, proving)
    await run.on_the_ledger(ledger)
    await run.check("versions", check_versions)
    return Diagnosis(findings=tuple(run.findings)).without(run.secrets)


class Examination:
    """One examination under way.

    Args:
        variables: The environment variables.

    Attributes:
        findings: The findings so far.
        secrets: The texts that no finding may show.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables: Final = variables
        self.findings: Final[list[Finding]] = []
        self.secrets: Final = [variables.get(f"XOXO_{name.upper()}", "").strip() for name in SECRET_NAMES]

    def add(self, found: Found) -> None:
        """Keep a finding, or several."""
        if isinstance(found, Finding):
            self.findings.append(found)
        elif found is not None:
            self.findings.extend(found)

    async def check(self, name: str, work: Callable[[], Awaitable[Found] | Found]) -> bool:
        """Run one check, and keep what it finds or what it raises.

        Args:
            name: The check's name, for an error.
            work: The check.

        Returns:
            Whether it raised nothing.
        """
        try:
            found = work()
            self.add(await found if isinstance(found, Awaitable) else found)
        except ConfigError as error:
            self.add(failed(name, error))
        except XoxoError as error:
            self.add(failed(name, error, advice=server.advice_for(error)))
        except Exception as error:  # noqa: BLE001 - a bug in one check must not hide the others
            self.add(not_run(name, f"the check itself failed ({type(error).__name__})"))
        else:
            return True
        return False

    def settings(self, read: Callable[[], Environment]) -> Environment | None:
        """Read the settings; None where they are wrong, which is then a finding."""
        try:
            environment = read()
        except ConfigError as error:
            self.add(failed("settings", error))
            return None
        self.secrets.extend(getattr(environment, name) for name in SECRET_NAMES)
        return environment

    async def on_the_network(
        self,
        environment: Environment,
        limits: RateLimits,
        credentials: TokenProvider | None,
        proving: Proving | None,
    ) -> None:
        """Check address, credentials and all that needs the server."""
        given: list[TokenProvider] = []
        networks: list[Network] = []
        sound = await self.check("address", lambda: settings.check_address(environment))
        await self.check("credentials", lambda: self._credentials(environment, credentials, given))
        files = {name: Path(path) for name, path in self._secret_files().items()}
        await self.check("secret files", lambda: settings.check_secret_files(environment, files))
        await self.check("proxy", lambda: self._proxy(environment, networks))
        await self.check("shared", lambda: settings.check_shared(environment))
        self.add(settings.check_limits(limits, environment))
        if not sound or not networks:
            return self.add(not_run("server", "the settings above are wrong"))
        async with _watched(environment, networks[0]) as watched:
            if not await self.check("server", lambda: _knock(watched)):
                for name in ("tls", "clock", "token", "account", *(("poNumber",) if proving is not None else ())):
                    self.add(not_run(name, "the server was not reached"))
                return None
            await self.check("tls", lambda: server.check_tls(check_base_url(environment.base_url), networks[0]))
            await self.check("clock", lambda: server.check_clock(watched.heard[0]))
            if not given:
                return self.add(not_run("token", "there are no credentials"))
            await self._with_a_client(environment, watched, given[0], limits, proving)
        return None

    async def _with_a_client(
        self,
        environment: Environment,
        watched: WatchedSession,
        provider: TokenProvider,
        limits: RateLimits,
        proving: Proving | None,
    ) -> None:
        async with XoxoClient(
            provider,
            base_url=environment.base_url,
            session=watched.session,
            rate_limits=limits,
            timeouts=_TIMEOUTS,
            retry=RetryPolicy(attempts=1),
        ) as client:
            if not await self.check("token", lambda: server.check_token(client, provider)):
                self.add(not_run("account", "there is no token"))
                return
            await self.check("refresh token", lambda: server.check_pair(provider, _store_of(environment)))
            able = await self.check("account", lambda: server.check_account(client))
            self.add(server.check_stated_limits(watched.heard, limits))
            if proving is not None and able:
                await self._prove(client, proving)
            elif proving is not None:
                self.add(not_run("poNumber", "the account does not answer"))
            else:
                await self.check("poNumber", lambda: _proven(client, environment))

    async def _prove(self, client: XoxoClient, proving: Proving) -> None:
        orders: list[SmallOrder] = []

        async def choose() -> None:
            orders.append(proving.order or await choose_order(client, product_id=proving.product_id))

        if not await self.check("poNumber", choose):
            return
        if proving.agree is not None:
            await proving.agree(orders[0])

        async def prove() -> Finding:
            proof = finding_of(await prove_po(client, orders[0], later_s=proving.later_s), proving.flags)
            address, account = client.base_url, client.account_fingerprint
            place = records.keep(address, account, proof.facts) if proving.keep else None
            return proof if place is None else msgspec.structs.replace(proof, text=f"{proof.text}; kept in {place}")

        await self.check("poNumber", prove)

    def _credentials(
        self, environment: Environment, credentials: TokenProvider | None, given: list[TokenProvider]
    ) -> Finding:
        given.append(credentials or credentials_from(environment))
        return settings.check_credentials(environment, given[0])

    @staticmethod
    def _proxy(environment: Environment, networks: list[Network]) -> Finding:
        networks.append(environment.network())
        return settings.check_proxy(environment, networks[0])

    def _secret_files(self) -> dict[str, str]:
        names = [f"XOXO_{name.upper()}_FILE" for name in SECRET_NAMES]
        return {name: path for name in names if (path := self._variables.get(name, "").strip())}

    async def on_the_ledger(self, ledger: LedgerAddress | None) -> None:
        """Check the place of a ledger."""
        if ledger is not None and not ledger.is_file:
            await self.check("ledger", lambda: ledgers.check_database_of(ledger))
            return
        where = ledger.path if ledger is not None and ledger.path is not None else Path("ledger.db")
        await self.check("ledger folder", lambda: ledgers.check_folder(where))
        if ledger is not None:
            await self.check("ledger", lambda: ledgers.check_ledger_file(ledger))


@asynccontextmanager
async def _watched(environment: Environment, network: Network) -> AsyncGenerator[WatchedSession]:
    watched = WatchedSession(check_base_url(environment.base_url), network)
    try:
        yield watched
    finally:
        await watched.aclose()


async def _knock(watched: WatchedSession) -> Finding:
    heard = await watched.knock(_KNOCK_S)
    took = heard.ended - heard.began
    return Finding(
        check="server",
        status="ok",
        text=f"answers in {took * 1000:.0f} ms (HTTP {heard.status} to the bare address)",
        facts={"status": heard.status, "took_ms": round(took * 1000)},
    )


def _proven(client: XoxoClient, environment: Environment) -> Finding | None:
    """Return what an earlier proof found; a warning at staging where there is none, and nothing elsewhere."""
    found = records.kept(client.base_url, client.account_fingerprint)
    if found is not None:
        result, at = str(found.get("result")), str(found.get("at"))
        words = {"once": "one order", "twice": "more than one order", "none": "no order was placed"}
        text = f"proven at {at}: {words.get(result, 'not known')} under one poNumber"
        if result == "twice":
            advice = "run jobs with --resend never, and tell the vendor"
            return Finding(check="poNumber", status="fail", about="money", text=text, advice=advice, facts=found)
        return Finding(check="poNumber", status="ok" if result == "once" else "warn", text=text, facts=found)
    if settings.kind_of(environment.base_url) != "staging":
        return None
    return Finding(
        check="poNumber",
        status="warn",
        text="it is not proven that this account buys once under one poNumber",
        advice="xoxo doctor --prove-po places one small order three times, with staging money",
    )


def _store_of(environment: Environment) -> FileTokenStore | None:
    path = token_file_if_any(environment)
    return FileTokenStore(path) if path is not None and path.exists() else None
