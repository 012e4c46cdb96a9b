"""`connection`: flags and XOXO_* variables lead to one server, and whether it is real money is known."""

import os
from pathlib import Path

import pytest

from xoxo_async.cli.connection import SANDBOX, Connection, is_real_money
from xoxo_async.config import PRODUCTION, STAGING


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("XOXO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("connection", "flags"),
    [
        (Connection(), []),
        (Connection(sandbox=True), ["--sandbox"]),
        (
            Connection(base_url="https://x.example", client_id="me"),
            ["--base-url", "https://x.example", "--client-id", "me"],
        ),
        (Connection(rate=5, connections=9), []),
    ],
)
def test_flags_lead_another_command_to_the_same_server(connection: Connection, flags: list[str]) -> None:
    """Only what was said on the command line: the environment is still there."""
    assert connection.flags == flags


def test_an_address_is_the_flags_and_else_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else STAGING; the sandbox has none."""
    assert Connection().address == STAGING
    monkeypatch.setenv("XOXO_BASE_URL", "https://env.example/chef")
    assert Connection().address == "https://env.example/chef"
    assert Connection(base_url="https://flag.example").address == "https://flag.example"
    assert Connection(base_url="https://flag.example", sandbox=True).address == SANDBOX


@pytest.mark.parametrize(
    ("address", "real"),
    [
        (PRODUCTION, True),
        (STAGING, False),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("https://staging.example.com", True),
        ("https://staging.xoxoday.com.example.com", True),
        ("https://notstaging.xoxoday.com", True),
        ("https://127.0.0.1.example.com", True),
    ],
)
def test_money_is_real_unless_it_is_known_not_to_be(address: str, real: bool) -> None:
    """An address that only looks like staging or this machine may cost something."""
    assert is_real_money(Connection(base_url=address)) is real


def test_the_sandboxs_money_is_never_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("XOXO_BASE_URL", PRODUCTION)
    assert is_real_money(Connection())
    assert not is_real_money(Connection(sandbox=True))
