"""Run the command `xoxo` in the process of the test, so that coverage sees it and a test can look at its state."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.accounts import forget_accounts
from xoxo_async.cli.main import run

__all__ = ["Command", "Ended", "runner"]


class Ended(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """The object on the last line of standard output."""
        facts: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return facts


Command = Callable[..., Ended]


def runner(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs a command in a folder, without the XOXO_* variables of who runs the tests."""
    for name in [name for name in os.environ if name.startswith("XOXO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    # A command that is named for the next step is `xoxo …` where the PATH leads to it.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        forget_accounts()  # as in a process of its own, which would not wait for the slots of the command before it
        code = run([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return call
