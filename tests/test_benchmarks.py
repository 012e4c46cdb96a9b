"""The benchmarks: each still runs, and says what it should say. Never how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCHES = sorted(path.name for path in (ROOT / "benchmarks").glob("bench_*.py"))
LONG = {"bench_cluster.py", "bench_memory.py", "bench_pacing.py", "bench_workbook.py"}
"""Those that take many seconds even in a quick run."""
EXPECTED = {
    "bench_bulk.py",
    "bench_decode.py",
    "bench_dispatch.py",
    "bench_hooks.py",
    "bench_import.py",
    "bench_memory.py",
    "bench_million.py",
    "bench_token.py",
    "bench_workbook.py",
}


def test_the_benchmarks_are_there() -> None:
    """Every road that is claimed to be fast has one."""
    assert set(BENCHES) >= EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize(
    "bench", [pytest.param(bench, marks=pytest.mark.nightly) if bench in LONG else bench for bench in BENCHES]
)
def test_a_benchmark_runs_and_reports_in_full(bench: str) -> None:
    """One JSON object: a table whose rows fit its head, the A/A row, and every goal with its verdict."""
    command = [sys.executable, str(ROOT / "benchmarks" / bench), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["bench"] == bench.removesuffix(".py")
    assert result["quick"] is True
    if bench not in EXPECTED:
        return  # its own tests know its table
    width = len(result["columns"])
    assert result["rows"]
    assert all(len(row) == width for row in [*result["rows"], result["control"]])
    assert "(again)" in result["control"][0]
    assert result["goals"]
    for goal in result["goals"]:
        assert goal["what"]
        assert isinstance(goal["value"], int | float)
        assert isinstance(goal["reached"], bool)
        assert goal["sense"] in {"<", "<=", ">="}


def test_a_table_shows_goals_beside_their_ratios() -> None:
    """For people: the table, each goal with reached or NOT reached, and a warning that a quick run means nothing."""
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_import.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "A/A control" in done.stdout
    assert "reached" in done.stdout
    assert "these figures mean nothing" in done.stdout
