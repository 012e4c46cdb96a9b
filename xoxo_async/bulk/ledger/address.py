"""Where a ledger is: the path of a file, or the URL of a database and a job in it."""

import os
import re
from pathlib import Path
from typing import Final, Self

import msgspec

from xoxo_async.errors import ConfigError
from xoxo_async.file_names import address_in, path_of, way_out
from xoxo_async.postgres.address import DatabaseAddress, is_database, quote_job

__all__ = ["LedgerAddress"]

_NOT_IN_NAMES: Final = re.compile(r"[^\w.-]+")


class LedgerAddress(msgspec.Struct, frozen=True):
    """The place of a ledger. Its text, also in messages, has no password.

    Attributes:
        path: The file; None for a database.
        database: The database, without a job; None for a file.
        job: The job that was asked for; None if none was named.
    """

    path: Path | None = None
    database: DatabaseAddress | None = None
    job: str | None = None

    @classmethod
    def read(cls, where: "str | os.PathLike[str] | LedgerAddress", *, job: str | None = None) -> Self:
        """Read the place of a ledger. Moves no money, and opens nothing.

        Args:
            where: The path of a file, or `postgresql://[user[:password]@][host][/database][?options][#job]`.
            job: The job's name; None or empty names none. A URL may name it as well, after `#`.

        Raises:
            ConfigError: It is no file's name, another kind of URL or keywords such as `dbname=`, or names two jobs. The
                message repeats no address, because it may hold a password.
        """
        if isinstance(where, LedgerAddress):
            return cls(where.path, where.database, _one_job(where.job, job))
        text = os.fspath(where)
        if is_database(text):
            database = DatabaseAddress.read(text)
            return cls(None, database._replace(job=None), _one_job(database.job, job))
        kind = address_in(text)
        if kind:
            raise ConfigError(
                f"a ledger is a file's path or a postgresql:// URL, not {kind}: write postgresql://user@host/database;"
                f" {way_out(where)}"
            )
        if "\0" in text or not text.strip() or not Path(text).name:
            raise ConfigError(f"the ledger {text!r} is not a file's name")
        return cls(path_of(text), None, job or None)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The ledger's name in messages: the path as it was given, or the URL without password and options."""
        if self.database is None:
            return str(self.path)
        return f"{self.database.name}#{self.job}" if self.job else self.database.name

    @property
    def argument(self) -> str:
        """What a command line names to reach the same ledger: the path, or the URL with its options and job.

        It has no password. The next command gets that from `PGPASSWORD` or `~/.pgpass`.
        """
        job = "#" + quote_job(self.job) if self.job and self.database is not None else ""
        return str(self.path) if self.database is None else self.database.url() + job

    @property
    def url(self) -> str:
        """The database's URL with its password and without the job, for whatever connects to it; empty for a file."""
        return "" if self.database is None else self.database.url(secrets=True)

    @property
    def has_password(self) -> bool:
        """Whether the URL has a password, which other users of the machine can read in a command line."""
        return self.database is not None and self.database.has_password

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a file, which one process works on at a time."""
        return self.database is None

    @property
    def stem(self) -> str:
        """The beginning of the names of files that are about this ledger, without a folder and an ending."""
        if self.path is not None:
            return self.path.stem
        return _NOT_IN_NAMES.sub("-", self.job or "").strip("-.") or "ledger"

    @property
    def first_job(self) -> str:
        """The name of the job that a plan begins here: the one asked for, or the file's name without its ending.

        Raises:
            ConfigError: A URL names no job.
        """
        job = self.with_job().job
        return self.stem if job is None else job

    def with_job(self, job: str | None = None) -> "LedgerAddress":
        """Return the place of one job: a file holds one, and in a database it must be named.

        Args:
            job: The job's name; None or empty takes the one that is named already.

        Raises:
            ConfigError: No job of the database is named, or two are.
        """
        address = LedgerAddress.read(self, job=job)
        if address.database is not None and address.job is None:
            raise ConfigError(
                f"{address.name} holds any number of jobs: name one at the end of the URL, as in …#march, or with"
                " job (--job)"
            )
        return address


def _one_job(named: str | None, asked: str | None) -> str | None:
    if named and asked and named != asked:
        raise ConfigError(f"the ledger's address names the job {named!r}, and {asked!r} is asked for: give one of them")
    return named or asked or None
