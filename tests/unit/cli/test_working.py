"""`working`: a worker's process ends with the exit code of its jobs, and says what it did."""

import asyncio
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import open_ledger
from xoxo_async.bulk.ledger.protocol import Identity
from xoxo_async.sandbox import Sandbox

WORKER = ("worker", "--ledger", "march.db", "--until-done")


def planned(command: Command, *rows: str, flags: tuple[str, ...] = ()) -> None:
    Path("orders.csv").write_text("key,product_id,denomination\n" + "".join(f"{row}\n" for row in rows))
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db", *flags).code == 0


def test_a_worker_that_is_done_ends_with_zero(command: Command, sandbox: Sandbox) -> None:
    """Its JSON has the counts of each job."""
    planned(command, "A,1001,500", "B,1001,250")
    ended = command(*WORKER, "--rate", "none", "--json")
    assert ended.code == 0, ended.err
    assert (ended.facts["issued_now"], ended.facts["exit_code"], ended.facts["continue_with"]) == (2, 0, "")
    assert ended.facts["jobs"]["march"] == {
        "rows": 2, "issued": 2, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0, "alarms_total": 0,
        "left": 0, "paused": None,
    }  # fmt: skip
    assert "job march: 2 issued, 0 left, 0 unknown" in ended.err
    assert len(sandbox.state.orders) == 2


def test_a_second_worker_finds_nothing_to_do(command: Command, sandbox: Sandbox) -> None:
    """The ledger remembers."""
    planned(command, "A,1001,500")
    assert command(*WORKER, "--rate", "none").code == 0
    assert command(*WORKER, "--rate", "none").code == 0
    assert len(sandbox.state.orders) == 1


def test_doubt_is_settled_before_the_end(command: Command, sandbox: Sandbox) -> None:
    """An order whose answer was lost is found."""
    planned(command, "A,1001,500", "B,1001,250")
    sandbox.script("commit_then_reset", first=1)
    ended = command(*WORKER, "--rate", "none", "--settle", "0")
    assert ended.code == 0, ended.err
    assert len(sandbox.state.orders) == 2


def test_resend_never_leaves_doubt_to_a_person(command: Command, sandbox: Sandbox) -> None:
    """The exit code says that some rows are unknown, and the command that continues is printed."""
    planned(command, "A,1001,500")
    sandbox.script("reset_before_commit", first=1)
    ended = command(*WORKER, "--rate", "none", "--settle", "0", "--resend", "never")
    assert ended.code == 4, ended.err
    assert "continue with: " in ended.err
    assert "worker --ledger march.db --until-done" in ended.err
    assert len(sandbox.state.orders) == 0


def test_its_own_sandbox_is_started_again(command: Command) -> None:
    """A job that was planned against one needs no flag and no credentials."""
    planned(command, "A,1001,500", flags=("--sandbox",))
    ended = command(*WORKER)
    assert ended.code == 0, ended.err
    assert Path("march.db.sandbox").exists()


def test_a_job_of_another_account_is_left_out(command: Command, sandbox: Sandbox, database: str) -> None:
    """A worker of all jobs sends the others, names that one, and ends with wrong usage."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    for job in ("alien", "march"):
        assert command("bulk", "plan", "orders.csv", "--ledger", f"{database}#{job}").code == 0

    async def rebind() -> None:
        async with open_ledger(f"{database}#alien", must_exist=True) as ledger:
            assert ledger.identity is not None
            await ledger.rebind(Identity(ledger.identity.address, "another"), reason="a test")

    asyncio.run(rebind())
    flags = ("--engine", "none", "--rate", "none", "--until-done", "--json")
    ended = command("worker", "--ledger", database, *flags)
    assert ended.code == 2, ended.err
    assert ended.facts["issued_now"] == 1
    assert ended.facts["left_out"]["alien"].startswith("this ledger was begun with another account")
    assert ended.err.count("trouble: job alien: this ledger was begun with another account") == 1
    assert len(sandbox.state.orders) == 1


KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
OTHER = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="


@pytest.mark.parametrize(("key", "flags"), [(OTHER, ()), ("", ()), ("", ("--no-codes",))])
def test_a_wrong_key_is_wrong_usage(
    command: Command, sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch, key: str, flags: tuple[str, ...]
) -> None:
    """It is no success, and no pause that a resume could end; nothing is sent."""
    pytest.importorskip("cryptography")
    monkeypatch.setenv("XOXO_LEDGER_KEY", KEY)
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    ledger = ("--ledger", f"{database}#march")
    assert command("bulk", "plan", "orders.csv", *ledger).code == 0
    monkeypatch.setenv("XOXO_LEDGER_KEY", key)
    for name in (database, f"{database}#march"):
        ended = command("worker", "--ledger", name, "--engine", "none", "--rate", "none", "--until-done", *flags)
        assert ended.code == 2, ended.err
        assert "XOXO_LEDGER_KEY" in ended.err
    ended = command("bulk", "run", "orders.csv", *ledger, "--rate", "none", *flags)
    assert ended.code == 2, ended.err
    assert sandbox.state.orders == {}
