"""`working`: a worker's process ends with the exit code of its jobs, and says what it did."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import Report, Shift, open_ledger
from xoxo_async.bulk.ledger.protocol import Identity
from xoxo_async.cli.working import _Teller
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
    assert "job march: this worker 2, the job 2 of 2 issued" in ended.err
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


def shift_of(**given: Any) -> Shift:
    """Return a shift that left two rows in doubt."""
    facts: dict[str, Any] = {"job": "march", "issued": 0, "left": 2, "in_doubt": 2, "again_in_s": 15.0, "paused": None}
    report = Report(
        job="march", ledger="l", rows=10, issued=7, pending=1, rejected=0, unknown=2, not_sent=0, charged={}
    )
    return Shift(**{**facts, "report": report, **given})


def test_doubt_is_told_once_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A silence of minutes has a reason that the operator can read."""
    teller = _Teller()
    for lookup_in_s in (300.0, 299.0, 600.0):
        teller.tell(shift_of(lookup_in_s=lookup_in_s))
    teller.tell(shift_of(left=0, in_doubt=0, issued=2))
    first, second, third = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"job march: 2 in doubt, looked up again at \d\d:\d\d", first)
    assert re.fullmatch(r"job march: 2 in doubt, looked up again at \d\d:\d\d", second)
    assert third == "job march: this worker 2, the job 8 of 10 issued"


def test_a_pause_is_told_once_with_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that is to end with its jobs stays for the rows in doubt."""
    teller = _Teller()
    for in_doubt in (2, 2, 0):
        teller.tell(shift_of(in_doubt=in_doubt, paused="no funds"))
    told = [line for line in capsys.readouterr().err.splitlines() if "paused" in line]
    assert told == [
        "job march is paused: no funds; its 2 rows in doubt are still looked up",
        "job march is paused: no funds",
    ]


def test_a_paused_job_is_continued_by_a_resume(command: Command, sandbox: Sandbox) -> None:
    """The same worker again could not end the pause."""
    planned(command, "A,1001,500")
    assert command("bulk", "pause", "--ledger", "march.db", "--reason", "wrong values").code == 0
    ended = command(*WORKER, "--rate", "none", "--json")
    assert ended.code == 5, ended.err
    assert ended.facts["continue_with"].endswith("xoxo bulk resume --ledger march.db")
    assert sandbox.state.orders == {}
