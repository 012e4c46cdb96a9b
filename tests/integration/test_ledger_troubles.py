"""Runs that lose their ledger, or whose wall clock is set, account for every order of the sandbox."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.integration.jobs import connected, lines
from xoxo_async.bulk import BulkIssuer, SqliteLedger
from xoxo_async.bulk.ledger.clock import boot_clock
from xoxo_async.errors import LedgerError
from xoxo_async.sandbox import Faults, Sandbox

pytestmark = pytest.mark.anyio


class Stepping:
    """A wall clock that somebody sets by an hour at every reading, forward and back."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self.readings = 0

    def __call__(self) -> float:
        """Return the time."""
        self.readings += 1
        return time.time() + self.step_s * (self.readings % 2)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_a_set_wall_clock_changes_no_wait(tmp_path: Path, step_s: float) -> None:
    """Orders that arrive half a second late are settled once each, since none is absent within its first second."""
    faults = Faults(mix={"late_commit": 0.3, "commit_then_reset": 0.2, "reset_before_commit": 0.05}, seed=3)
    ledger = SqliteLedger(tmp_path / "l.db", clock=Stepping(step_s), boot=boot_clock())
    async with Sandbox(faults=faults) as sandbox, connected(sandbox) as client, ledger:
        with anyio.fail_after(60):
            report = await BulkIssuer(client, ledger, job="j", concurrency=8, settle_s=1.0).run(lines(40))
        assert (report.issued, report.unknown, report.not_sent) == (40, 0, 0)
        assert (sandbox.books().orders, sandbox.books().duplicates) == (40, {})


TAKEN: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "renamed": lambda path: path.rename(path.with_name("kept.db")),
    "replaced": lambda path: [path.rename(path.with_name("kept.db")), shutil.copy(path.with_name("kept.db"), path)],
    "linked": lambda path: path.with_name("kept.db").hardlink_to(path),
}


@pytest.mark.parametrize("how", TAKEN)
async def test_a_run_without_its_ledger_loses_no_order(tmp_path: Path, how: str) -> None:
    """It reports the reason and stops. The rescued file has every order, and a resume buys the rest once."""
    path = tmp_path / "l.db"
    async with Sandbox(latency_ms=5) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(path) as ledger:
            issuer = BulkIssuer(client, ledger, job="j", concurrency=4, settle_s=0.5)
            with pytest.raises(LedgerError, match=r"nothing more is sent|hard links"):  # noqa: PT012
                async with anyio.create_task_group() as group:

                    async def take() -> None:
                        while sandbox.books().orders < 20:
                            await anyio.sleep(0.005)
                        TAKEN[how](path)

                    group.start_soon(take)
                    try:
                        await issuer.run(lines(120))
                    except LedgerError as error:
                        problem = error
                    else:
                        problem = None
                if problem is not None:
                    raise problem
        bought = sandbox.books().orders
        assert 20 <= bought < 120
        if how == "linked":
            path.unlink()
        (saved,) = tmp_path.glob("l.db.rescued-*") if how == "deleted" else [tmp_path / "kept.db"]  # noqa: ASYNC240
        async with SqliteLedger(saved) as ledger:
            report = await BulkIssuer(client, ledger, settle_s=0.5).resume()
        assert (report.rows, report.issued) == (120, 120)
        assert (sandbox.books().orders, sandbox.books().duplicates) == (120, {})


@pytest.mark.parametrize("in_place", [True, False])
async def test_a_backup_that_is_restored_buys_nothing_again(tmp_path: Path, in_place: bool) -> None:
    """The backup has rows as planned that were bought since. They are looked up, and found with their codes."""
    path, backup = tmp_path / "l.db", tmp_path / "backup"
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(path) as ledger:
            await BulkIssuer(client, ledger, job="j").plan(lines(20))
        shutil.copy(path, backup)
        async with SqliteLedger(path) as ledger:
            assert (await BulkIssuer(client, ledger).resume()).issued == 20
        if in_place:
            path.write_bytes(backup.read_bytes())
        else:
            backup.rename(path)
        async with SqliteLedger(path) as ledger:
            assert ledger.copied
            report = await BulkIssuer(client, ledger, settle_s=0.5).resume()
            assert not ledger.copied
        assert (report.rows, report.issued, report.unknown) == (20, 20, 0)
        assert (sandbox.books().orders, sandbox.books().duplicates) == (20, {})
