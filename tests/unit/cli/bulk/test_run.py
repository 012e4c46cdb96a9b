"""`run`: it issues rows once, a resume sends the rest, and a reconcile sends nothing."""

from pathlib import Path

from tests.unit.cli.in_process import Command

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
