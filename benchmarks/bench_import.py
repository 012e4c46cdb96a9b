"""The cost of importing the client, beside the import of its libraries."""

import os
import subprocess
import sys
import tempfile
from typing import Final

import report
from report import Goal
from rounds import AGAIN, Series, Spread, band, ratio

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


def _once(modules: str, bytecode: str) -> tuple[float, float]:
    """Import in a new interpreter. Its start and the compiling are not counted."""
    command = [sys.executable, "-c", _CODE.format(modules)]
    # As installed: pip compiles what it installs, but an editable install would be compiled at every start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    said = done.stdout.split()
    return float(said[0]), float(said[1])


def main() -> None:
    """Measure and print."""
    asked = report.options(__doc__ or "", ("--rounds", {"type": int, "default": 25, "help": "rounds counted"}))
    series = {name: Series(name) for name in IMPORTS}
    with tempfile.TemporaryDirectory() as bytecode:
        for number in range(-1, 2 if asked.quick else asked.rounds):
            for name, modules in IMPORTS.items():
                cpu, wall = _once(modules, bytecode)
                if number >= 0:  # the first round compiles
                    series[name].cpu_s.append(cpu)
                    series[name].wall_s.append(wall)
    base = series[LIBRARIES]

    def row(name: str) -> list[object]:
        one = series[name]
        cpu, wall = (Spread.over([value * 1000 for value in one.of(clock)]).median for clock in ("cpu", "wall"))
        return [name, cpu, wall, ratio(one, base), ratio(one, base, "wall")]

    noise = band(ratio(series[LIBRARIES + AGAIN], base))
    found = ratio(series["xoxo_async"], base)
    report.show(
        "bench_import",
        ("import", "CPU ms", "wall ms", "CPU of aiohttp + msgspec", "wall of aiohttp + msgspec"),
        [row(name) for name in IMPORTS if name != LIBRARIES + AGAIN],
        [Goal("CPU of importing xoxo_async to aiohttp + msgspec", found.median, 1.25, "<=", found, noise)],
        control=row(LIBRARIES + AGAIN),
        asked=asked,
    )


if __name__ == "__main__":
    main()
