"""The address of a database, and of a job in it: `postgresql://user@host/database#job`."""

import re
import shlex
from collections.abc import Mapping
from typing import Final, NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.options import CACHE, fault_in

__all__ = ["DatabaseAddress", "is_database", "quote_job"]

_SECRET_OPTIONS: Final = frozenset({"password", "sslpassword"})
_SCHEMES: Final = ("postgresql", "postgres")
_URL: Final = re.compile(r"postgres(ql)?:", re.IGNORECASE)
_WHERE: Final = "postgresql://user@host:port/database"
_HINT: Final = "(are @, /, #, ? and % of the password, and an @ of the job, written as %40, %2F, %23, %3F and %25?)"


def is_database(text: str) -> bool:
    """Return whether a text is the URL of a PostgreSQL database.

    Args:
        text: A URL, or the path of a file.
    """
    return _URL.match(text.lstrip()) is not None


def quote_job(job: str) -> str:
    """Return a job's name as it stands in a URL after `#`: what would be read as something else is written as %XX.

    Args:
        job: The name.
    """
    return job.replace("%", "%25").replace("@", "%40")


class DatabaseAddress(NamedTuple):
    """The address of a database. Its repr shows no password.

    Attributes:
        dsn: The URL with the password and libpq's options, without the job.
        job: The job that the URL names after `#`; None without one.
        name: The URL without its password and options, for messages.
        statement_cache_size: How many prepared statements a connection keeps: `?statement_cache_size=0`. None is the
            driver's default, and none behind a pooler.
    """

    dsn: str
    job: str | None
    name: str
    statement_cache_size: int | None = None

    def __repr__(self) -> str:
        return f"DatabaseAddress({self.name!r}, job={self.job!r})"

    @property
    def label(self) -> str:
        """The URL without its password, and with the job: what a command line may show."""
        return self.name if self.job is None else f"{self.name}#{quote_job(self.job)}"

    @property
    def options(self) -> dict[str, str]:
        """The options of libpq, by their names."""
        return dict(parse_qsl(urlsplit(self.dsn).query, keep_blank_values=True))

    @property
    def has_password(self) -> bool:
        """Whether the URL has a password, which other users of the machine can read in a command line."""
        return ":" in urlsplit(self.dsn).netloc.rpartition("@")[0] or bool(_SECRET_OPTIONS & self.options.keys())

    def url(self, *, secrets: bool = False) -> str:
        """Return the URL with its options, without the job.

        Args:
            secrets: Whether it has its password. Without it, a command line may show it.
        """
        parts = urlsplit(self.dsn)
        user, at, hosts = parts.netloc.rpartition("@")
        netloc = parts.netloc if secrets else user.partition(":")[0] + at + hosts
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        options = [(name, value) for name, value in pairs if secrets or name not in _SECRET_OPTIONS]
        cache = self.statement_cache_size
        options += [(CACHE, str(cache))] if cache is not None else []
        query = f"?{urlencode(options, safe='/')}" if options else ""
        return f"postgresql://{netloc}{parts.path}{query}"

    def command(self, *words: str, job: str = "") -> str:
        """Return a `xoxo` command on this database, without a password and quoted for a shell.

        Args:
            words: The command, and its flags: `ledger`, `migrate`.
            job: The job that it is about; empty for the database.
        """
        return shlex.join(["xoxo", *words, "--ledger", self.url() + (f"#{quote_job(job)}" if job else "")])

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the URL of a database.

        Args:
            text: `postgresql://[user[:password]@][host[:port]][,host…][/database][?options][#job]`. What is left out
                comes from the `PG…` variables and from `~/.pgpass`, as for other programs.

        Raises:
            ConfigError: The text is no such URL, or has an option that cannot be honoured. The message names the
                option, and repeats nothing else, because the URL may hold a password.
        """
        parts = _split(text.strip())
        job = unquote(parts.fragment).strip() or None
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        options = dict(pairs)
        fault = fault_in(pairs, "the database's URL", in_url=True) or _said_twice(parts, options)
        if fault:
            raise ConfigError(fault)
        cache = options.pop(CACHE, None)
        dsn = parts._replace(scheme="postgresql", query=urlencode(options), fragment="").geturl()
        user, at, hosts = parts.netloc.rpartition("@")
        name = f"postgresql://{user.partition(':')[0]}{at}{hosts}{parts.path}"
        return cls(dsn, job, name, None if cache is None else int(cache))


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme.lower() not in _SCHEMES or not text.lower().startswith(("postgresql://", "postgres://")):
        raise ConfigError("the database's address must be a URL such as postgresql://user@host/database")
    user, _at, hosts = parts.netloc.rpartition("@")
    for host in hosts.split(","):
        port = host.rpartition("]")[2].rpartition(":")
        if port[1] and not (port[2].isascii() and port[2].isdigit()):
            raise ConfigError(f"the database's URL has a port that is no number {_HINT}")
        # A socket's folder is written with %2F, and an IPv6 zone with a % inside brackets. No other host has one.
        if "%" in host and not host.startswith(("[", "%2F", "%2f")):
            raise ConfigError(f"the database's URL has a % in its host {_HINT}")
    # An @ here is the one before the host, and what stands before it is a password that ended too early: it would be
    # shown as a host, a database or a job.
    early = not user and bool(hosts) and not parts.path and "@" in parts.query
    if early or any("@" in part for part in (user, parts.path, parts.fragment)):
        raise ConfigError(f"the database's URL has an @ that is out of place {_HINT}")
    return parts


def _said_twice(parts: SplitResult, options: Mapping[str, str]) -> str:
    """Return which option says again what stands before the `?`: libpq takes the one, and the driver the other."""
    user, _at, hosts = parts.netloc.rpartition("@")
    named = {"user": user, "host": hosts, "port": hosts, "dbname": parts.path[1:], "database": parts.path[1:]}
    name = next((name for name, before in named.items() if before and name in options), "")
    return f"the database's URL has the option {name}: write it before the ?, as {_WHERE}" if name else ""
