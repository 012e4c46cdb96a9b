"""The clock of a ledger: seconds that no person can set, across processes.

A look-up that says "absent" counts only some seconds after the send. If a person sets the wall clock forward in
between, the send looks too old, and the order is bought twice. So a ledger has its own clock. It follows the seconds
since the machine started, which nobody can set and which include the time of suspension. The ledger keeps an `Anchor`,
so that the next process continues the same clock. After a restart of the machine, or on another machine, the time since
the last use is not known. Then the clock continues from its last value, and the settling time of lines in doubt starts
again. An error of this clock makes a run wait longer, never shorter.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

__all__ = ["Anchor", "Boot", "LedgerClock", "boot_clock", "continued"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_SLACK_S: Final = 1.0
"""Stamps are rounded to milliseconds: a stamp may be that much later than the clock that made it."""


class Boot(msgspec.Struct, frozen=True, gc=False):
    """A reading of the machine's own clock.

    Attributes:
        name: The id of this start of this machine; empty if the system has none.
        seconds: Seconds since then.
    """

    name: str
    seconds: float


class Anchor(NamedTuple):
    """The values from which a ledger continues its clock.

    Attributes:
        boot: The start of the machine it was made in.
        seconds: The machine's clock at that moment.
        now: The ledger's clock at that moment.
    """

    boot: str
    seconds: float
    now: float

    @classmethod
    def read(cls, text: str) -> "Anchor | None":
        """Read what `text` wrote; None if there is nothing, or nothing readable."""
        boot, _, numbers = text.partition(" ")
        try:
            seconds, now = (float(number) for number in numbers.split())
        except ValueError:
            return None
        return cls(boot, seconds, now) if math.isfinite(seconds) and math.isfinite(now) else None

    def text(self) -> str:
        """Return it as the ledger keeps it."""
        return f"{self.boot} {self.seconds!r} {self.now!r}"


def continued(kept: Anchor | None, boot: Boot, wall: float, latest: float) -> Anchor:
    """Return the anchor to go on from.

    Args:
        kept: The ledger's; None for a new ledger.
        boot: The machine's clock now.
        wall: The wall clock now, in epoch seconds: where the clock of a new ledger begins.
        latest: The latest stamp in the ledger, by its clock.

    Returns:
        The kept anchor if the machine has not restarted since. Otherwise, or if the system has no name of a start, a
        new one, not before any stamp.
    """
    if kept is not None and boot.name and kept.boot == boot.name and boot.seconds >= kept.seconds:
        now = kept.now + boot.seconds - kept.seconds
        if now >= latest - _SLACK_S:
            return kept
    return Anchor(boot.name, boot.seconds, max(wall, latest, 0.0 if kept is None else kept.now))


def boot_clock() -> Callable[[], Boot]:
    """Return the clock of this machine.

    Linux has a name for each start (`boot_id`) and counts the seconds since then, suspended ones included. Other
    systems have no name: there a monotonic clock counts within one process, and the next process starts a new count.
    """
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    try:
        name = _BOOT_ID.read_text().strip()
    except OSError:
        name = ""
    if clock is None or not name:
        offset = time.time() - time.monotonic()
        return lambda: Boot("", time.monotonic() + offset)
    return lambda: Boot(name, time.clock_gettime(clock))


class LedgerClock:
    """The clock of one open ledger.

    Args:
        wall: The wall clock, in epoch seconds.
        boot: The clock of the machine.
        kept: The anchor that the ledger keeps, as text.
        latest: The latest stamp in the ledger.

    Attributes:
        anchor: What the ledger has to keep.
        is_new: Whether the time since the last use is not known: then the settling time of lines in doubt starts now.
    """

    __slots__ = ("_boot", "_offset", "_wall", "anchor", "is_new")

    def __init__(self, wall: Callable[[], float], boot: Callable[[], Boot], kept: str, latest: float) -> None:
        self._wall: Final = wall
        self._boot: Final = boot
        known = Anchor.read(kept)
        self.anchor: Final = continued(known, boot(), wall(), latest)
        self.is_new: Final = self.anchor != known
        self._offset: Final = self.anchor.now - self.anchor.seconds

    def now(self) -> float:
        """Return the ledger's time, in seconds. It is near the wall clock, but it is no date.

        It is in milliseconds, as the ledger's stamps are. So it is never before a stamp that was made of it.
        """
        return round(self._offset + self._boot().seconds, 3)

    def wall(self) -> float:
        """Return the wall clock, in epoch seconds: for dates, and for people."""
        return self._wall()
