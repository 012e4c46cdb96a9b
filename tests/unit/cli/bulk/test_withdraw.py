"""`withdraw`: it cancels rows that were never sent, either all of the named rows or none."""

from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command

WITHDRAW = ("bulk", "withdraw", "--ledger", "march.db", "--reason", "left")


@pytest.fixture(autouse=True)
def _planned(command: Command) -> None:
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,250\nC,1001,100\n")
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db", "--sandbox").code == 0


def test_named_rows_are_withdrawn(command: Command) -> None:
    """It counts them, and other rows stay."""
    ended = command(*WITHDRAW, "A", "B", "--json")
    assert (ended.code, ended.facts["withdrawn"], ended.facts["not_sent"]) == (0, 2, 3)
    assert command(*WITHDRAW, "--planned").out == "1 row withdrawn for good\n"


def test_an_unknown_key_withdraws_nothing(command: Command) -> None:
    """The error names the row."""
    ended = command(*WITHDRAW, "A", "X")
    assert (ended.code, "X" in ended.err) == (2, True)
    assert command(*WITHDRAW, "--planned").out.startswith("3 rows")


@pytest.mark.parametrize("rest", [(), ("A", "--planned")])
def test_rows_are_named_in_one_way(command: Command, rest: tuple[str, ...]) -> None:
    """They are named by key, or --planned selects all planned rows."""
    assert command(*WITHDRAW, *rest).code == 2


def test_a_reason_is_needed(command: Command) -> None:
    """The journal keeps the reason."""
    assert command("bulk", "withdraw", "A", "--ledger", "march.db", "--reason", " ").code == 2
    assert command("bulk", "withdraw", "A", "--ledger", "march.db").code == 2
