"""What the process remembers of accounts: tokens, allowances and refused tokens outlive a client."""

from xoxo_async import pacing
from xoxo_async.auth import memory, troubles

__all__ = ["forget_accounts"]


def forget_accounts() -> None:
    """Forget all accounts: a port that comes up twice must not bring the tokens of the server that had it before."""
    pacing._ACCOUNTS.clear()
    memory._SHARED.clear()
    troubles.TROUBLES.clear()
