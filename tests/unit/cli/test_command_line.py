"""`command_line`: a person can paste the command into the shell."""

import shlex

from xoxo_async.cli.command_line import command_line


def test_a_command_is_quoted_for_the_shell() -> None:
    """A shell reads a ledger's name with a blank from the printed command unchanged."""
    assert shlex.split(command_line("bulk", "resume", "--ledger", "my march.db"))[-1] == "my march.db"
