"""A run of fifty lines, killed or failed at every write and every sync of its ledger, then run again."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, LineState, OrderLine, Report, SqliteLedger
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.slow

ROWS = 50
DIED = 3


async def run(base_url: str, path: str) -> Report:
    """The program under test: plan and issue fifty lines, or what is left of them."""
    lines = (OrderLine(key=f"row-{n}", product_id=1001, denomination=Decimal(100)) for n in range(ROWS))
    credentials = ClientCredentials(Sandbox.client_id, Sandbox.client_secret)
    async with (
        XoxoClient(credentials, base_url=base_url, rate_limits=RateLimits.unlimited()) as client,
        SqliteLedger(path) as ledger,
    ):
        return await BulkIssuer(client, ledger, job="crash", concurrency=8, settle_s=0.2).run(lines)


def traced(sandbox: Sandbox, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("strace")
    if tool is None:
        pytest.skip("strace is not installed: system call faults cannot be injected")
    program = [sys.executable, __file__, sandbox.base_url, str(path)]
    return subprocess.run([tool, "-f", "-qq", *options, *program], capture_output=True, text=True, timeout=60)


def calls_of_a_run(sandbox: Sandbox, path: Path, call: str) -> int:
    """How often the busiest thread makes the call in an undisturbed run: strace counts by thread."""
    log = path.with_suffix(".strace")
    assert traced(sandbox, path, "-e", f"trace={call}", "-o", str(log)).returncode == 0
    threads = Counter(line.split()[0] for line in log.read_text().splitlines() if call in line)
    return max(threads.values())


@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC", "error=EIO"])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
@pytest.mark.timeout(900)
def test_a_run_survives_a_fault_at_any_write_or_sync(tmp_path: Path, call: str, fault: str) -> None:
    """Whichever call fails, running again ends with fifty orders, none twice, all with their codes in the ledger."""
    with Sandbox(latency_ms=1, unique_po_numbers=False).run_in_thread() as sandbox:
        count = calls_of_a_run(sandbox, tmp_path / "count.db", call)
    # All of them with XOXO_EXHAUSTIVE=1 (`make exhaustive`, some ten minutes); else another sixth of them each time.
    step = 1 if os.environ.get("XOXO_EXHAUSTIVE") else 6
    points = range(random.SystemRandom().randint(1, step), count + 2, step)
    ends = Counter[int]()
    for point in points:
        with Sandbox(latency_ms=1, unique_po_numbers=False).run_in_thread() as sandbox:
            path = tmp_path / f"{point}.db"
            inject = f"inject={call}:{fault}:when={point}"
            ended = traced(sandbox, path, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
            ends[ended.returncode] += 1
            assert ended.returncode in {0, DIED, -9, 137}, ended.stderr
            assert "Traceback" not in ended.stderr
            check(sandbox, path)
    assert ends.total() > ends[0], "no fault was ever felt"


def check(sandbox: Sandbox, path: Path) -> None:
    """Run again, and compare with the sandbox's own count."""
    before = sandbox.books()
    assert before.duplicates == {}
    report = asyncio.run(run(sandbox.base_url, str(path)))
    assert (report.rows, report.issued) == (ROWS, ROWS), report
    books = sandbox.books()
    assert (books.orders, books.duplicates) == (ROWS, {})
    assert report.charged == {"INR": books.charged}
    asyncio.run(check_codes(sandbox, path))


async def check_codes(sandbox: Sandbox, path: Path) -> None:
    async with SqliteLedger(path) as ledger:
        async for line in ledger.lines(states=(LineState.PLACED,), with_codes=True):
            order = sandbox.order(line.po_number)
            assert order is not None
            assert order.codes[0][0].encode() in (line.codes or b"")


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1], sys.argv[2]))
    except errors.LedgerError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(DIED)
