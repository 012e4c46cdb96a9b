"""`--problems FILE`: write every problem of the rows of ORDERS beside its row."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xoxo_async.cli.output import say
from xoxo_async.cli.wording import count
from xoxo_async.errors import PlanError

if TYPE_CHECKING:
    from xoxo_async.bulk.exporting.problems import ProblemsFile

__all__ = ["noting", "problems_file", "say_problems"]


def problems_file(path: Path | None) -> "ProblemsFile | None":
    """Return the file of the flag; None without the flag.

    Args:
        path: The value of the flag.

    Raises:
        ConfigError: The file cannot be written, or is no older file of problems.
    """
    from xoxo_async.bulk.exporting.problems import ProblemsFile

    return None if path is None else ProblemsFile(path)


@contextmanager
def noting(file: "ProblemsFile | None") -> Generator[None]:
    """Note the problems of the block in a file, and print where they are if the block refuses the rows.

    Args:
        file: The file; None notes nothing.
    """
    if file is None:
        yield
        return
    try:
        with file:
            yield
    except PlanError:
        say_problems(file)
        raise


def say_problems(file: "ProblemsFile | None") -> None:
    """Give the file its name, and print what is in it.

    Args:
        file: The file; None prints nothing.
    """
    if file is None:
        return
    file.finish()
    rows = f" of {count(file.rows, 'row')}, each beside its row" if file.total else ""
    say(f"{count(file.total, 'problem')}{rows}: {file.path}")
