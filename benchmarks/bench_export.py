"""What it takes to write the report page and the exports of a large job, beside the same rows written by hand."""

import asyncio
import csv
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import goals
import report
from ledgers import make_ledger
from rounds import AGAIN, Series, Spread, ratio

from xoxo_async.bulk import SqliteLedger, export_codes
from xoxo_async.bulk.reporting import write_report

CSV: Final = "export to CSV"
XLSX: Final = "export to xlsx"
PAGE: Final = "report page"
BY_HAND: Final = "sqlite3 and csv by hand"
BY_HAND_XLSX: Final = "sqlite3 and XlsxWriter by hand"
LINES: Final = 1_000_000
_BY_HAND: Final = (
    "SELECT lines.key, po_number, order_id, state, delivery, json_extract(lines.body, '$.email'),"
    " json_extract(codes.body, '$[0].code'), json_extract(codes.body, '$[0].pin')"
    " FROM lines LEFT JOIN codes USING (seq) ORDER BY seq"
)


async def _export(ledger: Path, out: Path) -> None:
    async with SqliteLedger(ledger, read_only=True, codes_key="") as kept:
        await export_codes(None, kept, out, reveal=True)


async def _page(ledger: Path, out: Path) -> None:
    async with SqliteLedger(ledger, read_only=True, codes_key="") as kept:
        await write_report(kept, out)


def _by_hand(ledger: Path, out: Path) -> None:
    with out.open("w", newline="") as file:
        csv.writer(file).writerows(sqlite3.connect(ledger).execute(_BY_HAND))


def _by_hand_xlsx(ledger: Path, out: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(sqlite3.connect(ledger).execute(_BY_HAND)):
            for column, value in enumerate(row):
                sheet.write(number, column, value)


RUNS: Final[dict[str, tuple[str, Callable[[Path, Path], object]]]] = {
    CSV: (".csv", lambda ledger, out: asyncio.run(_export(ledger, out))),
    XLSX: (".xlsx", lambda ledger, out: asyncio.run(_export(ledger, out))),
    PAGE: (".html", lambda ledger, out: asyncio.run(_page(ledger, out))),
    BY_HAND: (".csv", _by_hand),
    BY_HAND_XLSX: (".xlsx", _by_hand_xlsx),
}


def _memory_mb(name: str) -> float:
    """Return a figure of this process's memory: `VmRSS` is what it holds, `VmHWM` the most that it held."""
    with suppress(OSError, StopIteration):
        text = Path("/proc/self/status").read_text()
        return float(next(line for line in text.splitlines() if line.startswith(name)).split()[1]) * 1024 / 1e6
    return 0.0


def solo(name: str, ledger: Path) -> dict[str, float]:
    """Write one file, and return what that took, without the start of the interpreter and its imports."""
    ending, write = RUNS[name]
    with tempfile.TemporaryDirectory(dir=ledger.parent) as folder:
        held, wall, cpu = _memory_mb("VmRSS"), time.perf_counter(), time.process_time()
        write(ledger, Path(folder) / f"out{ending}")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = (Path(folder) / f"out{ending}").stat().st_size / 1e6
    return {"cpu_s": cpu, "wall_s": wall, "grown_mb": _memory_mb("VmHWM") - held, "size_mb": size}


def _once(name: str, ledger: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--solo", name, "--ledger", str(ledger)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(asked: Namespace, ledger: Path, lines: int) -> None:
    """Measure and print."""
    names = [CSV, XLSX, PAGE, BY_HAND, BY_HAND_XLSX, BY_HAND + AGAIN]
    series = {name: Series(name) for name in names}
    took: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(1 if asked.quick else asked.rounds):
        for name in names[:: 1 if number % 2 else -1]:
            one = _once(name.removesuffix(AGAIN), ledger)
            series[name].cpu_s.append(one["cpu_s"])
            series[name].wall_s.append(one["wall_s"])
            took[name].append(one)

    def row(name: str) -> list[object]:
        cpu, wall, grown, size = (
            Spread.over([one[part] for one in took[name]]).median for part in ("cpu_s", "wall_s", "grown_mb", "size_mb")
        )
        return [name, cpu, wall, ratio(series[name], series[BY_HAND]), grown, size]

    cpu = {name: Spread.over(series[name].cpu_s) for name in names}
    grown = {name: max(one["grown_mb"] for one in took[name]) for name in names}
    report.show(
        "bench_export",
        ("what", "CPU s", "wall s", "CPU of csv by hand", "memory grown, MB", "file, MB"),
        [row(name) for name in names[:-1]],
        [
            goals.answer("report-page", cpu[PAGE].median, spread=cpu[PAGE]),
            goals.answer("export-csv", cpu[CSV].median, spread=cpu[CSV]),
            goals.answer("export-xlsx", cpu[XLSX].median, spread=cpu[XLSX]),
            *(goals.answer("export-memory", grown[name], case=name) for name in (CSV, XLSX)),
        ],
        control=row(BY_HAND + AGAIN),
        asked=asked,
        notes=[
            f"a finished job of {lines} lines, with tags and addresses; of 200 lines one is refused, one waits",
            "goals are CPU seconds of all threads: on a machine with two free cores the wall time is not longer",
            "by hand: eight columns of sixteen, no guard against formulas, no reasons, no second sheet",
        ],
    )


def main() -> None:
    """Compare; or, with --solo, write one file and end."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 3, "help": "rounds counted"}),
        ("--lines", {"type": int, "default": LINES, "help": "lines of the job"}),
        ("--solo", {"choices": list(RUNS), "help": "only write this one, and print what it took"}),
        ("--ledger", {"type": Path, "help": "the ledger of a finished job; one is made by default"}),
    )
    if asked.solo:
        print(json.dumps(solo(asked.solo, asked.ledger)))
        return
    lines = 500 if asked.quick else asked.lines
    with tempfile.TemporaryDirectory() as folder:
        ledger = asked.ledger or Path(folder) / "bench.db"
        if not ledger.exists():
            asyncio.run(make_ledger(ledger, lines))
        compare(asked, ledger, lines)


if __name__ == "__main__":
    main()
