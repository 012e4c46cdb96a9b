"""`command_line`: a person can paste the command into the shell."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.command_line import command_line, file_for
from xoxo_async.cli.options import NewFile


def test_a_command_is_quoted_for_the_shell() -> None:
    """A shell reads a ledger's name with a blank from the printed command unchanged."""
    assert shlex.split(command_line("bulk", "resume", "--ledger", "my march.db"))[-1] == "my march.db"


def test_a_suggested_file_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a ledger is called is no reason to refuse the command that was printed."""
    monkeypatch.chdir(tmp_path)
    assert file_for(LedgerAddress.read("march.db"), "-codes.csv") == "march-codes.csv"
    for name in ("user=bob.db", "host=a port=1.db", "me:2024@q1.db"):
        suggested = file_for(LedgerAddress.read(f"./{name}"), "-codes.csv")
        assert NewFile().convert(suggested, None, None).name == f"{Path(name).stem}-codes.csv"


def test_the_program_on_the_path_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is `xoxo` where the shell finds this very program, and a path where it finds none or another one."""
    own = Path(sys.executable).with_name("xoxo")
    monkeypatch.setenv("PATH", str(own.parent))
    assert command_line("balance") == "xoxo balance"
    other = tmp_path / "xoxo"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{own.parent}")
    other.mkdir()
    assert command_line("balance") == "xoxo balance"
    other.rmdir()
    other.touch(mode=0o600)
    assert command_line("balance") == "xoxo balance"
    other.chmod(0o700)
    assert shlex.split(command_line("balance"))[0] != "xoxo"


def test_a_closed_folder_on_the_path_is_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH may have another user's folder, as after `su`: the command is printed after money was spent."""
    own, closed, status = Path(sys.executable).with_name("xoxo"), str(tmp_path / "closed"), os.stat

    def refused(path: str | Path, **how: bool) -> os.stat_result:
        if str(path).startswith(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return status(path, **how)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setenv("PATH", f"{closed}{os.pathsep}{own.parent}")
    assert command_line("balance") == "xoxo balance"


@pytest.mark.parametrize("before", ["", "--ledger="])
def test_a_database_loses_its_password(before: str) -> None:
    """It is part of what a person gave, and of nothing that is printed."""
    line = command_line("bulk", "run", f"{before}postgresql://me:hunter2@db/x?sslmode=require#march")
    assert shlex.split(line)[-1] == f"{before}postgresql://me@db/x?sslmode=require#march"
    assert "hunter2" not in command_line(f"{before}postgresql://me:hun/ter2@db:x/y")
