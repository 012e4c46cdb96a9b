"""Count instructions per operation with callgrind: it is slow, but its counts can be repeated and times cannot."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_COLLECTED: Final = re.compile(r"Collected : (\d+)")


def available() -> bool:
    """Return whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def _start(argv: list[str], out: Path) -> subprocess.Popen[str]:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, *argv]
    # One hash seed: otherwise dictionaries and sets are laid out differently in each run.
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def per_operation(argv: list[str], few: int, many: int, timeout_s: float = 300.0) -> float:
    """Count the instructions of an operation: a long run less a short one, so that start and imports cancel out.

    Args:
        argv: The command. The number of operations is appended to it.
        few: The number of operations in the short run.
        many: The number of operations in the long run.
        timeout_s: How long each run may take, in seconds.
    """
    counts: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        running = [_start([*argv, str(number)], Path(folder) / str(number)) for number in (few, many)]
        try:
            for process in running:
                _, said = process.communicate(timeout=timeout_s)
                found = _COLLECTED.search(said)
                if process.returncode or found is None:
                    raise RuntimeError(f"callgrind failed: {said[-2000:]}")
                counts.append(int(found[1]))
        finally:
            for process in running:
                process.kill()
    return (counts[1] - counts[0]) / (many - few)
