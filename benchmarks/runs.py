"""Run all benchmarks, and keep what they print: a line of JSON for each, also for one that fails.

A run is a file in `results/`. `page.py` makes one page of all of them, so runs of several days or machines are joined
by putting their files there. Until its end a run is a `.part` beside it: one of the benchmarks runs the tests, and a
test compares the page with the files.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import machine

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
QUICK: Final = HERE.parent / "build" / "speed"
"""Where a quick run is kept: its figures mean nothing, so they are on no page but one of their own."""
_LONGEST_S: Final = 2700.0
_HOURS: Final = 3.0
_ENDS_S: Final = 30.0
_REASON: Final = 160


def run(bench: Path, *, quick: bool, timeout_s: float = _LONGEST_S) -> dict[str, object]:
    """Return what a benchmark prints as JSON, and `took_s`; if it fails, its name and why.

    Args:
        bench: Its file.
        quick: Whether only to see that it runs.
        timeout_s: After so many seconds it counts as failed.
    """
    began = time.monotonic()
    result = _result(bench, quick=quick, timeout_s=timeout_s)
    return {**result, "took_s": round(time.monotonic() - began, 1)}


def _result(bench: Path, *, quick: bool, timeout_s: float) -> dict[str, object]:
    command = [sys.executable, str(bench), "--json", *(["--quick"] if quick else [])]
    try:
        done = _done(command, timeout_s)
        if done.returncode:
            return _failed(bench, _last(done.stderr) or f"it ended with {done.returncode}")
        result = json.loads(_last(done.stdout))
        if isinstance(result, dict) and isinstance(result.get("goals"), list):
            return result
        return _failed(bench, "it printed no result")
    except subprocess.TimeoutExpired:
        return _failed(bench, f"it took more than {timeout_s:.3g} s")
    except (OSError, ValueError) as error:
        return _failed(bench, f"{type(error).__name__}: {error}")


def _done(command: list[str], timeout_s: float) -> "subprocess.CompletedProcess[str]":
    """Run a command with all that it starts: what it leaves behind would disturb the next one, and hold its output."""
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=HERE.parent, start_new_session=True, **piped) as process:
        try:
            out, errors = process.communicate(timeout=timeout_s)
        except BaseException:
            # First as Ctrl-C does: servers are ended, and folders removed.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


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
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("benches", nargs="*", help="only these, such as bench_dispatch; default: all")
    parser.add_argument("--into", type=Path, help="the file of the run, to go on with one; default: a new one")
    parser.add_argument("--quick", action="store_true", help="only to see that they run; kept in build/speed")
    parser.add_argument("--hours", type=float, default=_HOURS, help="what would begin later is not run; default: 3")
    asked = parser.parse_args()
    folder = QUICK if asked.quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    into = asked.into or _free(folder)
    part = into.with_suffix(".part")
    if into.exists() and not part.exists():
        shutil.copy(into, part)
    names = asked.benches or sorted(path.stem for path in HERE.glob("bench_*.py"))
    until = time.monotonic() + asked.hours * 3600
    try:
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            bench, left_s = HERE / f"{name}.py", until - time.monotonic()
            result = (
                run(bench, quick=asked.quick, timeout_s=min(_LONGEST_S, left_s))
                if left_s > 0
                else _failed(bench, f"the {asked.hours:g} hours of the run were over")
            )
            print(f"{name}: {result.get('failed') or 'done'}, {result.get('took_s', 0)} s", file=sys.stderr, flush=True)
            with part.open("a") as file:
                file.write(json.dumps(result) + "\n")
    finally:
        if part.exists():
            part.replace(into)
    print(into)


if __name__ == "__main__":
    main()
