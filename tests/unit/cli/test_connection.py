"""`connection`: flags and XOXO_* variables name one server, and it is known whether it costs real money."""

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
        (Connection(profile="march"), ["--profile", "march"]),
    ],
)
def test_flags_lead_another_command_to_the_same_server(connection: Connection, flags: list[str]) -> None:
    """The flags of the next command are those of the command line, since the environment stays."""
    assert connection.flags == flags


def test_a_flag_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without both it is STAGING, and a sandbox has no address."""
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
def test_unknown_addresses_are_real_money(address: str, real: bool) -> None:
    """An address that only looks like staging or this machine may cost money."""
    assert is_real_money(Connection(base_url=address)) is real


def test_the_sandboxs_money_is_never_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment does not matter."""
    monkeypatch.setenv("XOXO_BASE_URL", PRODUCTION)
    assert is_real_money(Connection())
    assert not is_real_money(Connection(sandbox=True))
