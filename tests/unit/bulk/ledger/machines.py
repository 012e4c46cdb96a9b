"""A machine whose clocks a test moves: the wall clock, which people set, and the one that counts since the start."""

from xoxo_async.bulk.ledger.clock import Boot, LedgerClock


class Machine:
    """Two clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.seconds = 5_000.0
        self.starts = 1

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.seconds += seconds

    def restart(self, off_s: float = 3.0) -> None:
        """Start the machine anew; it was off for some time."""
        self.wall += off_s
        self.seconds = 20.0
        self.starts += 1

    def read_wall(self) -> float:
        """Return the wall clock."""
        return self.wall

    def read_boot(self) -> Boot:
        """Return the clock that nobody sets."""
        return Boot(f"start-{self.starts}", self.seconds)

    def clock(self, kept: str = "", latest: float = 0.0) -> LedgerClock:
        """Return the clock of a ledger that is opened on this machine."""
        return LedgerClock(self.read_wall, self.read_boot, kept, latest)
