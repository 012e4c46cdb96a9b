"""`points`: they are sent, counted and taken back, and each call shows the result of every part."""

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

SEND = ("points", "send", "--sender", "admin@example.com", "--to", "a@example.com", "--name", "A", "--amount", "5")


def test_sent_points_can_be_taken_back_once(command: Command, sandbox: Sandbox) -> None:
    """The unique id of the send selects them. A second time is refused with exit 3."""
    sent = command(*SEND, "--json")
    assert sent.code == 0, sent.err
    unique_id = str(sent.facts["recipients"][0]["unique_id"])
    back = command("points", "cancel", unique_id, unique_id)  # named twice, asked for once
    assert (back.code, back.out.splitlines()[1].split("\t")[:2]) == (0, [unique_id, "cancelled"])
    again = command("points", "cancel", unique_id, "--json")
    assert again.code == 3


def test_sent_points_are_a_table(command: Command, sandbox: Sandbox) -> None:
    """The receiver has a row, with the id that takes the points back."""
    header, row = command(*SEND).out.splitlines()
    assert header.split("\t") == ["unique id", "receiver", "points"]
    assert row.split("\t")[1:] == ["a@example.com", "5"]


def test_a_balance_needs_one_name_of_the_user(command: Command, sandbox: Sandbox) -> None:
    """It is the e-mail address or the phone number, not both."""
    assert command("points", "balance").code == 2
    assert command("points", "balance", "--email", "a@example.com", "--phone", "+91-1").code == 2
    command(*SEND)
    shown = command("points", "balance", "--email", "a@example.com")
    assert (shown.code, shown.out) == (0, "5 points\n")
    assert command("points", "balance", "--email", "a@example.com", "--json").facts["total"] == 5
