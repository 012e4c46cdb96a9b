"""`troubled`: which rows a person should look at, and the commands that decide about each."""

import shlex
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.cli.bulk.troubled import decisions
from xoxo_async.sandbox import Sandbox


@pytest.mark.parametrize(("key", "order_id"), [("-x", None), ("a b", 17)])
def test_commands_have_order_and_key(key: str, order_id: int | None) -> None:
    """A key that looks like a flag is none."""
    line = LedgerLine(1, key, "po", "d", "{}", 1, order_id=order_id)
    words = shlex.split(decisions(line, LedgerAddress.read("m.db"))["placed"])
    assert words[words.index("--placed") + 1] == str(order_id or "ORDERID")
    assert words[-1] == key
    assert ("--" in words) is key.startswith("-")


def test_too_few_links_wait_for_a_person(command: Command, sandbox: Sandbox) -> None:
    """Its row is shown with the one command that applies; after it, status and the next run end with 0."""
    Path("rows.csv").write_text("key,quantity\nA,1\n-B,2\n")
    sandbox.script("short_answer", operation="generateLink", nth=2)
    flags = ("--campaign-id", "7001", "--expires-on", "2099-12-31", "--concurrency", "1")
    assert command("links", "generate", "--file", "rows.csv", "--ledger", "l.db", *flags).code == 4
    shown, read = (command("bulk", "status", "--ledger", "l.db", *more) for more in ((), ("--json",)))
    assert (shown.code, read.code, read.facts["problems_total"]) == (4, 4, 1)
    assert "1 row got fewer links than asked for" in shown.out
    (problem,) = read.facts["problems"]
    assert (problem["key"], list(problem["resolve"])) == ("-B", ["done"])
    assert problem["resolve"]["done"] in shown.out
    words = shlex.split(problem["resolve"]["done"])
    assert command(*words[words.index("bulk") :]).code == 0
    assert command("bulk", "status", "--ledger", "l.db").code == 0
    ended = command("links", "generate", "--ledger", "l.db", "--json")
    assert (ended.code, ended.facts["issued"], ended.facts["alarms_total"]) == (0, 2, 0)
