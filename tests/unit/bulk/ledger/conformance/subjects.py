"""The ledgers that the conformance suite runs against. A new store adds its subject to `SUBJECTS`, and nothing else."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol, Self

from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger

__all__ = ["SUBJECTS", "SqliteSubject", "Subject", "killed_while_sending"]

START: Final = 1_800_000_000.0
"""Where the clock of a test begins."""


class Subject(Protocol):
    """One ledger that a test opens as often as it likes. It is empty at first.

    Attributes:
        name: Its kind: its key in `SUBJECTS`.
        address: Where it is; `SUBJECTS[name]` finds it there again, also in another process.
        now: The clock of everyone who has it open, wall clock and ledger clock in one. A test sets it.
    """

    name: str
    address: Path
    now: float

    def open(self, *, codes_key: str = "", store_codes: bool = True) -> AbstractAsyncContextManager[Ledger]:
        """Return an opening to write.

        Args:
            codes_key: Encrypts the voucher codes; empty keeps them in clear.
            store_codes: Whether voucher codes are kept.
        """
        ...

    def beside(self) -> AbstractAsyncContextManager[Ledger] | None:
        """Return a second opening to write, at work while the first one is; None where only one holder is let in."""
        ...

    def look(self) -> AbstractAsyncContextManager[Ledger] | None:
        """Return an opening that only reads, also while somebody writes; None where the store has none."""
        ...

    def stored(self) -> bytes:
        """Return everything that the store keeps: a test looks for secrets in it. Nobody has it open."""
        ...

    def prove_death(self) -> None:
        """Let the store's proof hold that every holder which was killed is dead, such as a lease that has ended."""
        ...

    def copy(self) -> "Subject | None":
        """Return a copy of the ledger that nobody has open; None where the store cannot tell a copy."""
        ...


class SqliteSubject:
    """The embedded ledger: one file in a folder of the test."""

    name: Final = "sqlite"

    def __init__(self, address: Path) -> None:
        self.address = address
        self.now = START

    def open(self, *, codes_key: str = "", store_codes: bool = True) -> SqliteLedger:
        """Open the file."""
        return SqliteLedger(self._file, clock=lambda: self.now, codes_key=codes_key, store_codes=store_codes)

    def beside(self) -> None:
        """The lock of the file lets one holder in."""

    def look(self) -> SqliteLedger:
        """Open the file without its lock."""
        return SqliteLedger(self._file, codes_key="", read_only=True)

    def stored(self) -> bytes:
        """Read the files."""
        return b"".join(file.read_bytes() for file in self.address.iterdir() if file.is_file())

    def prove_death(self) -> None:
        """The system has released the lock of a process that is gone: the next holder's lock is the proof."""

    def copy(self) -> Self:
        """Copy the file; a copy has no lock file beside it."""
        other = type(self)(self.address / "copy")
        other.address.mkdir()
        other.now = self.now
        shutil.copy(self._file, other._file)
        return other

    @property
    def _file(self) -> Path:
        return self.address / "march.db"


@contextmanager
def sqlite(address: Path) -> Iterator[SqliteSubject]:
    """Give the embedded ledger of a folder."""
    yield SqliteSubject(address)


SUBJECTS: Final[dict[str, Callable[[Path], AbstractContextManager[Subject]]]] = {"sqlite": sqlite}
"""By name: what makes a subject in an empty folder of the test, or finds the one that another process made there."""


_HOLDER: Final = """
import asyncio, os, sys
from pathlib import Path
from tests.unit.bulk.ledger.conformance.subjects import SUBJECTS
async def main(name, address, now):
    with SUBJECTS[name](Path(address)) as subject:
        subject.now = float(now)
        async with subject.open() as ledger:
            await ledger.claim(1)
            os._exit(9)
asyncio.run(main(*sys.argv[1:]))
"""


def killed_while_sending(subject: Subject) -> None:
    """Have another process open the ledger, claim a line and die with no further word.

    Args:
        subject: The ledger; nobody has it open.
    """
    argv = [sys.executable, "-c", _HOLDER, subject.name, str(subject.address), str(subject.now)]
    assert subprocess.run(argv, check=False).returncode == 9
