"""A run of fifty lines that is killed, or fails at a write or a sync of its ledger, and is run again."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.accounts import forget_accounts
from tests.crash import fifty_orders
from tests.crash.broken_calls import run_traced
from tests.crash.sampling import Sample
from xoxo_async.bulk import LineState, SqliteLedger
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.slow

POINTS = 6
"""How many calls of a run fail, one after another, in each case. `make exhaustive` tries all of them."""


def calls_of_a_run(sandbox: Sandbox, path: Path, call: str) -> int:
    """Return how often the busiest thread makes the call in a normal run, because strace counts by thread."""
    log = path.with_suffix(".strace")
    assert run_traced([fifty_orders.__file__, sandbox.base_url, path], call, log=str(log)) == (0, "")
    threads = Counter(line.split()[0] for line in log.read_text().splitlines() if call in line)
    return max(threads.values())


@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC", "error=EIO"])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
@pytest.mark.timeout(900)
def test_a_run_survives_a_fault_at_any_call(tmp_path: Path, sample: Sample, call: str, fault: str) -> None:
    """After a fault at any call, a second run has fifty orders, none twice, and the ledger has all their codes."""
    with Sandbox(latency_ms=1, unique_po_numbers=False).run_in_thread() as sandbox:
        count = calls_of_a_run(sandbox, tmp_path / "count.db", call)
    # A run makes about a hundred writes and twenty syncs, and each trial takes a second or two.
    points = sample.of(range(1, count + 2), POINTS)
    ends = Counter[int]()
    for point in points:
        forget_accounts()  # among a hundred servers two may have had one port
        with Sandbox(latency_ms=1, unique_po_numbers=False).run_in_thread() as sandbox:
            path = tmp_path / f"{point}.db"
            program = [fifty_orders.__file__, sandbox.base_url, path]
            code, err = run_traced(program, call, fault=f"{fault}:when={point}")
            ends[code] += 1
            assert code in {0, fifty_orders.DIED, -9, 137}, f"at call {point}: {err}"
            assert "Traceback" not in err, f"at call {point}: {err}"
            check(sandbox, path)
    assert ends.total() > ends[0], "no fault was ever felt"


def check(sandbox: Sandbox, path: Path) -> None:
    """Run again, and compare with the count of the sandbox."""
    before = sandbox.books()
    assert before.duplicates == {}
    report = asyncio.run(fifty_orders.run(sandbox.base_url, str(path)))
    assert (report.rows, report.issued) == (fifty_orders.ROWS, fifty_orders.ROWS), report
    books = sandbox.books()
    assert (books.orders, books.duplicates) == (fifty_orders.ROWS, {})
    assert report.charged == {"INR": books.charged}
    asyncio.run(check_codes(sandbox, path))


async def check_codes(sandbox: Sandbox, path: Path) -> None:
    async with SqliteLedger(path) as ledger:
        async for line in ledger.lines(states=(LineState.PLACED,), with_codes=True):
            order = sandbox.order(line.po_number)
            assert order is not None
            assert order.codes[0][0].encode() in (line.codes or b"")
