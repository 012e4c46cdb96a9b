"""Fixtures for the tests of commands."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command, runner
from xoxo_async.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Restore the signal handlers that a command replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return the command, in an empty folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return runner(tmp_path, monkeypatch, capsys)


@pytest.fixture
def sandbox(command: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a sandbox, and set the environment to its address."""
    with Sandbox().run_in_thread() as running:
        monkeypatch.setenv("XOXO_BASE_URL", running.base_url)
        monkeypatch.setenv("XOXO_CLIENT_ID", running.client_id)
        monkeypatch.setenv("XOXO_CLIENT_SECRET", running.client_secret)
        yield running
