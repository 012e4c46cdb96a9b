"""Web apps under load, with a vendor that restarts, tokens that die and clients that disconnect: nothing is left."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak_web.py"


@pytest.mark.nightly
@pytest.mark.parametrize("framework", ["fastapi", "litestar", "aiohttp_web", "django"])
def test_a_web_app_loses_nothing_under_load(framework: str) -> None:
    """One order for each key, and no task, socket or lock afterwards. How fast it is, nobody asserts."""
    command = [sys.executable, str(SCRIPT), "--seconds", "20", "--callers", "100", "--frameworks", framework]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
