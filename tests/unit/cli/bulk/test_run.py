"""`run`: it issues rows once, a resume sends the rest, and a reconcile sends nothing."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

ROWS = "key,product_id,denomination\nA,1001,500\nB,1002,750\n"
KEYS = {"rows", "issued", "pending", "rejected", "unknown", "not_sent", "job", "ledger", "elapsed_s"}
LEDGER = ("--ledger", "march.db", "--sandbox")


def test_a_second_run_issues_nothing(command: Command) -> None:
    """The first run issues every row and names the export. The second one has nothing to do."""
    Path("orders.csv").write_text(ROWS)
    first = command("bulk", "run", "orders.csv", *LEDGER)
    assert first.code == 0, first.err
    assert "issued            2" in first.out
    assert "bulk export --ledger march.db --out march-codes.csv --reveal" in first.err
    again = command("bulk", "run", "orders.csv", *LEDGER, "--json")
    assert (again.code, again.facts["placed_now"], again.facts["job"]) == (0, 0, "march")
    assert again.facts.keys() >= KEYS
    assert "nothing left to do: 2 of 2 issued" in again.err


def test_a_resume_sends_what_a_plan_left(command: Command) -> None:
    """A reconcile sends no order."""
    Path("orders.csv").write_text(ROWS)
    assert command("bulk", "plan", "orders.csv", *LEDGER).code == 0
    settled = command("bulk", "reconcile", *LEDGER, "--json")
    assert (settled.code, settled.facts["not_sent"]) == (5, 2)
    done = command("bulk", "resume", *LEDGER, "--job", "march", "--json")
    assert (done.code, done.facts["issued"]) == (0, 2)


def test_every_work_flag_reaches_the_run(command: Command) -> None:
    """The command that continues has all of them."""
    Path("orders.csv").write_text(ROWS + "C,1001,333\n")
    flags = ("--rate", "none", "--concurrency", "3", "--settle", "0.5", "--resend", "never", "--no-codes")
    ended = command("bulk", "run", "orders.csv", *LEDGER, *flags, "--skip-invalid", "--max-spend", "9000", "--json")
    assert (ended.code, ended.facts["skipped"], ended.facts["issued"]) == (3, 1, 2)
    follow = ended.facts["continue_with"]
    for flag in ("--skip-invalid", "--concurrency 3", "--rate none", "--settle 0.5", "--resend never", "--no-codes"):
        assert flag in follow
    assert "--max-spend 9000" in follow


@pytest.mark.parametrize("store", ["file", "database"])
def test_a_lost_key_is_told_before_a_plan(
    command: Command, sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """Also without codes: nothing could be sent, so no row is planned, no sum is shown, and no person is asked."""
    pytest.importorskip("cryptography")
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    Path("more.csv").write_text(ROWS)
    first, second = (f"{database}#march", f"{database}#april") if store == "database" else ("march.db", "march.db")
    monkeypatch.setenv("XOXO_LEDGER_KEY", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")
    assert command("bulk", "run", "orders.csv", "--ledger", first, "--rate", "none").code == 0
    monkeypatch.delenv("XOXO_LEDGER_KEY")
    monkeypatch.setattr("xoxo_async.cli.bulk.session.agree", lambda *_: pytest.fail("a person was asked"))
    ended = command("bulk", "run", "more.csv", "--ledger", second, "--rate", "none", "--no-codes")
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert (ended.code, len(errors), len(sandbox.state.orders)) == (2, 1, 1)
    assert "XOXO_LEDGER_KEY" in errors[0]
    assert "if this run is killed" not in ended.err
    planned = command("bulk", "status", "--ledger", second, "--json")
    if store == "file":
        assert planned.facts["rows"] == 1
    else:
        assert (planned.code, "does not have the job 'april'" in planned.err) == (2, True)


def test_refused_rows_pause_a_run(command: Command, sandbox: Sandbox) -> None:
    """The vendor has changed what it sells: a few rows are refused, the others wait. Going on needs another bound."""
    Path("orders.csv").write_text("key,product_id,denomination\n" + "".join(f"K{n},1001,500\n" for n in range(30)))
    ledger = ("--ledger", "m.db", "--rate", "none", "--concurrency", "1")
    assert command("bulk", "plan", "orders.csv", "--ledger", "m.db").code == 0
    sold = sandbox.state.products[1001]
    sandbox.state.products[1001] = sold._replace(values=(Decimal(100),))
    ended = command("bulk", "resume", *ledger, "--max-errors", "3", "--json")
    assert (ended.code, ended.facts["pause"], ended.facts["rejected"] < 7) == (5, "refusals", True)
    assert "paused (refusals): " in ended.err
    assert "see which and why: " in ended.err
    assert ended.facts["continue_with"].endswith("--max-errors none --json")
    shown, read = command("bulk", "status", "--ledger", "m.db"), command("bulk", "status", "--ledger", "m.db", "--json")
    assert "the job is paused: more rows were refused than --max-errors allows" in shown.out
    assert (read.facts["paused"] is None, read.facts["continue_with"].endswith("--max-errors none")) == (False, True)
    sandbox.state.products[1001] = sold
    again = command("bulk", "resume", "--ledger", "m.db", "--json")
    assert (again.code, again.facts["placed_now"], "max_errors allows 3" in again.err) == (5, 0, True)
    done = command("bulk", "resume", "--ledger", "m.db", "--max-errors", "50%", "--json")
    assert (done.code, done.facts["issued"]) == (3, 30 - ended.facts["rejected"])
    assert command("bulk", "status", "--ledger", "m.db", "--json").facts["paused"] is None
