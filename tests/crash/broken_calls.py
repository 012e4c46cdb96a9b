"""Run a program whose system calls fail, or kill it, by strace."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["run_traced"]


def run_traced(program: list[str | Path], call: str, *, fault: str = "", log: str = "/dev/null") -> tuple[int, str]:
    """Run a program of Python to its end, and return its exit code and what it printed as errors.

    Args:
        program: The program and its arguments: what follows `python`.
        call: The name of the system call.
        fault: What happens instead, and when, as strace writes it: `error=EIO:when=3`. Each thread counts its calls.
        log: Where the calls are written.
    """
    tool = shutil.which("strace")
    if tool is None:
        pytest.skip("strace is not installed: system call faults cannot be injected")
    command = [tool, "-f", "-qq", "-o", log, "-e", f"trace={call}"]
    if fault:
        command += ["-e", f"inject={call}:{fault}"]
    if not fault.startswith("signal"):
        # With a filter only that call stops the program: without one, all of them do, which takes three times as long.
        # strace 6.1 sends no signal with it.
        command.append("--seccomp-bpf")
    done = subprocess.run([*command, sys.executable, *program], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr
