"""What a command line asks for, as click parsed it. `main` needs it to report how a command failed."""

import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["Command", "Group", "Invocation", "complete_files", "current_profile", "is_debugging"]

_PROFILE: Final = "xoxo.profile"

_WHOLE: Final = 400

Parser = Callable[[click.Context, list[str]], list[str]]


class Command(click.Command):
    """A click command that declares what a second run would do, and keeps its context for `Invocation`.

    Args:
        args: As for `click.Command`.
        moves_money: `keyed` moves money under the caller's own key, so a second run finds the first one's result.
            `unkeyed` moves money without a key, so a second run moves it again, unless the command line names a ledger.
            Empty: moves none, or always has a ledger.
        counts_rows: Whether its JSON always has the counts of a ledger, also after an error.
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
        self.params.append(_profile_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command's own arguments."""
        return _parse_and_note(super().parse_args, ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples; one that is too long for the terminal goes on after a backslash."""
        _write_examples(self.epilog, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - a list of commands wraps the sentence
        """Return the first sentence of the help, whole."""
        return super().get_short_help_str(_WHOLE)


class Group(click.Group):
    """A click group of such commands."""

    command_class: type[click.Command] | None = Command
    group_class: type[click.Group] | type[type] | None = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_profile_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the group's own arguments."""
        return _parse_and_note(super().parse_args, ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples, as `Command` does."""
        _write_examples(self.epilog, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - as for `Command`
        """Return the first sentence of the help, whole."""
        return super().get_short_help_str(_WHOLE)


def _write_examples(epilog: str | None, formatter: click.HelpFormatter) -> None:
    r"""Write an epilog. Paragraphs after `\b` are lines; one that is too long is wrapped at words.

    A command goes on after a backslash, so that it can still be pasted. What stands after it, two blanks or more apart,
    gets a line of its own.
    """
    if not epilog:
        return
    room = formatter.width - 2
    for paragraph in inspect.cleandoc(epilog).split("\n\n"):
        formatter.write_paragraph()
        with formatter.indentation():
            if not paragraph.startswith("\b\n"):
                formatter.write_text(paragraph)
                continue
            for line in paragraph.removeprefix("\b\n").split("\n"):
                for part in _fitting(line, room):
                    formatter.write(f"  {part}\n")


def _fitting(line: str, room: int) -> list[str]:
    """Return the lines that an example becomes."""
    if len(line) <= room:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    command, *notes = re.split(r" {2,}", line.strip(), maxsplit=1)
    is_command = command.startswith(("xoxo ", "export "))
    parts = textwrap.wrap(
        command, room - len(indent) - 2, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    end = " \\" if is_command else ""
    wrapped = [f"{indent}{part}{end if number < len(parts) else ''}" for number, part in enumerate(parts, 1)]
    return [f"{indent}# {note}" for note in notes] + wrapped


def _profile_option() -> click.Option:
    """Return `--profile`, which every command and group has: the profile may stand before or after the command."""
    return click.Option(
        ["--profile"],
        metavar="NAME",
        expose_value=False,
        callback=_note_profile,
        shell_complete=_complete_profile,
        help="The profile with address and account [env: XOXO_PROFILE].",
    )


def _note_profile(context: click.Context, _parameter: click.Parameter, name: str | None) -> None:
    if name is None:
        return
    if not context.resilient_parsing:
        from xoxo_async.profiles import find_profile

        try:
            find_profile(name)
        except ConfigError as error:
            raise click.BadParameter(error.message) from None
    context.meta[_PROFILE] = name


def _complete_profile(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the names of the profiles that begin so; none where the file is missing or wrong."""
    from xoxo_async.profiles import config_file, read_profiles

    path = config_file()
    try:
        names = read_profiles(path) if path is not None else {}
    except ConfigError:
        return []
    return sorted(name for name in names if name.startswith(begun))


def complete_files(_context: click.Context, _parameter: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Let the shell complete the names of files. For arguments that are no `click.Path`, because `-` is one too."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="file")]


def current_profile() -> str:
    """Return the profile that `--profile` of the running command names; empty without one."""
    context = click.get_current_context(silent=True)
    name = None if context is None else context.meta.get(_PROFILE)
    return name if isinstance(name, str) else ""


def _parse_and_note(parse: Parser, ctx: click.Context, args: list[str]) -> list[str]:
    """Parse arguments, and give the context to `Invocation`.

    click stops at the first wrong argument. Flags after it still count, because a script that gave `--json` reads JSON.
    So this function parses a wrong line a second time, and ignores errors.
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
        arguments: The arguments after the program's name.

    Attributes:
        arguments: The arguments after the program's name.
        context: The context of the command, or of the group if the line names no command; None before parsing.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments: Final[tuple[str, ...]] = tuple(arguments)
        self.context: click.Context | None = None

    @property
    def as_json(self) -> bool:
        """Whether the command line asks for JSON."""
        if self.context is None or isinstance(self.context.command, click.Group):
            return "--json" in self.arguments  # no command was parsed, so click has no value for it
        return bool(self.context.params.get("as_json")) or self.context.params.get("output") == "json"

    @property
    def debug(self) -> bool:
        """Whether the command line has `--debug`."""
        return self.context is not None and bool(self.context.find_root().params.get("debug"))

    @property
    def in_bulk(self) -> bool:
        """Whether the command works on the rows of a job."""
        in_group = self.context is not None and "bulk" in self.context.command_path.split()[1:]
        return in_group or self._on_a_ledger

    @property
    def unkeyed(self) -> bool:
        """Whether the command moves money without a key and without a ledger: a second run moves it again."""
        return self._moves("unkeyed") and not self._on_a_ledger

    @property
    def keyed(self) -> bool:
        """Whether the command moves money under the caller's own key, so that a second run finds the result."""
        return self._moves("keyed")

    @property
    def counts_rows(self) -> bool:
        """Whether the command's JSON has the counts of a ledger."""
        return (self._command is not None and self._command.counts_rows) or self._on_a_ledger

    def option(self, name: str) -> str:
        """Return the value of an option as text; empty if it has none.

        Args:
            name: The name of the parameter, for example `ledger`.
        """
        value = None if self.context is None else self.context.params.get(name)
        return "" if value is None else str(value)

    @property
    def job(self) -> str:
        """The job that `--job` or the ledger's URL names; empty if none does."""
        ledger = None if self.context is None else self.context.params.get("ledger")
        return self.option("job") or getattr(ledger, "job", None) or ""

    def _moves(self, how: str) -> bool:
        return self._command is not None and self._command.moves_money == how

    @property
    def _on_a_ledger(self) -> bool:
        """Whether a command that moves money without a key has a ledger: then a second run sends nothing twice."""
        return self._moves("unkeyed") and bool(self.option("ledger"))

    @property
    def _command(self) -> Command | None:
        command = None if self.context is None else self.context.command
        return command if isinstance(command, Command) else None


def is_debugging() -> bool:
    """Return whether the running command has `--debug`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("debug"))
