"""A store in PostgreSQL for the tokens and pairs of any number of accounts. Processes of many machines share it."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Self

import anyio

from xoxo_async.auth.pairs import packed, unpacked
from xoxo_async.auth.sharing import SupersededError
from xoxo_async.auth.tokens import LOCK_TIMEOUT_S, Token, lock_timed_out
from xoxo_async.config import check_number
from xoxo_async.errors import ConfigError, TokenStoreError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.sealing import SealError, Seals
from xoxo_async.secret_sources import secret_variable

if TYPE_CHECKING:
    from xoxo_async.auth.lease import Lease, Row

__all__ = ["PostgresTokenStore"]

_LEASE_S: Final = 15.0
_FIRST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.25
"""The waits between two attempts to take a lease that another process holds."""

_SAVING_S: Final = 4.0
"""How long a save is tried again. The keeper's `close` waits a second longer."""

_RELEASING_S: Final = 4.0


class _Settings(NamedTuple):
    """What the stores of all accounts in one table have in common."""

    address: DatabaseAddress
    seals: Seals
    timeout_s: float
    lease_s: float


class _Seen(NamedTuple):
    """The newest pair that this process has seen in the row, and its number."""

    gen: int
    token: Token | None


class PostgresTokenStore:
    """Keep tokens in the table `xoxo.token` of a PostgreSQL database, one row for each account and address.

    Give it to `RefreshToken` or `ClientCredentials`. All processes with the same values then share one token, on any
    number of machines, and one of them renews it. `xoxo ledger migrate` makes the table. The store needs the extra
    `postgres`: `pip install 'xoxo-async[postgres]'`. It opens a connection when it is used, and closes it after that.

    Who renews holds a lease on the row and extends it meanwhile. The lease of a process that was killed or stopped ends
    after `lease_s`, and another process takes over. A process that wakes after that stores its pair only if no other
    was stored since.

    Args:
        dsn: `postgresql://user@host/database`. What the URL leaves out comes from the `PG…` variables and `~/.pgpass`.
        key: The key that encrypts the pairs: 32 bytes as URL-safe base64. None reads `XOXO_LEDGER_KEY`. Without a key,
            everyone who can read the table can read the tokens.
        lock_timeout_s: How many seconds to wait for another process that renews.
        lease_s: After how many seconds a lease ends whose holder no longer extends it.

    Raises:
        ConfigError: The URL or the key is wrong, or an extra is not installed. The message holds no password.
    """

    __slots__ = ("_account", "_leases", "_seen", "_settings")

    def __init__(
        self,
        dsn: str,
        *,
        key: str | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        lease_s: float = _LEASE_S,
    ) -> None:
        address = DatabaseAddress.read(dsn)
        timeout_s = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        lasts_s = check_number("lease_s", lease_s)
        if find_spec("asyncpg") is None:
            raise ConfigError("a token store in PostgreSQL needs asyncpg: pip install 'xoxo-async[postgres]'")
        try:
            seals = Seals(secret_variable("XOXO_LEDGER_KEY").value if key is None else key)
        except SealError as error:
            raise ConfigError(str(error)) from None
        self._use(_Settings(address, seals, timeout_s, lasts_s), "")

    def _use(self, settings: _Settings, account: str) -> None:
        self._settings = settings
        self._account = account
        self._seen = _Seen(-1, None)
        # By task: several clients of a process may use one store at once, and each has a lease of its own.
        self._leases: dict[asyncio.Task[object] | None, Lease] = {}

    def of_account(self, account: str) -> Self:
        """Return the store of one account in the same table. Providers call this.

        Args:
            account: The key of the row: a hash that names the account and its address, and reveals no secret.
        """
        store = type(self).__new__(type(self))
        store._use(self._settings, account)  # noqa: SLF001 - of this class
        return store

    async def load(self) -> Token | None:
        """Return the stored pair, or None.

        Raises:
            TokenStoreError: The database cannot be reached. The error is retryable.
            ConfigError: The database cannot be used, or the row holds no pair that this key opens.
        """
        lease = self._leases.get(asyncio.current_task())
        if lease is not None:
            return self._newest(await lease.read())
        row = self._lease()
        try:
            return self._newest(await row.read())
        finally:
            with anyio.move_on_after(_RELEASING_S, shield=True):
                await row.close()

    async def save(self, token: Token, /) -> None:
        """Store a pair, and return when the database has confirmed that it is durable.

        A failure is tried again for some seconds, because the pair exists nowhere else.

        Raises:
            TokenStoreError: The pair could not be stored. Where another process has stored one, that one stays.
            ConfigError: The database cannot be used.
        """
        lease = self._leases.get(asyncio.current_task())
        if lease is None:
            async with self.lock():
                await self.save(token)
                return
        end, wait = time.monotonic() + _SAVING_S, _FIRST_LOOK_S
        while True:
            try:
                await self._write(lease, token)
            except SupersededError:
                raise
            except (TokenStoreError, ConfigError) as error:
                if time.monotonic() + wait >= end:
                    raise TokenStoreError(f"{error.message}; the renewed pair was not used", retryable=True) from None
            else:
                return
            await anyio.sleep(wait)
            wait = min(wait * 2, _LONGEST_LOOK_S)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Hold the lease of the row within the block, and extend it meanwhile.

        Raises:
            TokenStoreError: The database cannot be reached, or another process has held the lease for too long. The
                error is retryable.
            ConfigError: The database cannot be used.
        """
        lease, stop, task = self._lease(), anyio.Event(), asyncio.current_task()
        # A task of its own, and asyncio's: a task group would wrap the errors of the block.
        extending: asyncio.Task[None] | None = None
        try:
            await self._take(lease)
            self._leases[task] = lease
            extending = asyncio.get_running_loop().create_task(self._extend(lease, stop))
            yield
        finally:
            self._leases.pop(task, None)
            stop.set()
            # A cancelled holder gives the lease back all the same. Otherwise others would wait for its end.
            with anyio.move_on_after(_RELEASING_S, shield=True):
                if extending is not None:
                    await extending
                await lease.release()
            if extending is not None:
                extending.cancel()

    @asynccontextmanager
    async def reserve(self) -> AsyncGenerator[None]:
        """Prove that the row can be written and that the lease still holds, before a refresh token is spent.

        Raises:
            TokenStoreError: The row cannot be written, or another process has taken over. No refresh token was spent.
        """
        lease = self._leases.get(asyncio.current_task())
        if lease is not None:
            try:
                held = await lease.prove()
            except (TokenStoreError, ConfigError) as error:
                raise TokenStoreError(
                    f"{error.message}; no new token was requested, and a refresh token is not spent", retryable=True
                ) from None
            if not held:
                raise SupersededError(f"{self!r}: another process has taken over the renewal")
        yield

    def unfinished(self) -> str:
        """Return who began a renewal and did not end it before the caller took the lease; empty if nobody did."""
        lease = self._leases.get(asyncio.current_task())
        return lease.before if lease is not None else ""

    def __repr__(self) -> str:
        return f"PostgresTokenStore({self._settings.address.name!r})"

    def __copy__(self) -> Self:
        return self  # the leases and the newest pair belong to all users of this store

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token store cannot be pickled: its URL may hold a password")

    def _lease(self) -> "Lease":
        from xoxo_async.auth.lease import Lease  # noqa: PLC0415 - it needs an extra

        if not self._account:
            raise ConfigError(f"{self!r} has no account: a provider chooses one, or of_account does")
        return Lease(self._settings.address, self._account, lasts_s=self._settings.lease_s)

    async def _take(self, lease: "Lease") -> None:
        end, wait = time.monotonic() + self._settings.timeout_s, _FIRST_LOOK_S
        while not await lease.take():
            if time.monotonic() >= end:
                holder = await lease.holder() or "another process"
                raise lock_timed_out(repr(self), holder, self._settings.timeout_s)
            await anyio.sleep(wait)
            wait = min(wait * 2, _LONGEST_LOOK_S)

    async def _extend(self, lease: "Lease", stop: anyio.Event) -> None:
        while True:
            with anyio.move_on_after(self._settings.lease_s / 3):
                await stop.wait()
                return
            with suppress(TokenStoreError, ConfigError):  # `reserve` and `save` meet the same failure, and report it
                if not await lease.extend():
                    return

    async def _write(self, lease: "Lease", token: Token) -> None:
        content = self._settings.seals.seal(packed(token), self._account)
        gen = await lease.write(content, max(lease.base, self._seen.gen) + 1)
        if gen is None:
            # The row may hold this very pair, where the answer to an earlier attempt was lost; the provider reads it.
            raise SupersededError(f"{self!r}: another process took over, and the pair in the database stays")
        self._seen = _Seen(gen, token)

    def _newest(self, row: "Row") -> Token | None:
        """Return the pair of a row, or the one that this process has seen if the row has lost that one.

        A database that failed over to a standby may have lost its last commits. The vendor has ended the refresh token
        that the row holds then, and this process still has the next one.
        """
        token, seen = self._opened(row.content), self._seen
        if row.gen < seen.gen and seen.token is not None and not _is_newer(token, seen.token):
            return seen.token
        self._seen = _Seen(row.gen, token)
        return token

    def _opened(self, content: str | None) -> Token | None:
        if content is None:
            return None
        name = self._settings.address.name
        try:
            opened = self._settings.seals.open(content, self._account)
        except SealError as error:
            # The account is a hash: no person knows it, and the row is found by it alone.
            raise ConfigError(
                f"the token in {name}: {error}. If that key is lost, delete the row of xoxo.token whose account is"
                f" {self._account}, and import the pair again"
            ) from None
        return unpacked(opened, f"the token in {name}", otherwise="is no pair: was its row changed by hand?")


def _is_newer(token: Token | None, than: Token) -> bool:
    """Return whether a pair is newer: a person has imported it, or another process got it from the vendor."""
    return token is not None and (token.issued_at or 0.0) > (than.issued_at or 0.0)
