"""Open a ledger by its path or URL. Only this module and the stores themselves name a store."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import ConfigError

__all__ = ["OpenJobs", "open_jobs", "open_ledger", "read_open_jobs", "require_fit"]

_OPEN: Final = (LineState.PLANNED, LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)


class OpenJobs(NamedTuple):
    """The jobs at a place that are not done.

    Attributes:
        names: Jobs of orders, which a worker can work on, oldest first.
        others: The kind of each job that only its own command sends: a `JobKind`, or what a newer version of this
            package wrote.
    """

    names: list[str]
    others: dict[str, str]


def open_ledger(
    where: str | os.PathLike[str] | LedgerAddress,
    *,
    job: str | None = None,
    codes_key: str | None = None,
    store_codes: bool = True,
    must_exist: bool = False,
    read_only: bool = False,
    keep_unused: bool = True,
) -> Ledger:
    """Return the ledger at a path or URL. Open it with `async with`. Moves no money.

    Args:
        where: A file's path: the ledger is a `SqliteLedger`, for one process at a time. Or a database's URL,
            `postgresql://user@host/database#job`: the ledger is a `PostgresLedger`, for any number of processes. It
            needs `pip install 'xoxo-async[postgres]'`.
        job: The job's name. A database needs it here or in its URL. A file holds one job, so here it only guards
            against the wrong file, and names the first plan; None takes the file's own.
        codes_key: The key that encrypts voucher codes: 32 bytes as URL-safe base64. None reads `XOXO_LEDGER_KEY`;
            empty, or unset there, keeps them in clear.
        store_codes: Whether voucher codes are kept; otherwise only order ids are, and a keyed hash of each code.
        must_exist: Whether a missing ledger, or a missing job of a database, is an error; otherwise it is made.
        read_only: Whether to read only: this takes no lock and changes nothing, and another process may write
            meanwhile. Methods that write raise.
        keep_unused: Whether a file that this opening made stays when nothing was planned in it.

    Returns:
        The ledger, not opened yet: `async with`, or its `open`, raises `LedgerError` when it cannot be used.

    Raises:
        ConfigError: `where` is another kind of URL or keywords such as `dbname=`, no job of a database is named, or
            asyncpg is not installed.

    Example:
        ```python
        async with open_ledger("march.db") as ledger:
            print(await ledger.counts())
        ```
    """
    address = LedgerAddress.read(where, job=job)
    if address.path is None:
        database = address.with_job()
        ledger: Ledger = _postgres("ledger").PostgresLedger(
            database.url,
            job=database.job,
            codes_key=codes_key,
            store_codes=store_codes,
            must_exist=must_exist,
            read_only=read_only,
        )
        return ledger
    return SqliteLedger(
        address.path if isinstance(where, LedgerAddress) else where,
        job=address.job,
        codes_key=codes_key,
        store_codes=store_codes,
        must_exist=must_exist,
        read_only=read_only,
        keep_unused=keep_unused,
    )


async def open_jobs(where: str | os.PathLike[str] | LedgerAddress, *, job: str | None = None) -> list[str]:
    """Return the names of the jobs at a place that have work for a worker: open lines, or codes still to come.

    Jobs of points, links and mails are not among them: `run_shift` works on orders alone. Any number of programs may
    call `resume` of such a job's `BulkPoints`, `BulkLinks` or `BulkLinkMails` at once.

    Args:
        where: As for `open_ledger`; the URL of a database may name no job: then all its jobs count.
        job: Only this job.

    Raises:
        ConfigError: As for `open_ledger`; or a file holds no job yet.
        LedgerError: The place cannot be read.
    """
    return (await read_open_jobs(where, job=job)).names


async def read_open_jobs(where: str | os.PathLike[str] | LedgerAddress, *, job: str | None = None) -> OpenJobs:
    """Return the jobs at a place that are not done, and which of them no worker works on.

    Args:
        where: As for `open_jobs`.
        job: As for `open_jobs`.

    Raises:
        ConfigError: As for `open_jobs`.
        LedgerError: As for `open_jobs`.
    """
    address = LedgerAddress.read(where, job=job)
    if address.path is None and address.job is None:
        kinds: dict[str, str] = await _postgres("jobs").read_open(address.url)
        return _by_kind(kinds)
    async with open_ledger(address, must_exist=True, read_only=True) as ledger:
        if ledger.job is None:
            raise ConfigError(f"{ledger.name} holds no job yet: plan one first")
        kind = ledger.kind or JobKind.ORDERS
        return _by_kind({ledger.job: kind} if _is_open(kind, await ledger.counts()) else {})


async def require_fit(where: str | os.PathLike[str] | LedgerAddress) -> None:
    """Refuse a database that no worker can work on. A file is checked when it is opened.

    Args:
        where: As for `open_ledger`; the URL of a database need not name a job.

    Raises:
        ConfigError: As for `open_ledger`.
        LedgerError: The database cannot be used for orders: it is read-only, may lose what it has confirmed, has
            another version of the schema, or gives its user too few rights.
    """
    address = LedgerAddress.read(where)
    if address.path is None:
        await _postgres("jobs").require_fit(address.url)


def _by_kind(kinds: Mapping[str, str]) -> OpenJobs:
    orders = [name for name, kind in kinds.items() if kind == JobKind.ORDERS]
    return OpenJobs(orders, {name: kind for name, kind in kinds.items() if kind != JobKind.ORDERS})


def _is_open(kind: JobKind, counts: Counts) -> bool:
    # Orders may wait for their codes; what else has no key is never asked for again.
    waits = kind is JobKind.ORDERS and counts.pending > counts.delivery_cancelled
    return waits or any(counts.states.get(state) for state in _OPEN)


def _postgres(module: str) -> Any:
    """Return a module of ledgers in PostgreSQL, whose driver is an extra.

    It is found by its name, as a plug-in is: whoever opens a ledger stands on the protocol, not on that store's parts.
    """
    try:
        return import_module(f"xoxo_async.bulk.ledger.postgres.{module}")
    except ImportError as error:
        if error.name != "asyncpg":
            raise
        raise ConfigError("a ledger in PostgreSQL needs asyncpg: pip install 'xoxo-async[postgres]'") from None
