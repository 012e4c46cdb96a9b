"""Count instructions per operation with callgrind: it is slow, but its counts can be repeated and times cannot."""

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_COLLECTED: Final = re.compile(r"Collected : (\d+)")
_COUNTS: Final = "BENCHMARK_COUNTS_INSTRUCTIONS"


def available() -> bool:
    """Return whether valgrind is installed."""
    return shutil.which("valgrind") is not None and shutil.which("callgrind_control") is not None


@contextmanager
def counted() -> Iterator[None]:
    """Count what runs inside, where `per_operation` has started this process. Nothing before it is counted."""
    if _COUNTS not in os.environ:
        yield
        return
    gc.collect()
    gc.freeze()  # a full collection of all that was imported may fall into one count and not into the other
    _switch("on")
    yield
    _switch("off")


def _switch(to: str) -> None:
    # Not `subprocess`: what that does in this process would be counted, too.
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(
        "callgrind_control", ["callgrind_control", "-i", to, str(os.getpid())], os.environ, file_actions=quiet
    )
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("callgrind_control failed")


def per_operation(argv: list[str], number: int, timeout_s: float = 600.0) -> float:
    """Count the instructions of an operation. The kernel's are not counted.

    Args:
        argv: The command. The number of operations is appended to it; it does them inside `counted`.
        number: The number of operations.
        timeout_s: How long it may take, in seconds.
    """
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={os.devnull}"]
    # One hash seed: otherwise dictionaries and sets are laid out differently in each run.
    environment = {**os.environ, "PYTHONHASHSEED": "1", _COUNTS: "1"}
    done = subprocess.run(  # noqa: PLW1510 - said below, with what callgrind says
        [*command, sys.executable, *argv, str(number)],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, timeout=timeout_s,
    )  # fmt: skip
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None or found[1] == "0":
        raise RuntimeError(f"callgrind failed: {done.stderr[-2000:]}")
    return int(found[1]) / number
