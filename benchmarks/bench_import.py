"""The cost of importing the client, beside the import of its libraries; and of `xoxo bulk status` as a command."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import report
from bench_bulk import lines_of
from goals import answer
from placers import TOKEN
from rounds import AGAIN, Series, Spread, band, ratio

from xoxo_async import StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, SqliteLedger

LIBRARIES: Final = "aiohttp, msgspec"
IMPORTS: Final = {
    "nothing": "sys",
    LIBRARIES: LIBRARIES,
    LIBRARIES + AGAIN: LIBRARIES,
    "aiohttp, msgspec, anyio, backoff": "aiohttp, msgspec, anyio, backoff",
    "xoxo_async": "xoxo_async.client",
    "xoxo_async, xoxo_async.bulk": "xoxo_async.client, xoxo_async.bulk.issuer",
}
_CODE: Final = (
    "import time; cpu, wall = time.process_time(), time.perf_counter()\nimport {}\n"
    "print(time.process_time() - cpu, time.perf_counter() - wall)"
)

CLICK: Final = 'python -c "import click"'
STATUS: Final = "xoxo bulk status"
_FLOOR: Final = 'python -c "pass"'


def _environment(bytecode: str) -> dict[str, str]:
    # As installed: pip compiles what it installs, but an editable install would be compiled at every start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    return environment


def _once(modules: str, bytecode: str) -> tuple[float, float]:
    """Import in a new interpreter. Its start and the compiling are not counted."""
    command = [sys.executable, "-c", _CODE.format(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=_environment(bytecode))
    said = done.stdout.split()
    return float(said[0]), float(said[1])


def _run(command: list[str], bytecode: str) -> tuple[float, float]:
    """Run a command from its start to its end, and return its CPU and wall time."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(bytecode)
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, wall


async def _make_ledger(path: Path) -> None:
    """Make a ledger with a plan that nothing has been sent of."""
    client = XoxoClient(StaticToken(TOKEN), base_url="http://127.0.0.1:9/chef")
    async with client, SqliteLedger(path) as ledger:
        await BulkIssuer(client, ledger, job="bench", check=False).plan(lines_of(100))


def main() -> None:
    """Measure and print."""
    asked = report.options(__doc__ or "", ("--rounds", {"type": int, "default": 25, "help": "rounds counted"}))
    with tempfile.TemporaryDirectory() as bytecode, tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "bench.db"
        asyncio.run(_make_ledger(ledger))
        commands = {
            _FLOOR: [sys.executable, "-c", "pass"],
            CLICK: [sys.executable, "-c", "import click"],
            STATUS: [sys.executable, "-m", "xoxo_async", "bulk", "status", "--ledger", str(ledger)],
        }
        series = {name: Series(name) for name in (*IMPORTS, *commands)}
        for number in range(-1, 2 if asked.quick else asked.rounds):
            for name, one in series.items():
                cpu, wall = _once(IMPORTS[name], bytecode) if name in IMPORTS else _run(commands[name], bytecode)
                if number >= 0:  # the first round compiles
                    one.cpu_s.append(cpu)
                    one.wall_s.append(wall)
    base = series[LIBRARIES]

    def row(name: str) -> list[object]:
        one = series[name]
        cpu, wall = (Spread.over([value * 1000 for value in one.of(clock)]).median for clock in ("cpu", "wall"))
        return [name, cpu, wall, ratio(one, base), ratio(one, base, "wall")]

    noise = band(ratio(series[LIBRARIES + AGAIN], base))
    found = ratio(series["xoxo_async"], base)
    click, status = series[CLICK].cpu_s, series[STATUS].cpu_s
    more = Spread.over([(one - 1.5 * floor) * 1000 for one, floor in zip(status, click, strict=True)])
    report.show(
        "bench_import",
        ("import", "CPU ms", "wall ms", "CPU of aiohttp + msgspec", "wall of aiohttp + msgspec"),
        [row(name) for name in series if name != LIBRARIES + AGAIN],
        [
            answer("import", found.median, spread=found, noise=noise),
            answer("status-command", more.median, spread=more),
        ],
        control=row(LIBRARIES + AGAIN),
        asked=asked,
        notes=["commands are counted from the start of their interpreter to their end, imports alone without it"],
    )


if __name__ == "__main__":
    main()
