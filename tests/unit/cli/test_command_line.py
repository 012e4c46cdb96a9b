"""`command_line`: the command that continues can be pasted into the shell."""

import shlex

from xoxo_async.cli.command_line import command_line


def test_a_command_is_quoted_for_the_shell() -> None:
    """A ledger with a blank in its name comes back from the printed command as it was."""
    assert shlex.split(command_line("bulk", "resume", "--ledger", "my march.db"))[-1] == "my march.db"
