"""How long a developer waits for the tests, on this machine; `VENV` names another environment, as for make."""

import os
import resource
import subprocess
import time
from pathlib import Path
from typing import Final

import report
from goals import answer
from rounds import AGAIN

ROOT: Final = Path(__file__).parent.parent
FAST: Final = "make fast"
TEST: Final = "make test"


def _run(command: str, *, quick: bool) -> tuple[float, float]:
    """Run a target, and return its wall and CPU time in seconds; a target that fails has no time."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [*command.split(), *(["--dry-run"] if quick else [])]
    # Where make runs this, ARGS are the benchmark's, and no options of the tests.
    environment = {name: value for name, value in os.environ.items() if name not in {"ARGS", "MAKEFLAGS", "MFLAGS"}}
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT, timeout=3000, env=environment)
    if done.returncode:
        last = next(iter(reversed(done.stdout.strip().splitlines())), "")
        raise SystemExit(f"{command} failed: {last}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - wall, sum(after[:2]) - sum(before[:2])


def main() -> None:
    """Measure and print."""
    asked = report.options(__doc__ or "")
    took = {name: _run(name.removesuffix(AGAIN), quick=asked.quick) for name in (FAST, TEST, FAST + AGAIN)}
    rows: list[list[object]] = [[name, wall, cpu, wall / took[FAST][0]] for name, (wall, cpu) in took.items()]
    report.show(
        "bench_suite",
        ("target", "wall s", "CPU s", "wall of fast"),
        rows[:-1],
        [answer("make-fast", took[FAST][0]), answer("make-test", took[TEST][0])],
        control=rows[-1],
        asked=asked,
        notes=["wall times: another program on the machine makes them longer, see the load"],
    )


if __name__ == "__main__":
    main()
