"""The program that a crash test kills: it renews a pair in a token file, or takes slots of an allowance's file.

Run as `python renewal.py pair FILE beside|mounted ACCESS` or `python renewal.py slots FILE`.
"""

import asyncio
import errno
import os
import sys
from pathlib import Path

from xoxo_async import Secret
from xoxo_async.allowance import FileAllowance
from xoxo_async.allowance.protocol import AwayError
from xoxo_async.auth.stores import FileTokenStore
from xoxo_async.auth.tokens import Token
from xoxo_async.errors import XoxoError

__all__ = ["FAILED", "LONG", "SHORT", "slots", "stored"]

FAILED = 3
LONG, SHORT = "a" * 900, "b" * 20
"""The pair before and the pair after. The new one is shorter, so something of the old one may be left behind it."""


def _mount(path: Path) -> None:
    """Let no rename replace the file, as where it is mounted by itself."""
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target) == path:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return replace(self, target)

    Path.replace = refuse  # type: ignore[method-assign]


async def stored(path: Path, access: str) -> None:
    """Renew the pair."""
    store = FileTokenStore(path)
    async with store.lock():
        await store.load()
        async with store.reserve():
            await store.save(Token(Secret(access), refresh=Secret(access.upper())))


async def slots(path: Path) -> list[float]:
    """Take slots, and return when the first of each ten may be used."""
    allowance = FileAllowance(path)
    await allowance.hold("account", "other", 60)
    taken = [
        await allowance.take("account", "placeOrder", member="m", interval_s=0.6, count=10, within_s=600)
        for _ in range(3)
    ]
    return [grant.first_s for grant in taken]


if __name__ == "__main__":
    what, file, *rest = sys.argv[1:]
    try:
        if what == "slots":
            asyncio.run(slots(Path(file)))
        else:
            if rest[0] == "mounted":
                _mount(Path(file))
            asyncio.run(stored(Path(file), rest[1]))
    except (XoxoError, AwayError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(FAILED)
