"""`links`: a link is cash, and only the call that makes it shows it."""

import stat
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

GENERATE = ("links", "generate", "--campaign-id", "7001", "--quantity", "3", "--expires-on", "2099-01-01")


def urls(sandbox: Sandbox) -> list[str]:
    return sandbox.state.links.all()


def test_campaigns_are_listed(command: Command, sandbox: Sandbox) -> None:
    """Each campaign has the id that `generate` needs."""
    listed = command("links", "campaigns", "--limit", "1")
    (campaign,) = command("links", "campaigns", "--limit", "1", "--json").facts["campaigns"]
    assert listed.out.splitlines()[1].split("\t")[0] == str(campaign["campaign_id"])


def test_links_need_a_file_or_reveal(command: Command, sandbox: Sandbox) -> None:
    """Without --out and --reveal nothing is made."""
    assert command(*GENERATE).code == 2
    assert not urls(sandbox)


def test_links_go_into_a_new_private_file(command: Command, sandbox: Sandbox) -> None:
    """The file has mode 0600, and the screen shows no link."""
    ended = command(*GENERATE, "--out", "links.txt")
    assert (ended.code, ended.out) == (0, "")
    assert sorted(Path("links.txt").read_text().split()) == sorted(urls(sandbox))
    assert stat.S_IMODE(Path("links.txt").stat().st_mode) == 0o600


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["lines", "json"])
def test_links_are_shown_where_asked_for(command: Command, sandbox: Sandbox, flags: tuple[str, ...]) -> None:
    """Every link is printed in full."""
    ended = command(*GENERATE, "--reveal", *flags)
    assert ended.code == 0
    assert all(url in ended.out for url in urls(sandbox))


def test_an_existing_file_makes_no_link(command: Command, sandbox: Sandbox) -> None:
    """That is exit 2 before the call, because the file is made first."""
    Path("links.txt").write_text("older")
    ended = command(*GENERATE, "--out", "links.txt")
    assert (ended.code, "never overwritten; nothing was sent" in ended.err) == (2, True)
    assert command(*GENERATE, "--out", "no/such/folder.txt").code == 2
    assert (Path("links.txt").read_text(), urls(sandbox)) == ("older", [])


def test_a_call_that_fails_leaves_no_file(command: Command, sandbox: Sandbox) -> None:
    """The next command can use the same name."""
    sandbox.script("error_in_200", operation="generateLink", first=1)
    assert command(*GENERATE, "--out", "links.txt").code != 0
    assert not Path("links.txt").exists()


def test_links_that_cannot_be_kept_are_shown(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is exit 4, and the message does not say that nothing was sent, because the links exist."""

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xoxo_async.private_files.os.write", full)
    ended = command(*GENERATE, "--out", "links.txt")
    monkeypatch.undo()
    assert ended.code == 4
    assert sorted(ended.out.split()) == sorted(urls(sandbox))
    assert "nothing was sent" not in ended.err


def test_links_are_mailed(command: Command, sandbox: Sandbox) -> None:
    """Each address gets one link."""
    mail = ("links", "send", "--campaign-id", "7001", "--email", "a@example.com", "--expires-on", "2099-01-01")
    assert command(*mail).code == 0
    assert command(*mail, "--json").code == 0
    assert sandbox.books().requests["generateLinkEmail"] == 2
