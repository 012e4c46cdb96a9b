"""The `xoxo` command that does something about a ledger, as messages of the library name it: it works when pasted."""

import shlex
from typing import Protocol

__all__ = ["command_for"]


class Reached(Protocol):
    """The part of a ledger that says how a command reaches it."""

    @property
    def argument(self) -> str:
        """What `--ledger` takes to reach the same ledger; without a password."""
        ...


def command_for(ledger: Reached, words: str, *flags: str, keys: tuple[str, ...] = ()) -> str:
    """Return a command on a ledger, quoted for a shell.

    Args:
        ledger: The ledger.
        words: The command: `xoxo bulk status`.
        flags: Its flags.
        keys: The keys of the rows that it is about.
    """
    rows = ["--", *keys] if any(key.startswith("-") for key in keys) else keys
    return shlex.join([*words.split(), "--ledger", ledger.argument, *flags, *rows])
