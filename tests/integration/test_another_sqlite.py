"""The command with SQLite 3.46, as Debian 13 has it: bytes of some lengths are binary JSON there."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import XOXO, environment

FOLDER = Path(__file__).parents[1] / "another_sqlite"
ORDERS = Path(__file__).parents[2] / "examples" / "orders.csv"
HAS_WHEEL = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)

pytestmark = pytest.mark.skipif(not HAS_WHEEL, reason="there is no wheel of it for this Python")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command with that SQLite, and return what it says."""
    paths = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        command, cwd=cwd, env=environment(PYTHONPATH=paths), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_job_of_the_example_ends(tmp_path: Path) -> None:
    """Its requests have many shapes: their numbers, as `[9,10]`, were refused as malformed, and the job stopped."""
    assert run(sys.executable, "-c", "import sqlite3; print(sqlite3.sqlite_version)", cwd=tmp_path) == "3.46.1\n"
    said = run(*XOXO, "bulk", "run", ORDERS, "--ledger", "l.db", "--sandbox", cwd=tmp_path)
    assert "issued        1,000" in said
    assert "nothing left to do" in run(*XOXO, "bulk", "resume", "--ledger", "l.db", "--sandbox", cwd=tmp_path)
    run(*XOXO, "bulk", "export", "--ledger", "l.db", "--out", "codes.csv", "--reveal", cwd=tmp_path)
    assert len((tmp_path / "codes.csv").read_text().splitlines()) > 1000
