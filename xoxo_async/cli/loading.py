"""The commands of a group, each imported when it is asked for: one command loads nothing that only others need."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Final

import click

__all__ = ["LazyCommands"]


class LazyCommands(MutableMapping[str, click.Command]):
    """The commands of a click group by their names; see `click.Group.commands`.

    Args:
        homes: Where each command is, as `module:name`.
    """

    def __init__(self, homes: dict[str, str]) -> None:
        self._homes: Final = dict(homes)
        self._loaded: Final[dict[str, click.Command]] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, _, attribute = self._homes[name].partition(":")
            command = getattr(import_module(module), attribute)
            if not isinstance(command, click.Command):
                raise TypeError(f"{self._homes[name]} is no command")
            self._loaded[name] = command
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._homes[name], self._loaded[name] = "", command

    def __delitem__(self, name: str) -> None:
        del self._homes[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)
