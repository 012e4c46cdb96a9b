"""One allowance for several processes: each takes its rate slots from a store. See `XoxoClient(allowance=…)`.

`FileAllowance` is for the processes of one host, `PostgresAllowance` and `RedisAllowance` for any number of machines.
"""

from xoxo_async.allowance.file import FileAllowance
from xoxo_async.allowance.postgres import PostgresAllowance
from xoxo_async.allowance.protocol import Allowance, AwayError, Grant
from xoxo_async.allowance.redis import RedisAllowance

__all__ = ["Allowance", "AwayError", "FileAllowance", "Grant", "PostgresAllowance", "RedisAllowance"]
