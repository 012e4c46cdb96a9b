"""`manual`: shells complete commands, flags, files and profiles, and `man` reads a page for each command."""

from pathlib import Path

import click
import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.cli.main import xoxo
from xoxo_async.cli.manual import pages_of


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(command: Command, shell: str) -> None:
    """It names the variable with which it asks the command."""
    shown = command("completion", shell)
    assert shown.code == 0
    assert f"_XOXO_COMPLETE={shell}_complete" in shown.out


def test_another_shell_is_wrong_usage(command: Command) -> None:
    """The error names those that there are."""
    assert command("completion", "tcsh").code == 2


@pytest.mark.parametrize(
    ("line", "begun", "offered"),
    [
        ("bulk", "re", {"resume", "reconcile", "resolve", "rebind"}),
        ("bulk run", "--sa", {"--sandbox"}),
        ("bulk run", "or", {"or"}),  # the shell completes files
        ("balance --profile", "m", {"march"}),
        ("balance --profile", "x", set()),
    ],
)
def test_words_are_completed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, begun: str, offered: set[str]
) -> None:
    """As the scripts ask for them."""
    from click.shell_completion import ShellComplete

    (tmp_path / "c.toml").write_text("[profiles.march]\n[profiles.april]\n")
    monkeypatch.setenv("XOXO_CONFIG", str(tmp_path / "c.toml"))
    found = ShellComplete(xoxo, {}, "xoxo", "_XOXO_COMPLETE").get_completions(line.split(), begun)
    assert offered <= {item.value for item in found}
    assert bool(offered) == bool(found)


def test_a_wrong_file_completes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell shows no error while a person types."""
    from click.shell_completion import ShellComplete

    (tmp_path / "c.toml").write_text("no toml")
    monkeypatch.setenv("XOXO_CONFIG", str(tmp_path / "c.toml"))
    assert ShellComplete(xoxo, {}, "xoxo", "_X").get_completions(["balance", "--profile"], "m") == []


def test_every_command_has_a_page(command: Command, tmp_path: Path) -> None:
    """With its flags and its examples."""
    shown = command("man", "--dir", tmp_path / "man1")
    assert (shown.code, shown.out) == (0, f"{tmp_path / 'man1'}\n")
    run = (tmp_path / "man1" / "xoxo-bulk-run.1").read_text()
    assert r"\fB\-\-max\-spend\fP N" in run
    assert "xoxo bulk run orders.csv --ledger march.db --sandbox" in run
    assert "\b" not in run
    assert (tmp_path / "man1" / "xoxo.1").exists()


def test_roff_sees_no_command_of_ours() -> None:
    """A line that begins with a dot, and a backslash, are text."""

    @click.command(help="Read it.\n\n.TH evil\n\\fB x …")
    def evil() -> None: ...

    ((_name, page),) = pages_of(click.Context(evil, info_name="evil"))
    assert r"\&.TH evil" in page
    assert r"\efB x \[u2026]" in page


def test_pages_that_cannot_be_written_are_wrong_usage(command: Command, tmp_path: Path) -> None:
    """The error names the folder."""
    (tmp_path / "file").touch()
    shown = command("man", "--dir", tmp_path / "file" / "x")
    assert shown.code == 2
    assert str(tmp_path / "file" / "x") in shown.err


def test_the_usual_folder_is_this_users(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`man` looks there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert command("man").out == f"{tmp_path / 'man' / 'man1'}\n"
