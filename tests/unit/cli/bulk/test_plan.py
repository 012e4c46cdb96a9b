"""`plan`: it checks every row and prints the costs, and sends nothing."""

import json
from pathlib import Path

import pytest
import xlsxwriter

from tests.unit.cli.in_process import Command
from xoxo_async.cli.bulk.plan import PlanRequest, totals_of
from xoxo_async.cli.connection import Connection
from xoxo_async.sandbox import Sandbox

HEADER = "key,product_id,denomination\n"


def test_a_plan_says_what_a_run_would_cost(command: Command) -> None:
    """It prints a table by product, the orders and the balance, and leaves no ledger."""
    Path("orders.csv").write_text(f"{HEADER}A,1001,500\nB,1001,250\n")
    ended = command("bulk", "plan", "orders.csv", "--sandbox")
    assert ended.code == 0
    assert ended.out.splitlines()[1].split("\t")[2:5] == ["2", "2", "INR 750"]
    assert "2 orders to send" in ended.err
    assert "every row is good; nothing was sent" in ended.err
    assert [path.name for path in Path().glob("*.db")] == []


def test_a_bad_row_is_left_out_on_demand(command: Command) -> None:
    """That is exit 3, with the same command to run again. Without the flag it is exit 2."""
    Path("orders.csv").write_text(f"{HEADER}A,1001,500\nB,1001,333\n")
    assert command("bulk", "plan", "orders.csv", "--sandbox").code == 2
    ended = command("bulk", "plan", "orders.csv", "--sandbox", "--skip-invalid", "--rate", "50", "--json")
    assert (ended.code, ended.facts["skipped"], ended.facts["rows"]) == (3, 1, 1)
    assert ended.facts["continue_with"].endswith("bulk plan orders.csv --skip-invalid --rate 50 --sandbox --json")


@pytest.mark.parametrize("name", ["orders.csv", "orders.jsonl", "orders.xlsx"])
def test_a_key_without_its_zeros_is_a_warning(command: Command, name: str) -> None:
    """Of a cell or a JSON value that is a number among texts; the row is good."""
    keys: tuple[str | int, ...] = ("007", "008", 9)
    if name.endswith(".xlsx"):
        with xlsxwriter.Workbook(name) as book:
            page = book.add_worksheet()
            page.write_row(0, 0, HEADER.strip().split(","))
            for row, key in enumerate(keys, 1):
                page.write_row(row, 0, (key, 1001, 500))
    elif name.endswith(".csv"):
        Path(name).write_text(HEADER + "".join(f"{key},1001,500\n" for key in keys))
    else:
        rows = (json.dumps({"key": key, "product_id": 1001, "denomination": 500}) for key in keys)
        Path(name).write_text("".join(f"{row}\n" for row in rows))
    ended = command("bulk", "plan", name, "--sandbox", "--json")
    (warning,) = ended.facts["warnings"]
    last = 3 if name.endswith(".jsonl") else 4
    assert (ended.code, ended.facts["rows"]) == (0, 3)
    assert warning.startswith(f"row {last} (key 9): its key has fewer digits than 007 in row {last - 2}")
    assert f"warning: look at 1 row before it is sent\n  {warning}" in ended.err


def test_a_plan_may_be_kept_in_a_ledger(command: Command) -> None:
    """The job has the ledger's name, or the given one, and a resume sends it."""
    Path("orders.csv").write_text(f"{HEADER}A,1001,500\n")
    ended = command("bulk", "plan", "orders.csv", "--ledger", "march.db", "--job", "spring", "--sandbox", "--json")
    assert (ended.code, ended.facts["job"], ended.facts["not_sent"]) == (0, "spring", 1)
    assert "the plan is in march.db" in ended.err
    assert command("bulk", "status", "--ledger", "march.db", "--json").facts["not_sent"] == 1


def test_missing_rows_are_refused_without_a_flag(command: Command) -> None:
    """This holds with each release of click: some take the default of a flag for its value."""
    Path("orders.csv").write_text(f"{HEADER}A,1001,500\nB,1001,500\n")
    plan = ("bulk", "plan", "orders.csv", "--ledger", "march.db", "--sandbox")
    assert command(*plan).code == 0
    Path("orders.csv").write_text(f"{HEADER}A,1001,500\n")
    refused = command(*plan)
    assert (refused.code, "lacks 1 planned row" in refused.err) == (2, True)
    assert command("bulk", "status", "--ledger", "march.db", "--json").facts["states"] == {"planned": 2}
    assert command(*plan, "--withdraw-missing").code == 0
    states = command("bulk", "status", "--ledger", "march.db", "--json").facts["states"]
    assert states == {"planned": 1, "cancelled": 1}


@pytest.mark.parametrize("pack", [False, True])
def test_rows_may_share_orders(command: Command, pack: bool) -> None:
    """It plans as many orders as a run would send."""
    Path("orders.csv").write_text(HEADER + "".join(f"K{n},1001,500\n" for n in range(10)))
    totals = totals_of(PlanRequest("orders.csv", Connection(sandbox=True), pack=pack))
    assert (totals.lines, totals.orders) == (10, 1 if pack else 10)


def test_mails_are_counted_and_kept(command: Command, sandbox: Sandbox) -> None:
    """The ledger keeps --notify: a second run needs no flag. A row that is planned without it stays without."""
    Path("o.csv").write_text("key,product_id,denomination,email\nA,1001,500,a@b.example\nB,1001,500,\n")
    assert "1 row has an address; 0 will be mailed (notify_receiver is not set)" in command("bulk", "plan", "o.csv").err
    for flags in (("--notify",), ()):
        planned = command("bulk", "plan", "o.csv", "--ledger", "m.db", "--json", *flags)
        assert (planned.facts["addressed"], planned.facts["mailed"]) == (1, 1)
    assert command("bulk", "plan", "o.csv", "--ledger", "plain.db").code == 0
    changed = command("bulk", "plan", "o.csv", "--ledger", "plain.db", "--notify")
    assert changed.code == 2
    assert "were planned without --notify, which mails every code. Leave it out" in changed.err
    assert command("bulk", "resume", "--ledger", "m.db", "--rate", "none").code == 0
    placed = [one.data["notifyReceiverEmail"] for one in sandbox.requests if one.operation == "placeOrder"]
    assert sorted(placed) == [0, 1]
