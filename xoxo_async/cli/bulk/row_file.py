"""A private file with a row for each line of a ledger, whole or absent; it replaces an older one of its kind alone."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from xoxo_async.errors import ConfigError
from xoxo_async.private_files import replacement, why_unwritten

__all__ = ["row_file"]


@contextmanager
def row_file(path: Path, is_older: Callable[[bytes], bool], what: str) -> Generator[TextIO]:
    """Open a draft of a private file, which gets its name at the end of the block. A file of no bytes is replaced too.

    Args:
        path: The file.
        is_older: Returns whether the first line of a file that has the name shows that it is an older one of the kind.
        what: What such a file has, for messages: `verdicts of an older proof`.

    Raises:
        ConfigError: The file cannot be written, or is there and cannot be read or is of another kind. Other errors of
            the block stay as they are.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(65_536)
    except FileNotFoundError:
        pass
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path} is there and cannot be read ({reason}), so it is not overwritten") from error
    else:
        if first and not is_older(first.strip()):
            raise ConfigError(f"{path} is there already and has no {what}, so it is not overwritten")
    try:
        with replacement(path) as file:
            yield file
    except OSError as error:
        why = why_unwritten(error, path)
        if why is None:  # the block reads a ledger and asks a server
            raise
        raise ConfigError(f"{path} cannot be written: {why}") from error
