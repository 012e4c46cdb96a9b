"""`command_line`: a person can paste the command into the shell."""

import shlex

import pytest

from xoxo_async.cli.command_line import command_line


def test_a_command_is_quoted_for_the_shell() -> None:
    """A shell reads a ledger's name with a blank from the printed command unchanged."""
    assert shlex.split(command_line("bulk", "resume", "--ledger", "my march.db"))[-1] == "my march.db"


@pytest.mark.parametrize("before", ["", "--ledger="])
def test_a_database_loses_its_password(before: str) -> None:
    """It is part of what a person gave, and of nothing that is printed."""
    line = command_line("bulk", "run", f"{before}postgresql://me:hunter2@db/x?sslmode=require#march")
    assert shlex.split(line)[-1] == f"{before}postgresql://me@db/x?sslmode=require#march"
    assert "hunter2" not in command_line(f"{before}postgresql://me:hun/ter2@db:x/y")
