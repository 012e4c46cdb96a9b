"""`rebind`: a ledger belongs to another address only after a person said so."""

from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox


def test_a_ledger_moves_to_another_address(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints both addresses. Without a reason it does nothing."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db").code == 0
    rebind = ("bulk", "rebind", "--ledger", "march.db", "--base-url", "https://staging.xoxoday.com/chef")
    assert command(*rebind, "--reason", " ").code == 2
    ended = command(*rebind, "--reason", "the address changed", "--json")
    assert ended.code == 0, ended.err
    assert ended.facts["address"] == "https://staging.xoxoday.com:443/chef"
    assert ended.facts["was"].startswith("http://localhost:")
    again = command(*rebind, "--reason", "once more")
    assert again.out == "march.db now belongs to this account at https://staging.xoxoday.com:443/chef\n"
