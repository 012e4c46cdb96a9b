"""Commands are imported when they are asked for."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
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


def loaded_by(*arguments: str, code: int = 0) -> set[str]:
    """Run a command line without `XOXO_*` variables, and return the modules that it loaded."""
    script = (
        "import sys; from xoxo_async.cli.main import run\n"
        f"code = run({list(arguments)!r})\n"
        "sys.stderr.write(f'{code} ' + ' '.join(sys.modules))"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=plain)
    ended, *modules = done.stderr.splitlines()[-1].split()
    assert ended == str(code)
    return set(modules)


CLIENT = {"aiohttp", "xoxo_async.client", "xoxo_async.dispatcher", "xoxo_async.auth.tokens"}
"""What makes calls. To load it takes four times as long as to load click."""


@pytest.mark.anyio
async def test_a_status_loads_only_what_reads(tmp_path: Path) -> None:
    """Neither the client, nor what writes to a ledger, nor the loops and backends that a network needs."""
    path = tmp_path / "march.db"
    await one_placed(path)
    loaded = loaded_by("bulk", "status", "--ledger", str(path))
    assert "xoxo_async.bulk.ledger.sqlite.view" in loaded
    ledger_room = "xoxo_async.bulk.ledger"
    writing = {f"{ledger_room}.{name}" for name in ("arming", "marks", "plans", "recording")}
    writing |= {f"{ledger_room}.sqlite.{name}" for name in ("opening", "planning", "session", "writer")}
    heavy = {"anyio", "html", "rich", "shutil", "uvloop", "xoxo_async.sandbox", "xoxo_async.wire.decoder"}
    assert loaded & (CLIENT | writing | heavy) == set()


def test_a_help_text_loads_no_client() -> None:
    """It names every command, so it loads the module of each, and these load what they need when they run."""
    assert loaded_by("--help") & (CLIENT | {"asyncio", "rich", "sqlite3", "ssl"}) == set()


def test_the_version_loads_no_command() -> None:
    """It needs click and the names of the commands."""
    loaded = loaded_by("--version")
    assert loaded & (CLIENT | {"asyncio", "msgspec", "rich"}) == set()
    assert {name for name in loaded if name.startswith("xoxo_async.cli.bulk")} == set()


def test_a_run_without_credentials_loads_no_client(tmp_path: Path) -> None:
    """It is refused before the client is loaded, which takes longer than all before it."""
    ledger = tmp_path / "march.db"
    loaded = loaded_by("bulk", "run", "orders.csv", "--ledger", str(ledger), code=2)
    assert "xoxo_async.credentials" in loaded
    assert loaded & {"aiohttp", "xoxo_async.client", "xoxo_async.dispatcher"} == set()
