"""Commands are imported when they are asked for."""

import subprocess
import sys

import click
import pytest

from xoxo_async.cli.loading import LazyCommands
from xoxo_async.cli.main import bulk, xoxo


def test_every_listed_command_is_there() -> None:
    """Each name of a group leads to the command of that name."""
    for group in (xoxo, bulk):
        assert {name: command.name for name, command in group.commands.items()} == {n: n for n in group.commands}


def test_a_name_is_loaded_when_asked_for() -> None:
    """Names are known before their modules are; a wrong place is an error of its own."""
    commands = LazyCommands({"status": "xoxo_async.cli.bulk.status:status", "wrong": "xoxo_async.cli.exits:DONE"})
    assert list(commands) == ["status", "wrong"]
    assert commands["status"].name == "status"
    with pytest.raises(TypeError, match="exits:DONE is no command"):
        commands["wrong"]
    assert commands.get("other") is None


def test_commands_can_be_added_and_removed() -> None:
    """A group changes its commands as it changes a dictionary."""
    commands = LazyCommands({})
    commands["own"] = own = click.Command("own")
    assert (commands["own"], len(commands)) == (own, 1)
    del commands["own"]
    assert not commands


def test_a_status_loads_no_client() -> None:
    """A command that makes no call imports neither aiohttp nor the sandbox."""
    code = (
        "import sys; from xoxo_async.cli.main import run; run(['bulk', 'status', '--ledger', 'no.db'])\n"
        "print({'aiohttp', 'xoxo_async.client', 'xoxo_async.sandbox', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"
