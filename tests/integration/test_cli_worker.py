"""`xoxo worker` as a process: signals, health checks, kill -9, and a second worker beside it."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import (
    last_json,
    reaching,
    requests_of,
    server,
    started,
    wait_until,
    write_values,
    xoxo,
)
from xoxo_async.sandbox import Sandbox

LEDGER = ("--ledger", "march.db")


def planned(folder: Path, env: dict[str, str], rows: int) -> None:
    orders = write_values(folder, *((f"k{n}", 100) for n in range(rows)))
    done = xoxo("bulk", "plan", orders, *LEDGER, cwd=folder, **env)
    assert done.returncode == 0, done.stderr


def counted(folder: Path) -> dict[str, Any]:
    return last_json(xoxo("bulk", "status", *LEDGER, "--json", cwd=folder))


def asked(port: str, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def port_of(process: subprocess.Popen[str]) -> str:
    """Return the port of a worker's health checks, from its first line."""
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:(\d+)/live", process.stderr.readline())
    assert found is not None
    return found[1]


def test_sigterm_gives_lines_back(tmp_path: Path) -> None:
    """What is in flight ends and is recorded, nothing is in doubt, and the exit code is 0: it ended as it was asked."""
    with server(tmp_path, "--latency-ms", "100") as env:
        planned(tmp_path, env, 200)
        flags = ("--rate", "none", "--concurrency", "8")
        with started("worker", *LEDGER, *flags, cwd=tmp_path, **env) as process:
            wait_until(lambda: requests_of(env) > 16)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert "Stopping (SIGTERM): no new orders" in said
        assert "stopped: this worker issued " in said
        counts = counted(tmp_path)
        assert (counts["unknown"], counts["issued"]) == (0, requests_of(env))
        assert counts["not_sent"] > 0


@pytest.mark.parametrize("how", ["second signal", "end of the grace"])
def test_a_cut_off_keeps_the_doubt(tmp_path: Path, how: str) -> None:
    """Orders in flight are unknown in the ledger at once, and the next worker finds them."""
    with Sandbox().run_in_thread() as sandbox:
        env = reaching(sandbox)
        planned(tmp_path, env, 6)
        sandbox.script("timeout_after_commit", seconds=60.0)
        grace = "60" if how == "second signal" else "0.3"
        flags = ("--rate", "none", "--concurrency", "3", "--grace", grace)
        with started("worker", *LEDGER, *flags, cwd=tmp_path, **env) as process:
            wait_until(lambda: requests_of(env) == 3)
            process.send_signal(signal.SIGTERM)
            if how == "second signal":
                assert process.stderr is not None
                while "SIGTERM" not in process.stderr.readline():
                    pass
                process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 130, said
        assert counted(tmp_path)["states"] == {"unknown": 3, "planned": 3}


def test_a_killed_worker_is_followed_by_the_next(tmp_path: Path) -> None:
    """Its lines are looked up: no order twice, none lost."""
    with server(tmp_path, "--latency-ms", "50") as env:
        planned(tmp_path, env, 80)
        flags = ("--rate", "none", "--concurrency", "8", "--settle", "0")
        with started("worker", *LEDGER, *flags, cwd=tmp_path, **env) as process:
            wait_until(lambda: requests_of(env) > 20)
            process.kill()
            process.wait(20)
        done = xoxo("worker", *LEDGER, *flags, "--until-done", "--json", cwd=tmp_path, **env)
        assert done.returncode == 0, done.stderr
        assert counted(tmp_path)["issued"] == 80
        with urllib.request.urlopen(env["XOXO_BASE_URL"].replace("/chef", "/_sandbox/books"), timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["orders"] == 80


def test_health_checks_tell_the_reason(tmp_path: Path) -> None:
    """A worker whose token is refused lives, and is not ready; one at work is both."""
    with Sandbox().run_in_thread() as sandbox:
        env = reaching(sandbox)
        planned(tmp_path, env, 3)
        flags = ("--rate", "none", "--health", "127.0.0.1:0")
        with started("worker", *LEDGER, *flags, cwd=tmp_path, **env) as process:
            port = port_of(process)
            wait_until(lambda: asked(port, "/ready")[0] == 200)
            assert asked(port, "/live") == (200, {"ok": True, "reason": "at work"})
        wrong = {**env, "XOXO_CLIENT_SECRET": "wrong"}
        with started("worker", *LEDGER, *flags, cwd=tmp_path, **wrong) as process:
            port = port_of(process)
            wait_until(lambda: "no token" in str(asked(port, "/ready")[1]["reason"]))
            assert asked(port, "/ready")[0] == 503
            assert asked(port, "/live")[0] == 200


def test_a_second_worker_waits_for_the_file(tmp_path: Path) -> None:
    """It says so once, and goes on when the first has ended."""
    with server(tmp_path, "--latency-ms", "50") as env:
        planned(tmp_path, env, 60)
        flags = ("--rate", "none", "--concurrency", "2")
        with started("worker", *LEDGER, *flags, cwd=tmp_path, **env) as first:
            wait_until(lambda: requests_of(env) > 2)
            with started("worker", *LEDGER, *flags, "--until-done", cwd=tmp_path, **env) as second:
                assert second.stderr is not None
                while "trouble: " not in (line := second.stderr.readline()):
                    assert line
                assert str(first.pid) in line
                first.send_signal(signal.SIGTERM)
                first.wait(30)
                second.communicate(timeout=60)
                assert second.returncode == 0
        assert counted(tmp_path)["issued"] == 60
        assert requests_of(env) == 60
