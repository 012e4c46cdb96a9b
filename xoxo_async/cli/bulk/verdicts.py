"""Write a row for each order of a ledger with the verdict of a proof: `xoxo bulk prove --lines FILE.csv`."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from xoxo_async.bulk.exporting.cells import csv_line, shown
from xoxo_async.cli.bulk.row_file import row_file
from xoxo_async.cli.failures import scrub
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xoxo_async.bulk.proving.facts import LineFacts
    from xoxo_async.bulk.proving.result import Finding

__all__ = ["Verdicts", "verdicts_in"]

_COLUMNS: Final = ("row", "key", "po_number", "state", "order_id", "verdict", "why")


class Verdicts:
    """Writes verdicts.

    Args:
        file: The open file; None writes nothing.

    Attributes:
        rows: How many rows were written.
    """

    def __init__(self, file: TextIO | None) -> None:
        self.rows: int = 0
        self._file: Final = file
        if file is not None:
            file.write(csv_line(_COLUMNS))

    def __call__(self, line: "LineFacts", findings: "Sequence[Finding]") -> None:
        """Write the verdict about one line."""
        if self._file is None:
            return
        why = "; ".join(scrub(finding.why) for finding in findings)
        if not line.lines and not findings:
            why = f"it travels in order {line.order_id}" if line.order_id else "it travels in another row's order"
        order_id = "" if line.order_id is None else str(line.order_id)
        cells = (str(line.row), line.key, line.po_number, line.state, order_id, verdict_of(findings), why)
        self._file.write(csv_line(map(shown, cells)))
        self.rows += 1


def verdict_of(findings: "Sequence[Finding]") -> str:
    """Return a verdict in words.

    Args:
        findings: What was found about a line.
    """
    if not findings:
        return "agrees"
    return "not known" if all(finding.kind == "unknown" for finding in findings) else "differs"


@contextmanager
def verdicts_in(path: Path | None) -> Generator[Verdicts]:
    """Open a draft of a private file, which gets its name once all verdicts are written.

    Args:
        path: The file; None writes nothing.

    Raises:
        ConfigError: The file cannot be written, has another ending than .csv, or is there and has no verdicts.
    """
    if path is None:
        yield Verdicts(None)
        return
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"the verdicts are CSV: give --lines a name that ends in .csv, not {path.name}")
    with row_file(path, ",".join(_COLUMNS).encode().__eq__, "verdicts of an older proof") as file:
        yield Verdicts(file)
