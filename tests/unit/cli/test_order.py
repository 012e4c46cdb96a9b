"""`order`: an order is placed once for each poNumber, found again, and shown with masked codes."""

import shlex

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

PLACE = ("order", "place", "--product-id", "1001", "--denomination", "500", "--po-number", "INV-1")


def test_a_po_number_is_placed_once(command: Command, sandbox: Sandbox) -> None:
    """A second run finds the order and buys nothing."""
    first, again = command(*PLACE, "--json"), command(*PLACE, "--json")
    assert (first.code, again.code) == (0, 0)
    assert first.facts["order_id"] == again.facts["order_id"]
    assert sandbox.books().orders == 1


def test_codes_are_masked_unless_revealed(command: Command, sandbox: Sandbox) -> None:
    """The command that shows them is printed."""
    masked = command(*PLACE)
    order_id = next(iter(sandbox.state.orders))
    (code, pin) = sandbox.state.orders[order_id].codes[0]
    assert code not in masked.out + masked.err
    assert f"xoxo order get --order-id {order_id} --reveal" in masked.err
    revealed = command("order", "get", "--order-id", str(order_id), "--reveal")
    assert code in revealed.out
    assert pin in revealed.out


def test_the_command_that_shows_codes_keeps_the_server(command: Command, sandbox: Sandbox) -> None:
    """It works when pasted, with the flags of this one."""
    ended = command(*PLACE, "--base-url", sandbox.base_url)
    words = shlex.split(ended.err.partition("show them with: ")[2])
    assert words[-2:] == ["--base-url", sandbox.base_url]
    (order,) = sandbox.state.orders.values()
    assert order.codes[0][0] in command(*words[1:]).out


def test_an_order_is_found_by_either_number(command: Command, sandbox: Sandbox) -> None:
    """Neither or both of them is wrong usage."""
    order_id = command(*PLACE, "--json").facts["order_id"]
    by_id = command("order", "get", "--order-id", str(order_id), "--json").facts
    by_number = command("order", "get", "--po-number", "INV-1", "--json").facts
    assert by_id["order_id"] == by_number["order_id"] == order_id
    assert command("order", "get").code == 2
    assert command("order", "get", "--order-id", "1", "--po-number", "INV-1").code == 2


def test_a_missing_order_is_refused(command: Command, sandbox: Sandbox) -> None:
    """That is exit 3, and no command continues."""
    ended = command("order", "get", "--po-number", "NOBODY", "--json")
    assert (ended.code, ended.facts["kind"]) == (3, "NotFoundError")
    assert "continue with" not in ended.err


@pytest.mark.parametrize("days", [(), ("--from", "2020-01-01", "--to", "2099-01-01")], ids=["usual", "given"])
def test_the_history_lists_orders_without_codes(command: Command, sandbox: Sandbox, days: tuple[str, ...]) -> None:
    """Without days, it lists from thirty days ago to tomorrow."""
    order_id = command(*PLACE, "--json").facts["order_id"]
    listed = command("order", "history", *days)
    assert [row.split("\t")[:2] for row in listed.out.splitlines()[1:]] == [[str(order_id), "INV-1"]]
    assert [order["order_id"] for order in command("order", "history", *days, "--json").facts["orders"]] == [order_id]


def test_an_invalid_day_is_wrong_usage(command: Command, sandbox: Sandbox) -> None:
    """That is exit 2 before any call."""
    assert command("order", "history", "--from", "2026-02-30").code == 2
    assert not sandbox.requests
