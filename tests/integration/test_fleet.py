"""`xoxo worker` on a shared ledger: three processes, two killed in the midst; each order exists once."""

import asyncio
import json
import signal
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import QUICK, last_json, requests_of, server, started, wait_until, write_values, xoxo
from tests.postgres import PostgresServer
from xoxo_async.bulk import open_ledger

ROWS = 240


def orders_of(env: dict[str, str]) -> int:
    with urllib.request.urlopen(env["XOXO_BASE_URL"].replace("/chef", "/_sandbox/books"), timeout=10) as answer:  # noqa: S310
        return int(json.load(answer)["orders"])


async def pause(url: str, reason: str) -> None:
    async with open_ledger(url, must_exist=True) as ledger:
        await ledger.pause(reason)


def planned(folder: Path, env: dict[str, str], ledger: str, rows: int = ROWS) -> None:
    orders = write_values(folder, *((f"k{n}", 100) for n in range(rows)))
    done = xoxo("bulk", "plan", orders, "--ledger", ledger, cwd=folder, **env)
    assert done.returncode == 0, done.stderr


def status(folder: Path, ledger: str) -> dict[str, Any]:
    return last_json(xoxo("bulk", "status", "--ledger", ledger, "--json", cwd=folder))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["none", "pgqueuer"])
def test_a_fleet_outlives_killed_workers(tmp_path: Path, database: str, engine: str) -> None:
    """Their leases end, their lines are looked up, and the vendor's books hold each order once."""
    ledger = f"{database}#march"
    with server(tmp_path, "--latency-ms", "50") as env, ExitStack() as stack:
        planned(tmp_path, env, ledger)
        flags = ("--engine", engine, "--rate", "none", "--concurrency", "4", "--settle", "0")
        fleet = [
            stack.enter_context(started("worker", "--ledger", database, *flags, cwd=tmp_path, program=QUICK, **env))
            for _ in range(3)
        ]
        wait_until(lambda: requests_of(env) > 30)
        for process in fleet[:2]:  # so that one of them surely holds lines
            process.kill()
        # An absent order is sent again only after the longest hold of a line has passed since its claim.
        wait_until(lambda: status(tmp_path, ledger)["issued"] == ROWS, 180)
        for process in fleet[2:]:
            process.send_signal(signal.SIGTERM)
        for process in fleet[2:]:
            _, said = process.communicate(timeout=30)
            assert process.returncode == 0, said
        assert orders_of(env) == ROWS


@pytest.mark.slow
def test_a_pause_stops_the_fleet_until_resume(tmp_path: Path, database: str) -> None:
    """A person pauses the job: no worker takes a line, also no new one; `resume` ends the pause."""
    ledger = f"{database}#march"
    with server(tmp_path, "--latency-ms", "200") as env, ExitStack() as stack:
        planned(tmp_path, env, ledger)
        flags = ("--engine", "none", "--rate", "none", "--concurrency", "2")
        for _ in range(2):
            stack.enter_context(started("worker", "--ledger", ledger, *flags, cwd=tmp_path, **env))
        wait_until(lambda: len(status(tmp_path, ledger)["workers"]) == 2)
        wait_until(lambda: requests_of(env) > 10)
        asyncio.run(pause(ledger, "a new price list"))
        wait_until(lambda: not status(tmp_path, ledger)["states"].get("sending"))
        shown = status(tmp_path, ledger)
        assert shown["paused"] == "a new price list"
        sent = requests_of(env)
        late = xoxo("worker", "--ledger", ledger, *flags, "--until-done", "--json", cwd=tmp_path, **env)
        assert (late.returncode, requests_of(env)) == (5, sent), late.stderr
        done = xoxo("bulk", "resume", "--ledger", ledger, "--rate", "none", "--yes", cwd=tmp_path, **env)
        assert done.returncode == 0, done.stderr
        assert (status(tmp_path, ledger)["issued"], orders_of(env)) == (ROWS, ROWS)


@pytest.mark.parametrize("engine", ["none", "pgqueuer"])
def test_workers_of_two_jobs_share_a_database(tmp_path: Path, database: str, engine: str) -> None:
    """Each is bound to its job, and meets the other's shifts in the queue: both go on until all is issued."""
    jobs = (f"{database}#march", f"{database}#april")
    with server(tmp_path, "--latency-ms", "50") as env, ExitStack() as stack:
        for job in jobs:
            planned(tmp_path, env, job, 60)
        flags = ("--engine", engine, "--rate", "none", "--concurrency", "2", "--shift", "0.5")
        fleet = [
            stack.enter_context(started("worker", "--ledger", job, *flags, cwd=tmp_path, program=QUICK, **env))
            for job in jobs
        ]
        wait_until(lambda: requests_of(env) == 120 or any(process.poll() is not None for process in fleet), 120)
        for process in fleet:
            process.send_signal(signal.SIGTERM)
        for process in fleet:
            _, said = process.communicate(timeout=30)
            assert (process.returncode, "error" in said, "trouble" in said) == (0, False, False), said
        assert orders_of(env) == 120


def test_a_stop_after_a_crash_is_good(tmp_path: Path, postgres: PostgresServer) -> None:
    """The database crashes and comes back, the worker goes on; its end by SIGTERM tells nothing of that any more."""
    ledger = f"{postgres.database()}#march"
    with server(tmp_path, "--latency-ms", "100") as env:
        planned(tmp_path, env, ledger, 400)
        flags = ("--engine", "pgqueuer", "--rate", "none", "--concurrency", "2")
        with started("worker", "--ledger", ledger, *flags, cwd=tmp_path, program=QUICK, **env) as process:
            wait_until(lambda: requests_of(env) > 10)
            postgres.stop(how="immediate")
            postgres.start()
            crashed = requests_of(env)
            wait_until(lambda: requests_of(env) > crashed + 60, 60)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "trouble" not in said.partition("Stopping")[2], said
