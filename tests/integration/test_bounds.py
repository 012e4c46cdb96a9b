"""The bounds of a job hold for every later command on its ledger, until a flag changes them."""

import csv
from pathlib import Path

import anyio

from tests.integration.commands import last_json, write_orders, xoxo
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.settings import Bounds, kept_bounds

WHERE = ("--ledger", "l.db", "--sandbox")


def bounds_of(ledger: Path) -> Bounds:
    async def read() -> Bounds:
        async with SqliteLedger(ledger, read_only=True) as opened:
            return await kept_bounds(opened)

    return anyio.run(read)


def test_a_resume_keeps_to_the_runs_budget(tmp_path: Path) -> None:
    """The resume pauses at the same amount. A greater `--max-spend` lets it continue, and the ledger keeps that one."""
    orders = write_orders(tmp_path, 12)
    first = xoxo("bulk", "run", orders, *WHERE, "--max-spend", "2000", "--json", cwd=tmp_path)
    again = xoxo("bulk", "resume", *WHERE, "--json", cwd=tmp_path)
    rerun = xoxo("bulk", "run", orders, *WHERE, "--json", cwd=tmp_path)
    assert [first.returncode, again.returncode, rerun.returncode] == [5, 5, 5]
    assert last_json(first)["issued"] == last_json(again)["issued"] == last_json(rerun)["issued"] > 0
    assert xoxo("bulk", "resume", *WHERE, "--max-spend", "1000000", cwd=tmp_path).returncode == 0
    assert bounds_of(tmp_path / "l.db").max_spend == 1_000_000


def test_a_plan_of_more_rows_keeps_the_bounds(tmp_path: Path) -> None:
    """A `resume` without flags keeps the rate, the settling time, the resending and the concurrency of the run."""
    write_orders(tmp_path, 2)
    flags = ("--rate", "6000", "--settle", "3", "--resend", "never", "--concurrency", "7")
    assert xoxo("bulk", "run", "orders.csv", *WHERE, *flags, cwd=tmp_path).returncode == 0
    kept = Bounds(rate=6000.0, settle_s=3.0, resend="never", concurrency=7)
    assert bounds_of(tmp_path / "l.db") == kept
    with (tmp_path / "more.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["key", "product_id", "denomination"], ["x", "1001", "500"]])
    planned = xoxo("bulk", "plan", "more.csv", *WHERE, "--keep-missing", cwd=tmp_path)
    assert (planned.returncode, bounds_of(tmp_path / "l.db")) == (0, kept)
    resumed = xoxo("bulk", "resume", *WHERE, "--json", cwd=tmp_path)
    assert (resumed.returncode, last_json(resumed)["issued"]) == (0, 3)
    assert bounds_of(tmp_path / "l.db") == kept


def test_a_flag_changes_its_bound_alone(tmp_path: Path) -> None:
    """The new value holds for every later `resume` and `run`."""
    write_orders(tmp_path, 2)
    xoxo("bulk", "run", "orders.csv", *WHERE, "--rate", "6000", "--resend", "never", cwd=tmp_path)
    xoxo("bulk", "resume", *WHERE, "--resend", "settled", "--rate", "none", cwd=tmp_path)
    assert bounds_of(tmp_path / "l.db") == Bounds(rate="none", settle_s=1.0, resend="settled")
