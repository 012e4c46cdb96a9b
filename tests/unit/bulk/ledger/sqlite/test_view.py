"""`sqlite.view`: a view of a ledger takes no lock, sees every commit, and changes no byte."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import HOLDER, contents, each, line, one_placed, spoil
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_reading_a_ledger_at_work_changes_nothing(tmp_path: Path) -> None:
    """Reading only takes no lock, sees what is committed, names the holder, and leaves every byte as it was."""
    path = tmp_path / "march.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        before = contents(tmp_path)
        async with SqliteLedger(path, read_only=True) as view:
            assert await view.get_fact("a") == "b"
            assert view.holder == holder.pid
            with pytest.raises(LedgerError, match="read only"):
                await view.set_fact("a", "c")
        assert contents(tmp_path) == before
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    async with SqliteLedger(path, read_only=True) as view:
        assert await view.get_fact("a") == "b"
        assert view.holder is None
    assert contents(tmp_path) == before
    async with SqliteLedger(path) as ledger:
        assert await ledger.get_fact("a") == "b"


async def test_reading_a_ledger_at_rest_leaves_no_trace(tmp_path: Path) -> None:
    """No file is made beside it, and its permissions stay; also in a folder that cannot be written."""
    path = tmp_path / "march.db"
    await one_placed(path)
    path.chmod(0o644)
    before = contents(tmp_path)
    os.chmod(tmp_path, 0o500)  # noqa: PTH101
    try:
        async with SqliteLedger(path, read_only=True) as view:
            assert view.job == "march"
            assert (await view.counts()).rows == 1
    finally:
        os.chmod(tmp_path, 0o700)  # noqa: PTH101
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == len(before)  # noqa: ASYNC240
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


async def test_a_process_may_read_the_ledger_it_holds(tmp_path: Path) -> None:
    """A view beside the open ledger sees each commit, and lets the ledger go on."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger, SqliteLedger(path, read_only=True) as view:
        assert view.holder == os.getpid()
        await ledger.plan("march", each([line(1)]))
        assert (await view.counts()).rows == 1
        await ledger.claim(1)
        assert (await view.counts()).unknown == 1


async def test_what_is_no_ledger_is_not_looked_at(tmp_path: Path) -> None:
    """A missing file, another kind of file and a copy without its latest part are refused, and no file is made."""
    path = tmp_path / "march.db"
    with pytest.raises(LedgerError, match="no ledger"):
        await SqliteLedger(path, read_only=True).open()
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240
    await one_placed(path)
    spoil(path, "text")
    with pytest.raises(LedgerError, match="is not a ledger"):
        await SqliteLedger(path, read_only=True).open()
