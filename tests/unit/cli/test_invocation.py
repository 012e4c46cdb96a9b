"""`invocation`: the flags of a command line are known, also after an error."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click
import pytest

from xoxo_async.cli.invocation import Command, Group, Invocation, is_debugging
from xoxo_async.cli.main import xoxo


def reached(line: str) -> Invocation:
    """Return the invocation of a command line whose command fails."""
    invocation = Invocation(line.split())

    def fail(**_given: Any) -> None:
        raise RuntimeError

    with pytest.MonkeyPatch.context() as patch:
        for group in (xoxo, *(one for one in xoxo.commands.values() if isinstance(one, click.Group))):
            for command in group.commands.values():
                if not isinstance(command, click.Group):
                    patch.setattr(command, "callback", fail)
        with suppress(click.ClickException, click.exceptions.Exit, RuntimeError):
            xoxo.main(list(invocation.arguments), prog_name="xoxo", standalone_mode=False, obj=invocation)
    return invocation


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("bulk run orders.csv --ledger m.db", "xoxo bulk run"),
        ("--debug bulk resume --ledger m.db", "xoxo bulk resume"),
        ("balance --json", "xoxo balance"),
        ("bulk nosuch", "xoxo bulk"),
        ("--help", "xoxo"),
    ],
)
def test_the_deepest_context_is_kept(line: str, path: str) -> None:
    """It is the name of the command, or of the group if the line names no command."""
    context = reached(line).context
    assert context is not None
    assert context.command_path == path


@pytest.mark.parametrize(
    "line",
    [
        "bulk status --ledger m.db --json",
        "bulk status --json",
        "order get --no-such-flag --json",
        "bulk run o.csv --concurrency 0 --json --ledger m.db",
        "nosuch --json",
        "--json",
    ],
)
def test_json_is_known_on_a_wrong_line_too(line: str) -> None:
    """The flag may stand before or after the wrong word, or without a command."""
    assert reached(line).as_json


@pytest.mark.parametrize("line", ["bulk status --ledger --json", "order history --tag --json", "balance", "nosuch"])
def test_a_value_is_no_flag(line: str) -> None:
    """Click takes the word after an option as its value."""
    assert not reached(line).as_json


@pytest.mark.parametrize("line", ["points send", "points cancel", "links generate", "links send"])
def test_money_without_a_key_is_unkeyed(line: str) -> None:
    """A second run would move the money again, so no message may name it."""
    invocation = reached(line)
    assert (invocation.unkeyed, invocation.keyed, invocation.in_bulk) == (True, False, False)


def test_an_order_is_keyed() -> None:
    """A second run finds the result of the first one."""
    invocation = reached("order place --po-number A")
    assert (invocation.unkeyed, invocation.keyed, invocation.in_bulk) == (False, True, False)


@pytest.mark.parametrize(
    ("line", "in_bulk"),
    [("order get", False), ("points balance", False), ("bulk run o.csv", True), ("balance", False), ("bulk x", True)],
)
def test_other_commands_may_be_run_again(line: str, in_bulk: bool) -> None:
    """Reads and bulk runs do not."""
    invocation = reached(line)
    assert (invocation.unkeyed, invocation.keyed, invocation.in_bulk) == (False, False, in_bulk)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("bulk run o.csv --ledger a.db", "a.db"),
        ("bulk run o.csv --ledger=a.db", "a.db"),
        ("bulk run o.csv --ledger a.db --ledger=b.db", "b.db"),
        ("bulk run o.csv --rate x --ledger a.db", "a.db"),
        ("bulk run o.csv --nosuch --ledger a.db", "a.db"),
        ("bulk run o.csv --ledger", ""),
        ("bulk run o.csv --ledgers a.db", ""),
        ("bulk run", ""),
        ("balance", ""),
    ],
)
def test_an_option_has_its_parsed_value(line: str, value: str) -> None:
    """A blank or an equals sign may precede it, the last one counts, and without one it is empty."""
    assert reached(line).option("ledger") == value


@pytest.mark.parametrize("action", ["plan o", "run o", "resume", "reconcile", "status"])
def test_commands_over_a_ledger_count_rows(action: str) -> None:
    """Their JSON has all counts, also after an error."""
    assert reached(f"bulk {action} --ledger m.db").counts_rows


@pytest.mark.parametrize("line", ["bulk export --ledger m.db --out o.csv", "balance", "order place", "bulk", "--help"])
def test_other_commands_count_no_rows(line: str) -> None:
    """Other commands have no rows to count."""
    assert not reached(line).counts_rows


def test_debug_is_a_flag_of_the_whole_command() -> None:
    """The running command has the context, later the invocation has it, and before both the flag is off."""
    seen: list[bool] = []

    @click.group(cls=Group)
    @click.option("--debug", is_flag=True)
    def root(debug: bool) -> None:
        """The group at the top."""

    @root.command("look")
    def look() -> None:
        seen.append(is_debugging())

    assert isinstance(look, Command)
    for arguments in (["--debug", "look"], ["look"]):
        invocation = Invocation(arguments)
        root.main(arguments, standalone_mode=False, obj=invocation)
        seen.append(invocation.debug)
    assert seen == [True, True, False, False]
    assert not is_debugging()
    assert not Invocation(["--debug"]).debug


def commands(group: click.Group, path: str = "xoxo") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its words."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize("width", [80, 60])
def test_no_help_is_wider_than_its_terminal(width: int) -> None:
    """Words are wrapped, and so are examples."""
    for path, command in commands(xoxo):
        shown = click.Context(command, info_name=path, terminal_width=width - 2).get_help()
        assert [line for line in shown.splitlines() if len(line) > width] == []
        assert [line for line in shown.splitlines()[1:] if line.endswith("...")] == []


def test_a_long_example_can_be_pasted() -> None:
    """It goes on after a backslash; what is said beside it stands above it."""
    command = Command("x", epilog="\b\nExamples:\n  xoxo bulk run orders.csv --ledger march.db --yes     with money")
    lines = click.Context(command, terminal_width=40).get_help().splitlines()
    example = [line.strip() for line in lines[lines.index("  Examples:") + 1 :]]
    assert example[0] == "# with money"
    assert " ".join(line.removesuffix("\\").strip() for line in example[1:]) == (
        "xoxo bulk run orders.csv --ledger march.db --yes"
    )
    assert all(line.endswith("\\") for line in example[1:-1])
