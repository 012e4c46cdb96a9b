"""What works on a system without `fcntl` and other parts of POSIX, such as Windows; tried by taking them away.

Nothing of this is proof that Windows works: no test runs there.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from xoxo_async.file_locks import lock_now, unlock

WITHOUT = """
import asyncio, fcntl, os, sys, time
from types import SimpleNamespace
import asyncio.unix_events, concurrent.futures, logging, tempfile, threading, random, aiohttp, anyio
sys.modules["portalocker"] = SimpleNamespace(  # the real one asks for fcntl here, and for msvcrt on Windows
    LockFlags=SimpleNamespace(EXCLUSIVE=fcntl.LOCK_EX, NON_BLOCKING=fcntl.LOCK_NB),
    exceptions=SimpleNamespace(AlreadyLocked=BlockingIOError, LockException=OSError),
    lock=fcntl.flock,
    unlock=lambda descriptor, flock=fcntl.flock, flag=fcntl.LOCK_UN: flock(descriptor, flag),
)
for name in ("fcntl", "termios", "resource", "pwd", "grp"):
    sys.modules[name] = None
for name in dir(os):
    if name in {"register_at_fork", "fork", "fchmod", "pread", "pwrite", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK",
                "O_DIRECTORY", "geteuid", "getuid", "sched_getaffinity", "posix_fallocate", "fchown", "chown"}:
        delattr(os, name)
for name in dir(time):
    if name.startswith("CLOCK_"):
        delattr(time, name)
"""

CALLS = """
import xoxo_async, xoxo_async.bulk, xoxo_async.allowance, xoxo_async.sandbox
from xoxo_async import ClientCredentials, FileTokenStore, RateLimits, XoxoClient, errors
from xoxo_async.allowance import FileAllowance
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
for name in xoxo_async.__all__:
    getattr(xoxo_async, name)

async def main(base_url):
    credentials = ClientCredentials("client-id", "client-secret")
    async with XoxoClient(credentials, base_url=base_url, allowance=FileAllowance("shared")) as xoxo:
        order = await xoxo.orders.place(product_id=1001, denomination=500, po_number="PO-1")
        async with xoxo.deadline(30) as view:
            print((await view.orders.find("PO-1")).order_id == order.order_id)
    for make in (lambda: FileTokenStore("pair.json"), lambda: SqliteLedger("ledger.db")):
        try:
            make()
        except errors.ConfigError as error:
            print(error)

asyncio.run(main(sys.argv[1]))
"""

NEEDS = "needs the file locks of POSIX, which this system does not have"


def test_calls_work_without_posix(tmp_path: Path) -> None:
    """All names import, an order is placed within a shared allowance; a ledger and a token file say what they need."""
    from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox

    code = WITHOUT + CALLS.replace("client-id", CLIENT_ID).replace("client-secret", CLIENT_SECRET)
    with Sandbox().run_in_thread() as sandbox:
        done = subprocess.run(
            [sys.executable, "-c", code, sandbox.base_url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.stderr.splitlines() == []
    assert done.stdout.splitlines() == [
        "True",
        f"a token file {NEEDS}: use ClientCredentials, or PostgresTokenStore",
        f"a ledger in a file {NEEDS}: use a ledger in PostgreSQL",
    ]


def test_portalocker_locks_where_fcntl_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is asked for the same lock: a second one is refused until the first is released."""
    pytest.importorskip("portalocker")
    from xoxo_async import file_locks

    monkeypatch.setattr(file_locks, "fcntl", file_locks._Missing())
    with (tmp_path / "shared").open("wb") as one, (tmp_path / "shared").open("wb") as other:
        lock_now(one.fileno())
        with pytest.raises(BlockingIOError):
            lock_now(other.fileno())
        unlock(one.fileno())
        lock_now(other.fileno())
