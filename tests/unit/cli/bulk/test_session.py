"""`session`: the signals of one run, and the input that it refuses before it sends."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import BulkIssuer, Report
from xoxo_async.sandbox import Sandbox

ROWS = "key,product_id,denomination\n" + "".join(f"K{n},1001,500\n" for n in range(40))
LEDGER = ("--ledger", "march.db")


@pytest.fixture(autouse=True)
def _orders(command: Command) -> None:
    Path("orders.csv").write_text(ROWS)


def signals_after(monkeypatch: pytest.MonkeyPatch, *conditions: Callable[[BulkIssuer], bool]) -> None:
    """Send SIGTERM to this process during a run, once for each condition when it becomes true."""
    issue = BulkIssuer.issue

    async def watched(issuer: BulkIssuer) -> Report:
        async with anyio.create_task_group() as group:
            group.start_soon(watch, issuer)
            report = await issue(issuer)
            group.cancel_scope.cancel()
            return report

    async def watch(issuer: BulkIssuer) -> None:
        for condition in conditions:
            while not condition(issuer):
                await anyio.sleep(0.005)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(BulkIssuer, "issue", watched)


def test_a_signal_ends_a_run_in_order(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is exit 130 with nothing in doubt, and the printed command issues the rest."""
    with monkeypatch.context() as patch:
        signals_after(patch, lambda issuer: issuer.progress.placed >= 5)
        ended = command("bulk", "run", "orders.csv", *LEDGER, "--concurrency", "2", "--rate", "none", "--json")
    assert (ended.code, ended.facts["pause"], ended.facts["unknown"]) == (130, "interrupted", 0)
    assert 5 <= ended.facts["issued"] < 40
    assert "Stopping (SIGTERM): no new orders; waiting up to 30 s" in ended.err
    assert "bulk resume --ledger march.db --concurrency 2 --rate none --json" in ended.facts["continue_with"]
    assert command("bulk", "resume", *LEDGER, "--rate", "none").code == 0
    assert sandbox.books().orders == 40


def test_a_second_signal_cuts_requests_off(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines in flight become unknown, and the next run settles them without a second order."""
    sandbox.script("timeout_after_commit", nth=6, seconds=20.0)

    def in_flight(_issuer: BulkIssuer) -> bool:
        return sum(received.operation == "placeOrder" for received in sandbox.requests) >= 6

    with monkeypatch.context() as patch:
        signals_after(patch, in_flight, in_flight)
        ended = command("bulk", "run", "orders.csv", *LEDGER, "--concurrency", "1", "--rate", "none", "--json")
    assert ended.code == 130
    assert ended.facts["unknown"] >= 1
    sandbox.faults.rules.clear()
    assert command("bulk", "resume", *LEDGER, "--rate", "none", "--settle", "0.2").code == 0
    assert sandbox.books().orders == 40


def test_one_ledger_holds_one_job(command: Command, sandbox: Sandbox) -> None:
    """A run with another job name is refused, and so is a resume of a ledger without a job."""
    assert command("bulk", "run", "orders.csv", *LEDGER, "--job", "march", "--rate", "none").code == 0
    other = command("bulk", "resume", *LEDGER, "--job", "april")
    assert (other.code, "holds the job 'march', not 'april'" in other.err) == (2, True)
    missing = command("bulk", "resume", "--ledger", "april.db")
    assert missing.code == 2


@pytest.mark.slow  # the client tries the server again, with waits, before it gives up
def test_a_vendor_that_is_down_pauses_the_run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is exit 5. The same command continues, and no ledger is left."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "T" * 20)
    ended = command("bulk", "run", "orders.csv", *LEDGER, "--base-url", "http://127.0.0.1:9/chef", "--json")
    assert (ended.code, ended.facts["rows"], ended.facts["kind"]) == (5, 0, "ConnectError")
    assert "bulk run orders.csv --ledger march.db" in ended.facts["continue_with"]
    assert not Path("march.db").exists()


def test_real_money_needs_a_person_or_yes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes, no file is opened."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "T" * 20)
    monkeypatch.setattr("sys.stdin", None)
    ended = command("bulk", "run", "orders.csv", *LEDGER, "--base-url", "https://accounts.xoxoday.com/chef")
    assert (ended.code, "needs --yes" in ended.err) == (2, True)
    assert not Path("march.db").exists()


def test_debug_shows_where_an_error_came_from(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints a traceback, and without the flag one line. Neither has a secret."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "hush-hush-hush-hush")
    line = ("bulk", "run", "orders.csv", *LEDGER, "--base-url", sandbox.base_url)
    plain = command(*line).err
    assert "the access token was refused" in plain
    assert "Traceback" not in plain
    shown = command("--debug", *line).err
    assert "Traceback" in shown
    assert "hush" not in shown


def test_a_restored_ledger_says_what_it_waits_for(command: Command, sandbox: Sandbox) -> None:
    """The message says that planned rows are looked up, and for how long."""
    assert command("bulk", "plan", "orders.csv", *LEDGER).code == 0
    ended = command("bulk", "resume", *LEDGER, "--restore", "--settle", "0", "--rate", "none")
    assert "--restore: planned rows are looked up before they are sent, which takes 0 s" in ended.err
    assert sandbox.books().orders == 40
