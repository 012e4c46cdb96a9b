"""`troubled`: which rows a person should look at, and the commands that decide about each."""

import shlex

import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.cli.bulk.troubled import decisions


@pytest.mark.parametrize(("key", "order_id"), [("-x", None), ("a b", 17)])
def test_commands_have_order_and_key(key: str, order_id: int | None) -> None:
    """A key that looks like a flag is none."""
    line = LedgerLine(1, key, "po", "d", "{}", 1, order_id=order_id)
    words = shlex.split(decisions(line, LedgerAddress.read("m.db"))["placed"])
    assert words[words.index("--placed") + 1] == str(order_id or "ORDERID")
    assert words[-1] == key
    assert ("--" in words) is key.startswith("-")
