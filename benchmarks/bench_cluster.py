"""A job in PostgreSQL beside the same job in SQLite: one worker, two, four; the database's cost; a million lines.

Every worker is a process of its own. The stub answers after 20 ms. Both ledgers are on the same disk, and both sync.
Two workers that write nothing show what this machine can do at most: they have the same stub, and share the same cores.
"""

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import asyncpg  # noqa: E402
import cluster_allowance  # noqa: E402
import cluster_token  # noqa: E402
import report  # noqa: E402
from cluster_worker import NO_LEDGER  # noqa: E402
from goals import answer  # noqa: E402
from placers import TOKEN  # noqa: E402
from report import Goal  # noqa: E402
from rounds import AGAIN, Series, Spread, band, ratio  # noqa: E402
from stub import stub_server  # noqa: E402

from tests.postgres import PostgresServer, running_postgres  # noqa: E402
from xoxo_async import RateLimits, StaticToken, XoxoClient  # noqa: E402
from xoxo_async.bulk import BulkIssuer, OrderLine, open_ledger  # noqa: E402
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, PlannedLine  # noqa: E402
from xoxo_async.bulk.ledger.protocol import Ledger  # noqa: E402

LATENCY_S: Final = 0.02
SQLITE: Final = "SqliteLedger"
NOTHING: Final = "2 workers, nothing written"
SHARE: Final = "of the allowance"
COLUMNS: Final = ("run", "orders/s", "of SQLite", "CPU us/order", "of SQLite's", "server CPU us/order", "commits/order")


@dataclass
class Run:
    """What one contestant took in each round."""

    series: Series
    server_us: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)


def lines_of(orders: int, round_: str) -> Iterator[OrderLine]:
    """Yield order lines one by one."""
    for number in range(orders):
        yield OrderLine(
            key=f"{round_}-{number}", product_id=1001, denomination=Decimal(500), email="someone@example.com"
        )


async def plan(where: str, job: str, orders: int, base_url: str) -> None:
    """Plan a job, which is not measured here."""
    async with (
        XoxoClient(StaticToken(TOKEN), base_url=base_url, rate_limits=RateLimits.unlimited()) as xoxo,
        open_ledger(where, codes_key="") as ledger,
    ):
        await BulkIssuer(xoxo, ledger, job=job, check=False).plan(lines_of(orders, job))


def workers_at(wheres: Sequence[str], base_url: str) -> list[dict[str, float]]:
    """Run a worker on each ledger, which may be the same one, let them begin at once, and return what each says."""
    argv = [sys.executable, str(ROOT / "benchmarks" / "cluster_worker.py")]
    running = [
        subprocess.Popen([*argv, where, base_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for where in wheres
    ]
    said: list[dict[str, float]] = []
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in running:
            out, _ = process.communicate(timeout=300)
            said.append(json.loads(out))
    finally:
        for process in running:
            process.kill()
    return said


def server_cpu_s(server: PostgresServer) -> float:
    """Return the CPU time of the server and of all its processes so far; of those that have ended, too."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == server.pid:
            total += sum(int(fields[at]) for at in (11, 12, 13, 14))
        elif int(fields[1]) == server.pid:
            total += int(fields[11]) + int(fields[12])
    return total / ticks


async def commits_of(dsn: str) -> int:
    """Return how many transactions were committed in a database."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        return int(
            await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        await connection.close()


def measured(run: Run, orders: int, said: list[dict[str, float]]) -> None:
    """Keep what the workers of a round said."""
    begun, ended = min(one["begun"] for one in said), max(one["ended"] for one in said)
    run.series.wall_s.append((ended - begun) / orders)
    run.series.cpu_s.append(sum(one["cpu_s"] for one in said) / orders)


def throughput(server: PostgresServer, folder: Path, orders: int, rounds: int) -> dict[str, Run]:
    """Run every contestant in each round, in a new order."""
    counts = [1, 2] + ([4] if (os.cpu_count() or 1) >= 4 else [])
    fleets = [f"PostgresLedger, {count} worker{'s'[: count > 1]}" for count in counts]
    names = [SQLITE, SQLITE + AGAIN, NOTHING, *fleets]
    runs = {name: Run(Series(name)) for name in names}
    workers = dict(zip(fleets, counts, strict=True))
    dice = random.Random(1)
    with stub_server(LATENCY_S) as base_url:
        for number in range(rounds + 1):
            dice.shuffle(names)
            for name in names:
                gc.collect()
                if name in workers:
                    dsn = server.database()
                    where = f"{dsn}#bench"
                    asyncio.run(plan(where, "bench", orders, base_url))
                    cpu, commits = server_cpu_s(server), asyncio.run(commits_of(dsn))
                    said = workers_at([where] * workers[name], base_url)
                    spent = server_cpu_s(server) - cpu
                    time.sleep(1.1)  # the server gathers its statistics once a second
                    written = asyncio.run(commits_of(dsn)) - commits
                else:
                    files = [str(folder / f"{number}-{part}-{len(name)}.db") for part in range(1 + (name == NOTHING))]
                    for part, file in enumerate(files):
                        asyncio.run(plan(file, f"bench-{part}", orders // len(files), base_url))
                    without = NO_LEDGER if name == NOTHING else ""
                    said = workers_at([without + file for file in files], base_url)
                    spent, written = 0.0, 0
                if number:  # one round before them is not counted
                    measured(runs[name], orders, said)
                    runs[name].server_us.append(spent / orders * 1e6)
                    runs[name].commits.append(written / orders)
    return runs


async def a_million(server: PostgresServer, lines: int) -> dict[str, float]:
    """Plan many lines, claim and finish a part of them, and ask for the counts."""
    where = f"{await server.new_database()}#bench"

    async def planned() -> AsyncIterator[PlannedLine]:
        for number in range(lines):
            text = f"bench-{number}"
            body = b'{"productId":1001,"quantity":1,"denomination":500,"poNumber":"%s"}' % text.encode()
            yield PlannedLine(text, text, f"{number:064x}", body, number + 1, Decimal(500))

    begun = time.perf_counter()
    async with open_ledger(where, codes_key="") as ledger:
        await ledger.plan("bench", planned())
        rate = lines / (time.perf_counter() - begun)
        took: list[float] = []
        for _ in range(20):
            begun = time.perf_counter()
            await ledger.counts()
            took.append((time.perf_counter() - begun) * 1000)
        await place(ledger, lines // 20)
    await asyncio.sleep(1.1)  # the server gathers its statistics once a second
    return {"plan": rate, "status": Spread.over(took).median, "hot": await hot_share(where.partition("#")[0])}


async def place(ledger: Ledger, orders: int) -> None:
    """Claim lines and record their orders, without a vendor."""
    done = 0
    while done < orders:
        claimed = await ledger.claim(64)
        await ledger.record(
            [
                Change(
                    seq=line.seq,
                    evidence=Evidence.ANSWERED_PLACED,
                    epoch=line.epoch,
                    order_id=line.seq,
                    delivery=Delivery.DELIVERED,
                    amount_charged=Decimal(500),
                    currency="INR",
                    codes=b'[{"code":"BENCH-%d","pin":"1"}]' % line.seq,
                    held=1,
                )
                for line in claimed
            ]
        )
        done += len(claimed)


async def hot_share(dsn: str) -> float:
    """Return the share of the lines' updates that were HOT: written beside the row, without touching an index."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(
            "SELECT n_tup_hot_upd AS hot, n_tup_upd AS all FROM pg_stat_user_tables WHERE schemaname = 'xoxo'"
            " AND relname = 'line'"
        )
    finally:
        await connection.close()
    return float(row["hot"]) / max(float(row["all"]), 1.0)


def shared(server: PostgresServer, folder: Path) -> list[Goal]:
    """Measure what processes use of one allowance, and how often they renew one token."""
    stores = {"postgresql": server.database(), "file": f"file:{folder}/allowance"}
    goals = cluster_token.measure(server).goals
    for row in cluster_allowance.measure(stores, cases=cluster_allowance.CASES[1:]):
        if SHARE in row.measures:
            goals.append(answer("cluster-allowance", row.measures[SHARE], row.case))
            goals.append(answer("cluster-refusals", row.measures["refused"], row.case))
        if "largest part / smallest" in row.measures:
            goals.append(answer("cluster-shares", row.measures["largest part / smallest"], row.case))
    return goals


def main() -> None:
    """Measure and print."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 5, "help": "rounds counted"}),
        ("--orders", {"type": int, "default": 6400, "help": "order lines a run"}),
        ("--lines", {"type": int, "default": 1_000_000, "help": "lines of the large plan"}),
        ("--ledger", {"action": "store_true", "help": "measure the ledger only, not allowance and token"}),
        ("--folder", {"help": "where the ledgers are made; their disk is part of what is measured"}),
    )
    orders, rounds, lines = (256, 1, 2000) if asked.quick else (asked.orders, asked.rounds, asked.lines)
    goals: list[Goal] = []
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_postgres(folder, shared_buffers="256MB", max_wal_size="4GB") as server:
            runs = throughput(server, folder, orders, rounds)
            many = asyncio.run(a_million(server, lines))
            if not asked.ledger and not asked.quick:  # they take minutes; their own modules have a --quick
                goals += shared(server, folder)
    base = runs[SQLITE].series
    noise = band(ratio(runs[SQLITE + AGAIN].series, base, "wall"))
    for name, run in runs.items():
        speed = Spread.over([1 / wall for wall in run.series.wall_s]).median
        cpu = Spread.over([value * 1e6 for value in run.series.cpu_s]).median
        server_us, commits = Spread.over(run.server_us).median, Spread.over(run.commits).median
        rows.append([name, speed, ratio(base, run.series, "wall"), cpu, ratio(run.series, base), server_us, commits])
    for number, name in ((1, "1 worker"), (2, "2 workers"), (4, "4 workers")):
        run = runs.get(f"PostgresLedger, {name}")
        if run is not None:
            found = ratio(base, run.series, "wall")
            goals.append(answer(f"cluster-throughput-{number}", found.median, spread=found, noise=noise))
    one, two = runs["PostgresLedger, 1 worker"], runs["PostgresLedger, 2 workers"]
    spent = ratio(one.series, base)
    goals += [
        answer("cluster-client-cpu", spent.median, spread=spent, noise=noise),
        answer("cluster-server-cpu", Spread.over(one.server_us).median),
        answer("cluster-commits", Spread.over(two.commits).median),
        answer("cluster-plan", many["plan"]),
        answer("cluster-hot", many["hot"]),
        answer("cluster-status", many["status"]),
    ]
    most = ratio(base, runs[NOTHING].series, "wall")
    control = rows.pop(next(at for at, row in enumerate(rows) if row[0] == SQLITE + AGAIN))
    notes = [
        f"{orders} orders, 64 in flight a worker, answers in {LATENCY_S * 1000:g} ms",
        f"two workers without any ledger: {most.median:.3g} x SqliteLedger; no ledger lets this machine do more",
    ]
    report.show("bench_cluster", COLUMNS, rows, goals, control=control, asked=asked, notes=notes)


if __name__ == "__main__":
    main()
