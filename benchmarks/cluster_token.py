"""Token renewals of six processes on one pair, of which one is killed, one stopped and one restarted.

`bench_cluster.py` calls `measure`. Alone, this prints its table: python benchmarks/cluster_token.py [--quick]
"""

import sys
from pathlib import Path
from typing import Final, NamedTuple

import report
from goals import answer
from report import Goal
from rounds import AGAIN

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.postgres import PostgresServer, running_postgres
from tests.token_fleet import Fleet, run_fleet

COLUMNS: Final = ("processes on one token", "renewals", "a lifetime", "refused", "calls", "failed")
PROCESSES: Final = 6
KINDS: Final = {"rotating pair": "pair", "client credentials": "grant"}
LIFETIME_S: Final = 3.0


class Measured(NamedTuple):
    """The rows of the table, the control, and the goals."""

    rows: list[list[object]]
    control: list[object]
    goals: list[Goal]


def measure(server: PostgresServer, *, seconds: float = 20) -> Measured:
    """Measure both kinds of credentials, and one process alone twice.

    Args:
        server: A running server; each measurement gets a new database of it.
        seconds: How long each one takes, at least three lifetimes.
    """

    def fleet(processes: int, kind: str) -> Fleet:
        return run_fleet(
            server.database(), processes=processes, seconds=seconds, ttl_s=LIFETIME_S, kind=kind, chaos=processes > 1
        )

    found = {f"{PROCESSES}, {name}": fleet(PROCESSES, kind) for name, kind in KINDS.items()}
    alone, again = fleet(1, "pair"), fleet(1, "pair")
    goals = [answer("cluster-tokens", one.a_lifetime, name) for name, one in found.items()]
    goals += [
        Goal(f"refresh tokens used twice, {name}", one.requests.refused, 0, "<=", unit="requests")
        for name, one in found.items()
    ]
    rows = [_row(name, one) for name, one in {**found, "1": alone}.items()]
    return Measured(rows, _row(f"1{AGAIN}", again), goals)


def _row(name: str, one: Fleet) -> list[object]:
    requests = one.requests
    return [name, len(requests.renewed), one.a_lifetime, requests.refused, one.good, len(one.bad)]


def main() -> None:
    """Measure and print."""
    asked = report.options(__doc__ or "")
    with running_postgres() as server:
        measured = measure(server, seconds=9 if asked.quick else 20)
    note = (
        f"tokens of {LIFETIME_S:g} s, renewed after {LIFETIME_S * 0.8:g} s; leases of 2 s; one killed, one stopped for"
    )
    report.show(
        "cluster_token",
        COLUMNS,
        measured.rows,
        measured.goals,
        control=measured.control,
        asked=asked,
        notes=[f"{note} {LIFETIME_S * 1.3:g} s, one restarted"],
    )


if __name__ == "__main__":
    main()
