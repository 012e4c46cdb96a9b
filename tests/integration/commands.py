"""Run the command `xoxo` in a process of its own, and read what it leaves behind.

The processes are forks of a warm Python: see `tests.warm_python`.
"""

import csv
import json
import os
import pty
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.warm_python import WarmProcess, run_warm
from xoxo_async.sandbox import Sandbox

ROWS = 60
XOXO = (sys.executable, "-m", "xoxo_async")
QUICK = (sys.executable, str(Path(__file__).parents[1] / "quick_xoxo.py"))
"""The command with a short lease and a short hold of lines."""


def environment(**extra: str) -> dict[str, str]:
    """Return the process environment without the XOXO_* variables of the person who runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
    return {**clean, "TERM": "dumb", **extra}


def xoxo(*arguments: str | Path, cwd: Path, stdin: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run_warm([*XOXO[1:], *arguments], cwd=cwd, env=environment(**extra), input=stdin or "")


def last_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the object on the last line of standard output."""
    return json.loads(done.stdout.splitlines()[-1])


def write_orders(folder: Path, rows: int = ROWS) -> Path:
    """Write rows that the sandbox can all deliver."""
    path = folder / "orders.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "product_id", "denomination", "quantity", "email"])
        for number in range(rows):
            product, value = ((1001, 500), (1002, 750), (1004, 10))[number % 3]
            writer.writerow([f"EMP-{number:03}", product, value, 1 + number % 2, f"p{number}@example.com"])
    return path


def books(ledger: Path) -> Any:
    """Return the count of the sandbox that keeps its books beside a ledger."""
    sandbox = Sandbox(path=ledger.with_name(f"{ledger.name}.sandbox"))
    try:
        return sandbox.books()
    finally:
        sandbox.state.close()


def booked(ledger: Path) -> int:
    """Return how many orders the running sandbox of a ledger has booked."""
    try:
        with closing(sqlite3.connect(f"file:{ledger}.sandbox?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM entry WHERE kind = 'order'").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds, and fail if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@contextmanager
def started(*arguments: str | Path, cwd: Path, program: Sequence[str] = XOXO, **extra: str) -> Iterator[WarmProcess]:
    """Start a command, and end the process after the block in any case."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = WarmProcess([*program[1:], *arguments], cwd=cwd, env=environment(**extra), **pipes)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def server(cwd: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run `xoxo sandbox` on a free port, and yield the environment that leads to it."""
    with started("sandbox", "--port", "0", *arguments, cwd=cwd) as process:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        yield dict(re.findall(r"(XOXO_\w+)=(\S+)", said))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def arguments_of(continue_with: str) -> Sequence[str]:
    """Return the arguments of a printed command."""
    words = shlex.split(continue_with)
    return words[words.index("bulk") :]


def continue_line(stderr: str) -> str:
    """Return the command that standard error names to continue with."""
    words = ("continue with: ", "and what to do: ")
    (line,) = (line for line in stderr.splitlines() if any(word in line for word in words))
    return line.removeprefix("continue with: ")


def requests_of(env: Mapping[str, str], operation: str = "placeOrder") -> int:
    """Return how many calls of an operation a server has received, with or without an answer."""
    with urllib.request.urlopen(env["XOXO_BASE_URL"].replace("/chef", "/_sandbox/books"), timeout=10) as answer:  # noqa: S310 - our own, on loopback
        return int(json.load(answer)["requests"].get(operation, 0))


@contextmanager
def on_a_terminal(*arguments: str | Path, cwd: Path, **extra: str) -> Iterator[tuple[WarmProcess, int]]:
    """Start a command on a terminal, and yield the process and our end of the terminal."""
    ours, theirs = pty.openpty()
    env = environment() | {"TERM": "xterm", "COLUMNS": "160"} | extra
    process = WarmProcess([*XOXO[1:], *arguments], cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def read_all(fd: int, until: bytes = b"") -> bytes:
    """Read a terminal until a text comes or the other end closes."""
    said = b""
    while not until or until not in said:
        try:
            said += os.read(fd, 65536)
        except OSError:  # Linux raises EIO when the other end is closed
            break
    return said


def reaching(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment variables that lead to a sandbox."""
    return {
        "XOXO_BASE_URL": sandbox.base_url,
        "XOXO_CLIENT_ID": sandbox.client_id,
        "XOXO_CLIENT_SECRET": sandbox.client_secret,
    }


def write_values(folder: Path, *rows: tuple[str, int]) -> Path:
    """Write rows of a key and a value."""
    path = folder / "orders.csv"
    body = "".join(f"{key},1001,{value},1\n" for key, value in rows)
    path.write_text(f"key,product_id,denomination,quantity\n{body}")
    return path
