"""A fleet on this machine: PostgreSQL, the sandbox, three workers on one job, one of them killed half-way.

`make demo-cluster` runs it. At the end, the vendor's books are compared with the ledger's. It moves no money.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgres import running_postgres  # noqa: E402 - from a clone of the repository
from xoxo_async.sandbox import Sandbox  # noqa: E402

XOXO = (sys.executable, "-m", "xoxo_async")
WORKERS = 3


class Demo:
    """The database, the vendor, and the commands that a person would type.

    Args:
        url: The database.
        sandbox: The vendor.
        folder: For the workers' logs and the codes.
    """

    def __init__(self, url: str, sandbox: Sandbox, folder: Path) -> None:
        self.url = url
        self.ledger = f"{url}#march"
        self.sandbox = sandbox
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")} | {
            "XOXO_BASE_URL": sandbox.base_url,
            "XOXO_CLIENT_ID": sandbox.client_id,
            "XOXO_CLIENT_SECRET": sandbox.client_secret,
        }

    def run(self, *arguments: str) -> str:
        """Run a command to its end, show it, and return what it printed."""
        print(f"$ xoxo {' '.join(arguments)}", flush=True)
        done = subprocess.run(
            [*XOXO, *arguments], env=self.environment, stdout=subprocess.PIPE, text=True, check=False, timeout=300
        )
        if done.returncode:
            raise SystemExit(f"it ended with {done.returncode}")
        return done.stdout

    def worker(self, number: int) -> "subprocess.Popen[bytes]":
        """Start a worker; it is paced to twenty orders a second, so that there is something to see."""
        arguments = ["worker", "--ledger", self.url, "--engine", "none", "--rate", "1200", "--settle", "5"]
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            return subprocess.Popen(
                [*XOXO, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def status(self) -> dict[str, Any]:
        """Return the job's counts."""
        done = subprocess.run(
            [*XOXO, "bulk", "status", "--ledger", self.ledger, "--json"],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, timeout=60,
        )  # fmt: skip
        status: dict[str, Any] = json.loads(done.stdout.splitlines()[-1], parse_float=Decimal)
        return status

    def wait_until(self, issued: int, seconds: float) -> dict[str, Any]:
        """Show the counts until so many lines are issued."""
        deadline, shown = time.monotonic() + seconds, ""
        while True:
            status = self.status()
            line = f"  issued {status['issued']}, in doubt {status['unknown']}, not sent {status['not_sent']}"
            if line != shown:
                print(line, flush=True)
                shown = line
            if status["issued"] >= issued:
                return status
            if time.monotonic() > deadline:
                raise SystemExit(f"the job does not end; see {self.folder}/worker-*.log")
            time.sleep(1.0)


def main() -> None:
    """Run the whole of it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-cluster")
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        server = stack.enter_context(running_postgres())
        sandbox = stack.enter_context(Sandbox(latency_ms=20, unique_po_numbers=False).run_in_thread())
        print("PostgreSQL and the sandbox run. The sandbox takes a poNumber twice: the ledger alone prevents that.\n")
        demo = Demo(server.dsn(), sandbox, folder)
        print(demo.run("ledger", "migrate", "--ledger", demo.url))
        print(demo.run("bulk", "plan", str(ROOT / "examples" / "orders.csv"), "--ledger", demo.ledger))
        workers = [demo.worker(number + 1) for number in range(WORKERS)]
        stack.callback(lambda: [worker.kill() or worker.wait(10) for worker in workers])
        print(f"{WORKERS} workers start.")
        rows = demo.status()["rows"]
        demo.wait_until(rows // 2, 120)
        workers[0].kill()
        print(
            f"\nkill -9 of worker 1 (process {workers[0].pid}). Its lease ends after 15 seconds; the others look up its"
        )
        print(
            "orders in flight. One that the sandbox does not have is sent again once no byte of it can be on its way.\n"
        )
        demo.wait_until(rows, 300)
        for worker in workers[1:]:
            worker.terminate()
        print("\nSIGTERM to the others; they end with", [worker.wait(60) for worker in workers[1:]])
        print(demo.run("bulk", "export", "--ledger", demo.ledger, "--out", str(folder / "codes.csv")))
        compare(demo)


def compare(demo: Demo) -> None:
    """Compare the vendor's books with the ledger, and fail if they differ."""
    status, books = demo.status(), demo.sandbox.books()
    charged = sum((Decimal(amount) for amount in status["charged"].values()), Decimal(0))
    print(f"the ledger: {status['issued']} issued of {status['rows']}, charged {charged:,.2f}")
    print(f"the vendor: {books.orders} orders, {len(books.duplicates)} bought twice, charged {books.charged:,.2f}")
    if (books.orders, books.duplicates, books.charged) != (status["rows"], {}, charged):
        raise SystemExit("the books differ")
    print("the books agree")


if __name__ == "__main__":
    main()
