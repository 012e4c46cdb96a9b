"""`resolve`: it takes one decision about a row, checks it, and prints the next command."""

from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

RESOLVE = ("bulk", "resolve", "A", "--ledger", "march.db")


@pytest.fixture
def manual(command: Command, sandbox: Sandbox) -> int:
    """Leave row A to a person; return the vendor's order of it."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    run = ("bulk", "run", "orders.csv", "--job", "j", "--settle", "0", "--rate", "none")
    assert command(*run, "--ledger", "other.db").code == 0
    assert command(*run, "--ledger", "march.db").code == 4
    (order_id,) = sandbox.state.orders
    return order_id


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ((), "give one of"),
        (("--resend", "--reject"), "give one of"),
        (("--resend", "--unchecked"), "--unchecked goes with --placed"),
        (("--reject", "--reason", " "), "--reject needs --reason"),
    ],
)
def test_one_decision_is_needed(command: Command, flags: tuple[str, ...], why: str) -> None:
    """That is exit 2, before the ledger is opened."""
    ended = command(*RESOLVE, *flags)
    assert (ended.code, why in ended.err) == (2, True)


def test_an_order_that_exists_is_recorded(command: Command, manual: int) -> None:
    """The order is looked up first, and the resume that fetches its codes is printed."""
    ended = command(*RESOLVE, "--placed", str(manual))
    assert ended.code == 0
    assert f"the vendor has: order {manual}" in ended.out
    assert "A is now placed" in ended.out
    assert "bulk resume --ledger march.db" in ended.err


def test_a_rejected_row_has_nothing_to_continue(command: Command, manual: int) -> None:
    """The row is rejected, since no order exists and none is wanted."""
    ended = command(*RESOLVE, "--reject", "--reason", "bought elsewhere", "--json")
    assert (ended.facts["state"], ended.facts["continue_with"]) == ("rejected", "")


def test_a_row_in_doubt_is_refused(command: Command, sandbox: Sandbox) -> None:
    """That is exit 2, with the command that may still settle it."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    sandbox.script("timeout_before", first=1, seconds=0.0)
    sandbox.script("error_5xx_before", operation="getOrderDetails")
    run = ("bulk", "run", "orders.csv", "--ledger", "march.db", "--settle", "60", "--pause-limit", "0")
    sandbox.script("commit_then_reset", first=1)
    assert command(*run, "--rate", "none").code in {4, 5}
    ended = command(*RESOLVE, "--resend")
    assert ended.code == 2
    assert "no person can decide about it yet: run `xoxo bulk reconcile --ledger march.db` first" in ended.err


def test_rows_that_share_an_order_are_counted(command: Command, sandbox: Sandbox) -> None:
    """A decision about one row decides all rows of its order."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,500\n")
    run = ("bulk", "run", "orders.csv", "--job", "j", "--settle", "0", "--rate", "none", "--pack")
    assert command(*run, "--ledger", "other.db").code == 0
    assert command(*run, "--ledger", "march.db").code == 4
    (order_id,) = sandbox.state.orders
    ended = command(*RESOLVE, "--placed", str(order_id))
    assert "A shares an order with 1 other row: the decision holds for all of them" in ended.err


@pytest.mark.parametrize("name", ["troubled.jsonl", "troubled.csv"])
def test_the_rows_that_status_writes_are_decided(command: Command, manual: int, name: str) -> None:
    """The file of `status --problems` names them by its keys, in either form."""
    assert command("bulk", "status", "--ledger", "march.db", "--problems", name).code in {0, 4}
    ended = command("bulk", "resolve", "--file", name, "--ledger", "march.db", "--reject", "--reason", "no")
    assert (ended.code, "A is now rejected" in ended.out) == (0, True), ended.err


def test_the_last_decided_row_leaves_nothing_to_continue(command: Command, sandbox: Sandbox) -> None:
    """Points have no codes that could be fetched; a row to send again has its command."""
    sandbox.script("reset_before_commit", operation="sendBalance", email="p2@example.com")
    Path("people.csv").write_text("key,email,name,amount\nE-1,p1@example.com,P,10\nE-2,p2@example.com,P,20\n")
    send = ("points", "send", "--file", "people.csv", "--ledger", "p.db", "--sender", "a@example.com", "--rate", "none")
    assert command(*send, "--settle", "0").code == 4
    decide = ("bulk", "resolve", "E-2", "--ledger", "p.db")
    done = command(*decide, "--done")
    assert (done.code, "continue with" in done.err) == (0, False)
    again = command(*decide, "--resend")
    assert (again.code, "continue with: xoxo points send --ledger p.db" in again.err) == (0, True), again.err
