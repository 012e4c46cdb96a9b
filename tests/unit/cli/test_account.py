"""`account`: the balance is one line for a person, and one object for a script."""

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox


def test_the_balance_names_its_currency(command: Command, sandbox: Sandbox) -> None:
    """A person reads the currency and the amount, and JSON has the amount as a number."""
    shown, read = command("balance"), command("balance", "--json")
    assert (shown.code, read.code) == (0, 0)
    assert shown.out.startswith(read.facts["currency"] + " ")
    assert read.facts["value"] == float(shown.out.split()[1].replace(",", ""))
