"""The benchmarks: each still runs, and says what it should say. Never how fast anything is."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCHES = sorted(path.name for path in (ROOT / "benchmarks").glob("bench_*.py"))
GOALS = tomllib.loads((ROOT / "benchmarks" / "goals.toml").read_text())
LONG = {"bench_cluster.py", "bench_memory.py", "bench_pacing.py", "bench_workbook.py"}
"""Those that take many seconds even in a quick run."""


def test_each_goal_has_a_benchmark() -> None:
    """What is claimed is measured."""
    assert {f"{row['bench']}.py" for row in GOALS.values()} <= set(BENCHES)


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
    width = len(result["columns"])
    assert result["rows"]
    assert all(len(row) == width for row in [*result["rows"], result["control"]])
    assert "(again)" in result["control"][0]
    assert result["goals"]
    if bench not in LONG:  # their quick runs leave parts out
        asked = {name for name, row in GOALS.items() if row["bench"] == result["bench"]}
        assert asked <= {goal["name"] for goal in result["goals"]}
    for goal in result["goals"]:
        assert goal["what"]
        assert isinstance(goal["value"], int | float)
        assert isinstance(goal["reached"], bool)
        assert goal["sense"] in {"<", "<=", ">="}


def test_a_table_shows_goals_beside_their_ratios() -> None:
    """For people: the table, each goal with reached or NOT reached, and a warning that a quick run means nothing."""
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_hooks.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "A/A control" in done.stdout
    assert "reached" in done.stdout
    assert "these figures mean nothing" in done.stdout
