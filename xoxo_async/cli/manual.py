"""`xoxo completion` and `xoxo man`: what a shell and `man` read about the commands."""

import os
import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import get_completion_class

import xoxo_async
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.options import NewFile
from xoxo_async.cli.output import out, say
from xoxo_async.cli.wording import count
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from click_man.man import ManPage

__all__ = ["completion", "man", "pages_of"]

_SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_XOXO_COMPLETE"
"""The variable with which the script calls the command; click makes the name from the program's."""


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  eval "$(xoxo completion bash)"                                        in ~/.bashrc
  eval "$(xoxo completion zsh)"                                         in ~/.zshrc
  xoxo completion fish > ~/.config/fish/completions/xoxo.fish           once""",
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script that makes a shell complete commands, flags, files and profiles."""
    kind = get_completion_class(shell)
    if kind is None:  # a later click may know fewer shells
        raise ConfigError(f"this version of click completes nothing in {shell}")
    script = kind(context.find_root().command, {}, "xoxo", _VARIABLE)
    out((script.source_template % script.source_vars()).strip())


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo man                                       then: man xoxo, man xoxo-bulk-run
  xoxo man --dir /usr/local/share/man/man1       for all users""",
)
@click.option("--dir", "folder", type=NewFile(), metavar="FOLDER",
              help="Where to write them [default: man/man1 in $XDG_DATA_HOME or ~/.local/share].")  # fmt: skip
@click.pass_context
def man(context: click.Context, /, folder: Path | None) -> None:
    """Write the manual pages, one for each command."""
    folder = folder or _usual_folder()
    root = context.find_root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pages = list(pages_of(click.Context(root.command, info_name="xoxo")))
        for name, text in pages:
            (folder / f"{name}.1").write_text(text)
    except OSError as error:
        raise ConfigError(f"the pages cannot be written to {folder}: {error.strerror or error}") from None
    out(str(folder))
    say(f"{count(len(pages), 'page')} written; read them with: man xoxo")


def _usual_folder() -> Path:
    try:
        data = Path(os.environ.get("XDG_DATA_HOME", "").strip() or Path.home() / ".local" / "share")
    except RuntimeError:
        raise ConfigError("there is no home folder for the pages: give --dir") from None
    return data / "man" / "man1"


def pages_of(context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the pages of a command, and of those below it.

    Args:
        context: The context of the command.

    Raises:
        ConfigError: click-man is not installed.
    """
    try:
        from click_man.man import ManPage
    except ImportError:
        raise ConfigError("the manual pages need click-man: pip install 'xoxo-async[cli]'") from None
    yield context.command_path.replace(" ", "-"), _page(ManPage(context.command_path), context)
    commands: dict[str, click.Command] = getattr(context.command, "commands", {})
    for name, command in commands.items():
        yield from pages_of(click.Context(command, info_name=name, parent=context))


def _page(page: "ManPage", context: click.Context) -> str:
    """Return one page. click-man knows no epilog, and leaves the escapes of roff to its caller."""
    command = context.command
    described = cleandoc(command.help or "")
    page.version = xoxo_async.__version__
    page.short_help = _escaped(described.partition("\n")[0].rstrip("."))
    page.synopsis = _escaped(" ".join(command.collect_usage_pieces(context)))
    page.description = _escaped(described)
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    page.options = [(flag, _escaped(text)) for flag, text in filter(None, records)]
    below: dict[str, Any] = getattr(command, "commands", {})
    page.commands = [(name, _escaped(one.get_short_help_str(200))) for name, one in below.items()]
    if not command.epilog:
        return str(page)
    notes = _escaped(cleandoc(command.epilog.replace("\b\n", "").replace("\b", "")))
    return f"{page}.SH NOTES\n.nf\n{notes}\n.fi\n"


def _escaped(text: str) -> str:
    """Return a text in which roff sees no command of its own."""
    text = text.replace("\b", "").replace("\\", "\\e")
    text = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in text)
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)
