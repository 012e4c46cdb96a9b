"""`status`: it prints the counts of a job, and its troubled lines."""

import asyncio
import shlex
from pathlib import Path

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import open_ledger
from xoxo_async.sandbox import Sandbox

LEDGER = ("--ledger", "march.db")


def prepared(command: Command, *rows: str) -> None:
    Path("orders.csv").write_text("key,product_id,denomination\n" + "".join(f"{row}\n" for row in rows))
    assert command("bulk", "plan", "orders.csv", *LEDGER).code == 0


def test_a_plan_has_a_next_command(command: Command, sandbox: Sandbox) -> None:
    """It prints all counts, and `resume`."""
    prepared(command, "A,1001,500", "B,1001,250")
    shown, read = command("bulk", "status", *LEDGER), command("bulk", "status", *LEDGER, "--json")
    assert (shown.code, read.code) == (0, 0)
    assert "not sent          2" in shown.out
    assert (read.facts["rows"], read.facts["not_sent"], read.facts["holder_pid"]) == (2, 2, None)
    assert read.facts["continue_with"].endswith("bulk resume --ledger march.db")
    assert read.facts["states"] == {"planned": 2}


def test_lines_for_a_person_come_first(command: Command, sandbox: Sandbox) -> None:
    """It prints state and error of each line, and the command that decides."""
    prepared(command, "A,1001,500", "B,1001,250")
    sandbox.script("commit_then_reset", first=1)
    sandbox.script("no_order_id", operation="getOrderDetails")
    ended = command("bulk", "resume", *LEDGER, "--settle", "0", "--concurrency", "1", "--rate", "none")
    assert ended.code == 4, ended.err
    shown, read = command("bulk", "status", *LEDGER), command("bulk", "status", *LEDGER, "--json")
    assert [problem["key"] for problem in read.facts["problems"]] == ["A"]
    assert "\tA\t" in shown.out
    (problem,) = read.facts["problems"]
    assert 0 <= problem["age_s"] < 60
    assert problem["order_id"] is None
    for shown_once in (problem["po_number"], *problem["resolve"].values(), "1 row needs your decision."):
        assert shown.out.count(shown_once) == 1


def test_a_decision_can_be_pasted(command: Command, sandbox: Sandbox) -> None:
    """Its key is quoted for the shell, and the reason replaces the old error."""
    prepared(command, "A's row,1001,500")
    sandbox.script("commit_then_reset", first=1)
    sandbox.script("no_order_id", operation="getOrderDetails")
    assert command("bulk", "resume", *LEDGER, "--settle", "0", "--rate", "none").code == 4
    decide = command("bulk", "status", *LEDGER, "--json").facts["problems"][0]["resolve"]
    words = shlex.split(decide["reject"].replace("not wanted", "bought elsewhere"))
    assert command(*words[words.index("bulk") :]).code == 0
    (problem,) = command("bulk", "status", *LEDGER, "--json").facts["problems"]
    assert (problem["state"], problem["error"], problem["resolve"]) == ("rejected", "bought elsewhere", {})
    assert "bought elsewhere" in command("bulk", "status", *LEDGER).out


def test_withdrawn_rows_are_shown(command: Command, sandbox: Sandbox) -> None:
    """They count as not sent, and no command continues."""
    prepared(command, "A,1001,500")
    assert command("bulk", "withdraw", "--planned", *LEDGER, "--reason", "off").code == 0
    shown = command("bulk", "status", *LEDGER)
    assert "withdrawn         1, counted as not sent" in shown.out
    assert "continue with" not in shown.err


def test_a_missing_ledger_is_wrong_usage(command: Command) -> None:
    """Its JSON has every key."""
    ended = command("bulk", "status", *LEDGER, "--json")
    assert (ended.code, ended.facts["rows"], ended.facts["ledger"]) == (2, 0, "march.db")
    assert not Path("march.db").exists()


def test_doubt_without_an_error_has_a_reason(command: Command, sandbox: Sandbox) -> None:
    """A row that was never sent from here is in doubt because the ledger was restored."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db").code == 0

    async def restore() -> None:
        async with open_ledger("march.db") as ledger:
            await ledger.restored(reason="a test")

    asyncio.run(restore())
    ended = command("bulk", "status", "--ledger", "march.db", "--json")
    assert [line["error"] for line in ended.facts["problems"]] == [
        "the ledger was restored, so the row may have been sent"
    ]
