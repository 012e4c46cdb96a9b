"""One allowance for several processes: each takes its rate slots from a store. See `XoxoClient(allowance=…)`.

`FileAllowance` is for the processes of one host, `PostgresAllowance` and `RedisAllowance` for any number of machines.
"""

from typing import TYPE_CHECKING, Final

from xoxo_async.public_names import import_name

if TYPE_CHECKING:
    from xoxo_async.allowance.file import FileAllowance
    from xoxo_async.allowance.postgres import PostgresAllowance
    from xoxo_async.allowance.protocol import Allowance, AwayError, Grant
    from xoxo_async.allowance.redis import RedisAllowance

__all__ = ["Allowance", "AwayError", "FileAllowance", "Grant", "PostgresAllowance", "RedisAllowance"]

_HOMES: Final = {
    "Allowance": "xoxo_async.allowance.protocol",
    "AwayError": "xoxo_async.allowance.protocol",
    "FileAllowance": "xoxo_async.allowance.file",
    "Grant": "xoxo_async.allowance.protocol",
    "PostgresAllowance": "xoxo_async.allowance.postgres",
    "RedisAllowance": "xoxo_async.allowance.redis",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: a client without a store needs one of them alone."""
    return import_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
