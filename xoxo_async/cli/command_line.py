"""Build a `xoxo` command line that a person can paste into the shell."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from xoxo_async.cli.invocation import Invocation
from xoxo_async.errors import ConfigError
from xoxo_async.file_names import address_in

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress

__all__ = ["command_line", "file_for", "same_command"]

_DATABASE: Final = re.compile(r"postgres(?:ql)?://.*", re.DOTALL | re.IGNORECASE)


def command_line(*arguments: str | os.PathLike[str]) -> str:
    """Return a command line that calls the same `xoxo` as this process, quoted for a shell.

    Args:
        arguments: What follows the program's name. The URL of a database loses its password.
    """
    return shlex.join([*_program(), *(_without_password(os.fspath(argument)) for argument in arguments)])


def same_command() -> str:
    """Return the command line of this process again, with all its flags; empty outside of a command."""
    context = click.get_current_context(silent=True)
    invocation = None if context is None else context.find_root().obj
    return command_line(*invocation.arguments) if isinstance(invocation, Invocation) else ""


def file_for(ledger: "LedgerAddress", ending: str) -> str:
    """Return the name of a file about a ledger for a command line, which takes no address in place of a path.

    Args:
        ledger: The ledger. Its file may be called `host=a port=1.db`.
        ending: The rest of the name: `-codes.csv`.
    """
    name = ledger.stem + ending
    return f"./{name}" if address_in(name, kept=False) else name


def _without_password(argument: str) -> str:
    """Return an argument such as `--ledger=postgresql://…` without a password."""
    url = _DATABASE.search(argument)
    if url is None:
        return argument
    from xoxo_async.bulk.ledger.address import LedgerAddress

    try:
        return argument[: url.start()] + LedgerAddress.read(url[0]).argument
    except ConfigError:
        return argument[: url.start()] + "postgresql://…"


def _program() -> list[str]:
    """Return the name of this program if the PATH leads to it, and its path otherwise."""
    beside = Path(sys.executable).with_name("xoxo")
    on_path = _on_path("xoxo")
    if on_path and beside.exists() and on_path.samefile(beside):
        return ["xoxo"]
    if sys.argv[0] and Path(sys.argv[0]).name == "xoxo" and Path(sys.argv[0]).exists():
        return ["xoxo"] if on_path and on_path.samefile(sys.argv[0]) else [_short(Path(sys.argv[0]))]
    if beside.exists():
        return [_short(beside)]
    return [_short(Path(sys.executable)), "-m", "xoxo_async"]


def _on_path(name: str) -> Path | None:
    """Return the program that a shell finds by a name.

    Not `shutil.which`: that module loads three compression libraries, which takes longer than to read a ledger.
    """
    for folder in os.get_exec_path():
        path = os.path.join(folder, name)  # noqa: PTH118 - and no `Path.is_file`, which raises below a closed folder
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return Path(path)
    return None


def _short(path: Path) -> str:
    """Return a path relative to the working folder, if it lies under that."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
