"""What it costs to plan a workbook, beside the same rows as CSV, and how much memory it takes."""

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
import goals
import report
import xlsxwriter
from report import Goal
from rounds import AGAIN, Series, Spread, band, ratio

CSV: Final = "CSV"
XLSX: Final = "xlsx"
ROWS: Final = 50_000
HEADER: Final = ("key", "product_id", "denomination", "quantity", "email", "contact", "tag", "notify_receiver")


def rows(number: int):
    for at in range(number):
        yield f"EMP-{at:06d}", 1001, 500, 1, f"p{at}@example.com", f"+91{at:010d}", "march", False


def write_files(folder: Path, number: int) -> dict[str, Path]:
    """Write the same rows as CSV and as a workbook."""
    files = {CSV: folder / "orders.csv", XLSX: folder / "orders.xlsx"}
    with files[CSV].open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((*row[:-1], str(row[-1]).lower()) for row in rows(number))
    with xlsxwriter.Workbook(files[XLSX]) as book:
        sheet = book.add_worksheet("Orders")
        sheet.write_row(0, 0, HEADER)
        for at, row in enumerate(rows(number), 1):
            for column, value in enumerate(row):
                write = sheet.write_string if isinstance(value, str) else sheet.write
                write(at, column, value)
    return files


async def plan(file: str, ledger: str) -> dict[str, float]:
    """Plan a file into a new ledger; return what it took, without the start of the interpreter."""
    import resource

    from xoxo_async import StaticToken, XoxoClient
    from xoxo_async.bulk import BulkIssuer, SqliteLedger, read_orders

    def cpu() -> float:
        return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    async with XoxoClient(StaticToken("bench"), base_url="http://127.0.0.1:9") as xoxo, SqliteLedger(ledger) as kept:
        wall, spent = time.perf_counter(), cpu()
        await BulkIssuer(xoxo, kept, job="bench", check=False).plan(read_orders(file))
        wall, spent = time.perf_counter() - wall, cpu() - spent
        assert (await kept.counts()).rows > 0
    unit = 1 if sys.platform == "darwin" else 1024
    own, reader = (resource.getrusage(who).ru_maxrss * unit / 1e6
                   for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    # A process that was started by a large one begins with its size.
    return {"cpu_s": spent, "wall_s": wall, "own_mb": own, "reader_mb": reader if file.endswith("xlsx") else 0.0}


def _once(file: Path, folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, __file__, "--file", str(file), "--ledger", f"{place}/bench.db"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


def main() -> None:
    """Measure and print."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 7, "help": "rounds counted"}),
        ("--rows", {"type": int, "default": ROWS, "help": "rows of the file"}),
        ("--file", {"help": "plan this file, and print what it took"}),
        ("--ledger", {"help": "the ledger for it"}),
    )
    if asked.file:
        print(json.dumps(anyio.run(plan, asked.file, asked.ledger)))
        return
    names = [CSV, CSV + AGAIN, XLSX]
    series = {name: Series(name) for name in names}
    memory: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = write_files(folder, 500 if asked.quick else asked.rows)
        for number in range(-1, 2 if asked.quick else asked.rounds):
            for name in names[:: 1 if number % 2 else -1]:
                took = _once(files[name.removesuffix(AGAIN)], folder)
                if number >= 0:  # the first round fills the page cache
                    series[name].cpu_s.append(took["cpu_s"])
                    series[name].wall_s.append(took["wall_s"])
                    memory[name].append(took)

    def row(name: str) -> list[object]:
        cpu, wall = (
            Spread.over([value * 1000 for value in series[name].of(clock)]).median for clock in ("cpu", "wall")
        )
        own, reader = (Spread.over([took[part] for took in memory[name]]).median for part in ("own_mb", "reader_mb"))
        ratios = [ratio(series[name], series[CSV], clock) for clock in ("cpu", "wall")]
        return [name, cpu, wall, *ratios, own, reader]

    # CPU of both processes, since the time on the wall has waits for a core and for the ledger's disk in it.
    noise = band(ratio(series[CSV + AGAIN], series[CSV], "cpu"))
    found = ratio(series[XLSX], series[CSV], "cpu")
    more = [over["own_mb"] - under["own_mb"] for over, under in zip(memory[XLSX], memory[CSV], strict=True)]
    reader = [took["reader_mb"] for took in memory[XLSX]]
    report.show(
        "bench_workbook",
        ("file", "CPU ms", "wall ms", "CPU of CSV", "wall of CSV", "peak MB", "its reader's MB"),
        [row(CSV), row(XLSX)],
        [
            goals.answer("workbook-plan", found.median, spread=found, noise=noise),
            goals.answer("workbook-memory", Spread.over(more).median, spread=Spread.over(more)),
            Goal("memory of the process that reads the workbook", max(reader), 200, "<=", unit="MB"),
        ],
        control=row(CSV + AGAIN),
        asked=asked,
        notes=["CPU counts both processes: the one that plans, and the one that reads the workbook."],
    )


if __name__ == "__main__":
    main()
