"""What a command line asked for, as click understood it: for what is said when it ends otherwise than it should."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import click

__all__ = ["Command", "Group", "Invocation", "is_debugging"]

Parser = Callable[[click.Context, list[str]], list[str]]


class Command(click.Command):
    """A command that says what running it again would do, and whose context stays known after its end.

    Args:
        args: As for `click.Command`.
        moves_money: `keyed` moves money under the caller's own key: run again, it finds what it did. `unkeyed` moves
            money without a key: run again, it moves it again. Empty moves none, or keeps a ledger.
        counts_rows: Whether its JSON has the counts of a ledger, however it ends.
        kwargs: As for `click.Command`.
    """

    def __init__(
        self,
        *args: Any,
        moves_money: Literal["", "keyed", "unkeyed"] = "",
        counts_rows: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.moves_money: Final = moves_money
        self.counts_rows: Final = counts_rows

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command's own arguments."""
        return _parse_and_note(super().parse_args, ctx, args)


class Group(click.Group):
    """A group of such commands."""

    command_class: type[click.Command] | None = Command
    group_class: type[click.Group] | type[type] | None = type

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the group's own arguments."""
        return _parse_and_note(super().parse_args, ctx, args)


def _parse_and_note(parse: Parser, ctx: click.Context, args: list[str]) -> list[str]:
    """Parse arguments, and leave the context where `Invocation` finds it.

    click stops at the first wrong argument. What stands behind it still counts: a script that gave `--json` reads JSON.
    So a wrong line is read once more, leniently, by the same parser.
    """
    if isinstance(ctx.obj, Invocation):
        ctx.obj.context = ctx
    words = list(args)
    try:
        return parse(ctx, args)
    except click.UsageError:
        lenient = click.Context(
            ctx.command,
            info_name=ctx.info_name,
            parent=ctx.parent,
            resilient_parsing=True,
            ignore_unknown_options=True,
            allow_extra_args=True,
        )
        with suppress(click.UsageError):
            parse(lenient, words)
        ctx.params.update(lenient.params)
        raise


class Invocation:
    """One command line.

    Args:
        arguments: What follows the program's name.

    Attributes:
        arguments: The same.
        context: The context of the command that was reached, or of the group where none was; None before.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments: Final[tuple[str, ...]] = tuple(arguments)
        self.context: click.Context | None = None

    @property
    def as_json(self) -> bool:
        """Whether JSON was asked for."""
        if self.context is None or isinstance(self.context.command, click.Group):
            return "--json" in self.arguments  # no command was reached whose flag it could be
        return bool(self.context.params.get("as_json"))

    @property
    def debug(self) -> bool:
        """Whether the origin of an error was asked for."""
        return self.context is not None and bool(self.context.find_root().params.get("debug"))

    @property
    def in_bulk(self) -> bool:
        """Whether the command works on many orders."""
        return self.context is not None and "bulk" in self.context.command_path.split()[1:]

    @property
    def unkeyed(self) -> bool:
        """Whether the command moves money without a key: run again, it moves it again."""
        return self._command is not None and self._command.moves_money == "unkeyed"

    @property
    def keyed(self) -> bool:
        """Whether the command moves money under the caller's own key: run again, it finds what it did."""
        return self._command is not None and self._command.moves_money == "keyed"

    @property
    def counts_rows(self) -> bool:
        """Whether the command's JSON has the counts of a ledger."""
        return self._command is not None and self._command.counts_rows

    def option(self, name: str) -> str:
        """Return what was given for an option as text; empty without it.

        Args:
            name: The option's parameter, `ledger`.
        """
        value = None if self.context is None else self.context.params.get(name)
        return "" if value is None else str(value)

    @property
    def _command(self) -> Command | None:
        command = None if self.context is None else self.context.command
        return command if isinstance(command, Command) else None


def is_debugging() -> bool:
    """Return whether the command that runs was asked to show where an error comes from."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("debug"))
