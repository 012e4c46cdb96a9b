"""The store of an allowance by its address, as in `XOXO_SHARED`."""

from urllib.parse import unquote

from xoxo_async.allowance.file import FileAllowance
from xoxo_async.allowance.postgres import PostgresAllowance
from xoxo_async.allowance.protocol import Allowance
from xoxo_async.allowance.redis import RedisAllowance
from xoxo_async.errors import ConfigError

__all__ = ["open_allowance"]


def open_allowance(address: str) -> Allowance:
    """Return the store at an address. Nothing is opened or sent before its first use.

    Args:
        address: `postgresql://…`, `redis://…`, `rediss://…`, `file:/path` or `file:///path`.

    Raises:
        ConfigError: It is no such address, or the extra for it is missing. The message repeats no password.
    """
    scheme, colon, rest = address.strip().partition(":")
    match scheme.lower() if colon else "":
        case "postgresql" | "postgres":
            return PostgresAllowance(address)
        case "redis" | "rediss":
            return RedisAllowance(address)
        case "file":
            path = rest.removeprefix("//") if rest.startswith("///") else rest
            if not path.startswith("/") or path.startswith("//"):
                raise ConfigError("the path must be absolute, for example file:/run/shop/xoxo-allowance")
            return FileAllowance(unquote(path))
        case _:
            raise ConfigError("it must begin with postgresql://, redis://, rediss:// or file:/")
