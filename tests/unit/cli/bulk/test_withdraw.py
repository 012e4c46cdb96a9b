"""`withdraw`: rows that were never sent are cancelled, all that are named or none."""

from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command

WITHDRAW = ("bulk", "withdraw", "--ledger", "march.db", "--reason", "left")


@pytest.fixture(autouse=True)
def _planned(command: Command) -> None:
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,250\nC,1001,100\n")
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db", "--sandbox").code == 0


def test_named_rows_are_withdrawn(command: Command) -> None:
    """And counted; the others stay."""
    ended = command(*WITHDRAW, "A", "B", "--json")
    assert (ended.code, ended.facts["withdrawn"], ended.facts["not_sent"]) == (0, 2, 3)
    assert command(*WITHDRAW, "--planned").out == "1 row withdrawn, never to be sent\n"


def test_a_key_that_is_not_there_withdraws_nothing(command: Command) -> None:
    """It is named."""
    ended = command(*WITHDRAW, "A", "X")
    assert (ended.code, "X" in ended.err) == (2, True)
    assert command(*WITHDRAW, "--planned").out.startswith("3 rows")


@pytest.mark.parametrize("rest", [(), ("A", "--planned")])
def test_rows_are_named_in_one_way(command: Command, rest: tuple[str, ...]) -> None:
    """By key, or all planned ones."""
    assert command(*WITHDRAW, *rest).code == 2


def test_a_reason_is_needed(command: Command) -> None:
    """It is kept in the journal."""
    assert command("bulk", "withdraw", "A", "--ledger", "march.db", "--reason", " ").code == 2
    assert command("bulk", "withdraw", "A", "--ledger", "march.db").code == 2
