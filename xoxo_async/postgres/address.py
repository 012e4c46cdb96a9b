"""The address of a database, and of a job in it: `postgresql://user@host/database#job`."""

import re
from typing import Final, NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from xoxo_async.errors import ConfigError

__all__ = ["DatabaseAddress", "is_database"]

_SCHEMES: Final = ("postgresql", "postgres")
_URL: Final = re.compile(r"postgres(ql)?:", re.IGNORECASE)
_CACHE: Final = "statement_cache_size"


def is_database(text: str) -> bool:
    """Return whether a text is the URL of a PostgreSQL database.

    Args:
        text: A URL, or the path of a file.
    """
    return _URL.match(text.lstrip()) is not None


class DatabaseAddress(NamedTuple):
    """The address of a database. Its repr shows no password.

    Attributes:
        dsn: The URL as the driver gets it, with the password, without the job.
        job: The job that the URL names after `#`; None without one.
        name: The URL without its password and options, for messages.
        statement_cache_size: How many prepared statements a connection keeps; None is the driver's default. A
            pgbouncer in transaction mode needs 0: `?statement_cache_size=0`.
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
        return self.name if self.job is None else f"{self.name}#{self.job}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the URL of a database.

        Args:
            text: `postgresql://[user[:password]@][host[:port]][,host…][/database][?options][#job]`. What is left out
                comes from the `PG…` variables and from `~/.pgpass`, as for other programs.

        Raises:
            ConfigError: The text is no such URL. The message does not repeat it, because it may hold a password.
        """
        parts = _split(text.strip())
        job = unquote(parts.fragment).strip() or None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        cache = options.pop(_CACHE, None)
        if cache is not None and not (cache.isascii() and cache.isdigit()):
            raise ConfigError(f"the database's URL: {_CACHE} must be a whole number, not {cache!r}")
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
    for host in parts.netloc.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2].rpartition(":")
        if port[1] and not (port[2].isascii() and port[2].isdigit()):
            raise ConfigError("the database's URL has a port that is no number (is an @ or a / of the password written"
                              " as %40 or %2F?)")  # fmt: skip
    return parts
