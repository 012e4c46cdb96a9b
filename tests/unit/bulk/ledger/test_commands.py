"""`commands`: a command that a message names can be pasted."""

import shlex

from xoxo_async.bulk.ledger.commands import command_for


class Ledger:
    """A ledger whose name the shell would split."""

    argument = "my jobs/l.db"


def test_a_command_is_quoted() -> None:
    """A key that looks like a flag is none."""
    command = command_for(Ledger(), "xoxo bulk resolve", "--reject", "--reason", "not wanted", keys=("a b", "-x"))
    words = ["xoxo", "bulk", "resolve", "--ledger", "my jobs/l.db", "--reject", "--reason", "not wanted"]
    assert shlex.split(command) == [*words, "--", "a b", "-x"]
    assert command_for(Ledger(), "xoxo bulk status") == "xoxo bulk status --ledger 'my jobs/l.db'"
