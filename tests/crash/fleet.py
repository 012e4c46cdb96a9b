"""A fleet of workers on one job in PostgreSQL, with everything that may happen to them, and the vendor's books."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

import anyio

from tests.crash.way import Way
from tests.postgres import PostgresServer, running_postgres
from tests.quick_xoxo import LEASE_S
from tests.warm_python import WarmProcess, run_warm
from xoxo_async.bulk import LedgerLine, LineState, open_ledger
from xoxo_async.sandbox import Faults, Sandbox

__all__ = ["Fleet"]

MIX: Final = {"commit_then_reset": 0.005, "reset_before_commit": 0.005, "error_5xx_after": 0.005, "throttle": 0.001}
_XOXO: Final = (str(Path(__file__).parents[1] / "quick_xoxo.py"),)
_PARTS: Final = ("issued", "pending", "rejected", "unknown", "not_sent")
_NO_ORDER: Final = {LineState.REJECTED, LineState.PLANNED, LineState.CANCELLED}


@dataclass
class Fleet:
    """Workers, the database, the way to it, and the vendor.

    Attributes:
        folder: For orders, books and logs.
        rows: How many rows the job has.
        workers: How many workers there are.
        seed: Of the faults, and of what happens when.
        program: The command, as arguments of Python; by default with a short lease and a short hold.
        rate: Orders a minute of each worker.
        mix: The shares of orders that meet each fault of the vendor.
        settle_s: Seconds after which an absent order counts as absent.
        latency_ms: Of the vendor.
    """

    folder: Path
    rows: int = 600
    workers: int = 3
    seed: int = 0
    program: tuple[str, ...] = _XOXO
    rate: str = "none"
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))
    settle_s: float = 1.0
    latency_ms: float = 10.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        # A server that accepts a repeated poNumber would book it twice, so only the ledger prevents that.
        self.sandbox = Sandbox(
            seed=self.seed,
            path=self.folder / "books",
            faults=Faults(mix=self.mix, seed=self.seed),
            latency_ms=self.latency_ms,
            unique_po_numbers=False,
        )
        self._stack = ExitStack()
        self._running: list[WarmProcess] = []
        self._started = 0
        self.stopped: set[int] = set()

    def __enter__(self) -> Self:
        self.sandbox = self._stack.enter_context(self.sandbox.run_in_thread())
        self.postgres: PostgresServer = self._stack.enter_context(running_postgres())
        self.way: Way = self._stack.enter_context(Way(self.postgres.port).run_in_thread())
        self._direct = self.postgres.database()
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            for process in self._running:
                process.kill()
                process.wait(10)
        finally:
            self._stack.close()

    @property
    def url(self) -> str:
        """The job's address by the way that may be cut."""
        return self._direct.replace(f":{self.postgres.port}/", f":{self.way.port}/") + "#march"

    @property
    def direct(self) -> str:
        """The job's address beside that way: for the test itself."""
        return self._direct + "#march"

    def plan(self) -> None:
        """Plan the job."""
        good = [(1001, 100, 1), (1002, 150, 2), (1004, 5, 1)]
        rows = ["key,product_id,denomination,quantity"]
        for number in range(self.rows):
            product = (1012, 500, 1) if number % 50 == 7 else self.dice.choice(good)
            rows.append(f"row-{number},{product[0]},{product[1]},{product[2]}")
        orders = self.folder / "orders.csv"
        orders.write_text("\n".join(rows) + "\n")
        plan = (*self.program, "bulk", "plan", orders, "--ledger", self.direct, "--json")
        done = run_warm(plan, env=self._environment(), timeout=120)
        assert done.returncode == 0, done.stderr

    def start(self) -> WarmProcess:
        """Start one more worker."""
        self._started += 1
        bounds = ("--engine", "none", "--rate", self.rate, "--settle", str(self.settle_s), "--concurrency", "16")
        with (self.folder / f"worker-{self._started}.log").open("wb") as log:
            process = WarmProcess(
                [*self.program, "worker", "--ledger", self.url, *bounds],
                env=self._environment(), stdout=log.fileno(), stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._running.append(process)
        return process

    def start_all(self) -> None:
        """Start as many workers as the fleet has."""
        for _ in range(self.workers):
            self.start()

    @property
    def alive(self) -> list[WarmProcess]:
        """The workers that run, stopped ones too."""
        self._running = [process for process in self._running if process.poll() is None]
        return self._running

    # What may happen.

    def kill(self) -> None:
        """End a worker without a word, and start another one."""
        victim = self.dice.choice(self.alive)
        victim.kill()
        victim.wait(10)
        self.stopped.discard(victim.pid)
        self.start()

    def end(self) -> None:
        """Ask a worker to end, as Kubernetes does, and start another one."""
        awake = [process for process in self.alive if process.pid not in self.stopped]
        victim = self.dice.choice(awake)
        victim.terminate()
        victim.wait(60)
        # The others: the signal came before it had begun.
        assert victim.returncode in {0, 130, -signal.SIGTERM}, f"{victim.returncode}\n{self.logs()}"
        self.start()

    def stop(self, seconds: float = LEASE_S * 2) -> None:
        """Stop a worker for longer than its lease, and wake it."""
        victim = self.dice.choice(self.alive)
        victim.send_signal(signal.SIGSTOP)
        self.stopped.add(victim.pid)
        time.sleep(seconds)
        victim.send_signal(signal.SIGCONT)
        self.stopped.discard(victim.pid)

    def crash(self) -> None:
        """Crash the database, and start it again."""
        self.postgres.stop(how="immediate")
        time.sleep(self.dice.uniform(0.1, 1.0))
        self.postgres.start()

    def restart(self) -> None:
        """Restart the database as an operator does."""
        self.postgres.stop(how="fast")
        self.postgres.start()

    def cut(self) -> None:
        """Reset all connections to the database."""
        self.way.cut()

    def black_hole(self, seconds: float = LEASE_S * 1.5) -> None:
        """Swallow everything between workers and database, for longer than a lease."""
        self.way.black_hole(on=True)
        time.sleep(seconds)
        self.way.black_hole(on=False)

    def happenings(self) -> list[Callable[[], None]]:
        """Return everything that may happen."""
        return [self.kill, self.end, self.stop, self.crash, self.restart, self.cut, self.black_hole]

    # The end, and the books.

    def status(self) -> dict[str, Any]:
        """Return the job's counts."""

        async def read() -> dict[str, Any]:
            async with open_ledger(self.direct, read_only=True, codes_key="") as ledger:
                counts = await ledger.counts()
                states = {state.value: number for state, number in counts.states.items() if number}
                return {"rows": counts.rows, "states": states} | {part: getattr(counts, part) for part in _PARTS}

        return anyio.run(read)

    def wait_until(self, done: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        """Wait for a state of the job, and keep as many workers at work as the fleet has."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if done(status):
                return status
            assert time.monotonic() < deadline, f"{status}\n{self.logs()}"
            while len(self.alive) < self.workers:
                self.start()
            time.sleep(0.2)

    def finish(self, seconds: float = 240.0) -> dict[str, Any]:
        """Wait until nothing is open but what a person decides."""
        open_states = {"planned", "sending", "unknown", "conflict"}
        return self.wait_until(lambda status: not open_states & set(status["states"]), seconds)

    def logs(self) -> str:
        """Return the end of what each worker said."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}"
            for log in sorted(self.folder.glob("worker-*.log"))
        )

    def lines(self) -> list[LedgerLine]:
        """Return the lines with their codes."""

        async def read() -> list[LedgerLine]:
            async with open_ledger(self.direct, read_only=True, codes_key="") as ledger:
                return [line async for line in ledger.lines(with_codes=True)]

        return anyio.run(read)

    def left_to_a_person(self) -> list[str]:
        """Return each row that a person has to decide about, with its journal."""

        async def read() -> list[str]:
            async with open_ledger(self.direct, read_only=True, codes_key="") as ledger:
                lines = [line async for line in ledger.lines(states=(LineState.MANUAL,))]
                told: list[str] = []
                for line in lines:
                    rows = [row async for row in ledger.journal(seq=line.seq)]
                    told += [f"{line.key}: {line.error}"]
                    told += [
                        f"    {row.at - rows[0].at:7.3f} s {row.transition:>3} {row.from_state or '-'} → {row.to_state}"
                        f"  {row.evidence}, epoch {row.epoch} {row.error_id} {row.reason}"
                        for row in rows
                    ]
                return told

        return anyio.run(read)

    def check(self) -> None:
        """Compare every line with the vendor's books: bought once, nothing lost, the codes kept."""
        lines, books, status = self.lines(), self.sandbox.books(), self.status()
        assert len(lines) == status["rows"] == self.rows
        assert sum(status[part] for part in _PARTS) == self.rows
        assert books.duplicates == {}, f"bought twice: {books.duplicates}\n{self.logs()}"
        booked = {order.po_number: order for order in self.sandbox.state.orders.values()}
        charged = Decimal(0)
        for line in lines:
            order = booked.pop(line.po_number, None)
            if line.state is LineState.PLACED:
                assert order is not None, line
                assert (line.order_id, line.amount_charged) == (order.order_id, order.charged), line
                stored = json.loads(line.codes or b"[]")
                assert [(code["code"], code.get("pin", "")) for code in stored] == list(order.codes), line
                charged += line.amount_charged or Decimal(0)
            else:
                # Only rows that no look-up can settle wait for a person.
                assert line.state in _NO_ORDER | {LineState.MANUAL}, (line, line.error)
                assert order is None, (line, line.error)
        assert booked == {}
        assert charged == books.charged
        said = self.logs()
        assert "Traceback" not in said, said
        assert not any(code in said for order in self.sandbox.state.orders.values() for code, _ in order.codes)

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
        return {
            **clean,
            "XOXO_BASE_URL": self.sandbox.base_url,
            "XOXO_CLIENT_ID": self.sandbox.client_id,
            "XOXO_CLIENT_SECRET": self.sandbox.client_secret,
        }


def main() -> None:
    """Run a large job with chaos from its begin to its end, and print what an operator would want to know."""
    asked = argparse.ArgumentParser(description=main.__doc__)
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--rate", default="3500", help="orders a minute of each worker")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--doubts", type=float, default=1.0, help="how many answers are lost, times what is usual")
    asked.add_argument("--keep", type=Path, help="a folder for what the workers say; it is kept")
    options = asked.parse_args()
    program = ("-m", "xoxo_async")  # with the lease and the hold of every day
    # The vendor allows 200 look-ups a minute: as many doubts as in the short runs would take hours to settle.
    mix = {name: share / 10 * options.doubts for name, share in MIX.items()}
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)  # noqa: T201 - a program of its own

    with (
        tempfile.TemporaryDirectory() as folder,
        Fleet(
            Path(folder), options.rows, seed=options.seed, program=program, rate=options.rate, mix=mix, latency_ms=20
        ) as fleet,
    ):
        fleet.plan()
        say(f"{options.rows:,} lines are planned")
        fleet.start_all()
        while (status := fleet.status())["states"].get("planned", 0):
            say(", ".join(f"{number:,} {state}" for state, number in status["states"].items()))
            time.sleep(fleet.dice.uniform(5, 20))
            happening = fleet.dice.choice(fleet.happenings())
            say(f"{happening.__name__} …")
            happening()
            while len(fleet.alive) < fleet.workers:
                fleet.start()
        say("nothing is planned any more; what is in doubt is settled")
        status = fleet.finish(900)
        for row in fleet.left_to_a_person():
            say(row)
        if options.keep:
            shutil.copytree(folder, options.keep, ignore=lambda _, names: [n for n in names if not n.endswith(".log")])
        fleet.check()
        books = fleet.sandbox.books()
        say(f"the ledger: {status}")
        say(f"the vendor: {books.orders:,} orders, {len(books.duplicates)} bought twice; the books agree to the cent")


if __name__ == "__main__":
    main()
