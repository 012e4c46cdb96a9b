"""Run all benchmarks, and keep what they print: a line of JSON for each, also for one that fails.

A run is a file in `results/`. `page.py` makes one page of all of them, so runs of several days or machines are joined
by putting their files there.
"""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import machine

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
_LONGEST_S: Final = 3600
_REASON: Final = 160


def run(bench: Path, *, quick: bool, timeout_s: float = _LONGEST_S) -> dict[str, object]:
    """Return what a benchmark prints as JSON; if it fails, its name and why.

    Args:
        bench: Its file.
        quick: Whether only to see that it runs.
        timeout_s: After so many seconds it counts as failed.
    """
    command = [sys.executable, str(bench), "--json", *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s, cwd=HERE.parent)
        if done.returncode:
            return _failed(bench, _last(done.stderr) or f"it ended with {done.returncode}")
        result = json.loads(_last(done.stdout))
        if isinstance(result, dict) and isinstance(result.get("goals"), list):
            return result
        return _failed(bench, "it printed no result")
    except subprocess.TimeoutExpired:
        return _failed(bench, f"it took more than {timeout_s:g} s")
    except (OSError, ValueError) as error:
        return _failed(bench, f"{type(error).__name__}: {error}")


def _failed(bench: Path, reason: str) -> dict[str, object]:
    # The page is passed on, and a message may name folders of this machine.
    words = [word if "/" not in word and "\\" not in word else "…" for word in reason.split()]
    return {"bench": bench.stem, **machine.described(), "failed": " ".join(words)[:_REASON]}


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def _free(folder: Path) -> Path:
    """Return the file of a new run: named by its day, and by a number if it is not the day's first."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    names = (folder / f"{day}{f'-{number}' if number > 1 else ''}.jsonl" for number in range(1, 1000))
    return next(path for path in names if not path.exists())


def main() -> None:
    """Run, and append each result as it comes: a run that is stopped keeps what it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benches", nargs="*", help="only these, such as bench_dispatch; default: all")
    parser.add_argument("--into", type=Path, help="the file of the run, to go on with one; default: a new one")
    parser.add_argument("--quick", action="store_true", help="only to see that they run; the figures mean nothing")
    asked = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    into = asked.into or _free(RESULTS)
    names = asked.benches or sorted(path.stem for path in HERE.glob("bench_*.py"))
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        result = run(HERE / f"{name}.py", quick=asked.quick)
        if "failed" in result:
            print(f"{name}: {result['failed']}", file=sys.stderr)
        with into.open("a") as file:
            file.write(json.dumps(result) + "\n")
    print(into)


if __name__ == "__main__":
    main()
