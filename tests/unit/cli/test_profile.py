"""`profile`: profiles are listed and shown, and `--profile` stands before or after any command."""

from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async import PRODUCTION
from xoxo_async.sandbox import Sandbox


@pytest.fixture
def march(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file with one profile, and a secret beside it."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("XOXO_CONFIG", str(path))
    (tmp_path / "march.secret").write_text("hush-hush\n")
    (tmp_path / "march.secret").chmod(0o600)
    path.write_text(
        '[profiles.march]\nbase_url = "production"\nclient_id = "me"\nclient_secret_file = "march.secret"\n'
    )
    return path


def test_profiles_are_listed(command: Command, march: Path) -> None:
    """A person reads a row for each, a script an object."""
    assert command("profile", "list").out == f"name\tbase_url\tclient_id\tfamily\nmarch\t{PRODUCTION}\tme\tuser\n"
    assert command("profile", "list", "--json").facts["profiles"][0]["name"] == "march"


@pytest.mark.parametrize(
    "line", ["profile show march", "--profile march profile show", "profile show --profile march --json"]
)
def test_a_profile_is_shown_without_its_secret(command: Command, march: Path, line: str) -> None:
    """Each setting says where it comes from."""
    shown = command(*line.split())
    assert shown.code == 0
    assert "***" in shown.out
    assert "profile march (the file " in shown.out
    assert "hush" not in shown.out + shown.err


def test_a_command_uses_its_profile(
    command: Command, march: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag or the variable leads to address and account, and the secret's file is read."""
    for name in ("XOXO_BASE_URL", "XOXO_CLIENT_ID", "XOXO_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    (tmp_path / "march.secret").write_text(sandbox.client_secret)
    march.write_text(
        f'[profiles.march]\nbase_url = "{sandbox.base_url}"\nclient_id = "{sandbox.client_id}"\n'
        'client_secret_file = "march.secret"\nlimits = {balance = "none"}\n'
    )
    assert command("balance", "--profile", "march").code == 0
    assert command("--profile", "march", "balance").code == 0
    assert command("balance").code == 2


def test_a_profile_of_a_flag_goes_first(
    command: Command, march: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten variable sends no order elsewhere, and that the profile goes before it is said."""
    (march.parent / "march.secret").write_text(sandbox.client_secret)
    march.write_text(
        march.read_text().replace("production", sandbox.base_url).replace('"me"', f'"{sandbox.client_id}"')
    )
    monkeypatch.setenv("XOXO_BASE_URL", "https://elsewhere.example/chef")
    monkeypatch.setenv("XOXO_CLIENT_ID", "somebody")
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "of-somebody")
    shown = command("balance", "--profile", "march")
    assert (shown.code, "the profile march goes before XOXO_BASE_URL" in shown.err) == (0, True)
    monkeypatch.setenv("XOXO_PROFILE", "march")
    assert "elsewhere.example" in command("profile", "show").out


def test_the_next_command_keeps_the_profile(command: Command, march: Path) -> None:
    """A run that is declined at production prints the flag again, and an unknown profile is wrong usage."""
    (march.parent / "o.csv").write_text("key,product_id,denomination\na,1001,500\n")
    asked = command("bulk", "run", "o.csv", "--ledger", "m.db", "--profile", "march")
    assert asked.code == 2
    assert "moves real money" in asked.err
    wrong = command("balance", "--profile", "mars", "--json")
    assert (wrong.code, "did you mean march" in wrong.facts["error"]) == (2, True)


def test_no_file_is_one_clear_line(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It names the place and the variable."""
    monkeypatch.setenv("XOXO_CONFIG", str(tmp_path / "none.toml"))
    shown = command("profile", "list")
    assert shown.code == 2
    assert shown.err.startswith(f"error: there is no file of profiles at {tmp_path / 'none.toml'}")
