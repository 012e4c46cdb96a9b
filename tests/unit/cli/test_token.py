"""`token`: it stores a pair and checks a token, and never prints a token."""

import io
import json
import stat
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox


def test_a_valid_token_is_shown_with_its_expiry(command: Command, sandbox: Sandbox) -> None:
    """A text and JSON have the expiry without the token."""
    shown, read = command("token"), command("token", "--json")
    assert shown.out.startswith("the token is valid until ")
    assert (read.code, read.facts["valid"]) == (0, True)
    assert read.facts["expires_at"].endswith("+00:00")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"refresh_token": "refresh-1", "access_token": "access-1", "expires_in": 3600}),
        "refresh-1\naccess-1\n2099-12-31T12:00\n",
        "refresh-1\n",
    ],
    ids=["json", "lines", "refresh alone"],
)
def test_a_pair_is_stored_privately(command: Command, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The pair is the vendor's reply or lines. The file has mode 0600, and the output has no value of the pair."""
    monkeypatch.setenv("XOXO_TOKEN_FILE", "pair.json")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    ended = command("token", "import", "--client-id", "me", "--json")
    assert (ended.code, ended.facts["has_access_token"]) == (0, "access-1" in text)
    assert stat.S_IMODE(Path("pair.json").stat().st_mode) == 0o600
    assert "refresh-1" in Path("pair.json").read_text()
    assert "refresh-1" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "standard input has no pair"),
        ("{", "not a JSON object"),
        ("a\nb\n2099-01-01\nd\n", "more than three lines"),
        ("a\nb\nnext week\n", "neither a time"),
    ],
)
def test_other_input_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch, text: str, why: str) -> None:
    """That is exit 2, and nothing is stored."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    ended = command("token", "import", "--client-id", "me")
    assert (ended.code, why in ended.err) == (2, True)


def test_a_pair_needs_an_owner(command: Command) -> None:
    """It needs a client id, or the name of a file."""
    ended = command("token", "import")
    assert (ended.code, "not known which account" in ended.err) == (2, True)
