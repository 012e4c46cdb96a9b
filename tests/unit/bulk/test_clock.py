"""`clock`: a wall clock that is set makes no lost answer look old."""

from xoxo_async.bulk.clock import SteadyClock


class Clocks:
    """A wall clock and ticks, both moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.ticks = 50.0

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.ticks += seconds

    def steady(self) -> SteadyClock:
        """Return a clock over both."""
        return SteadyClock(lambda: self.wall, lambda: self.ticks)


def test_a_step_forward_is_no_time_that_passed() -> None:
    """The clock is set an hour ahead: `now` tells the seconds that really passed, stamps take the later time."""
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_s(10)
    clocks.wall += 3600
    assert steady.now() == 1_000_010.0
    assert steady.latest() == 1_003_610.0


def test_a_step_back_holds_nobody_up() -> None:
    """The clock is set an hour back: `now` and stamps go on."""
    clocks = Clocks()
    steady = clocks.steady()
    clocks.wall -= 3600
    clocks.pass_s(10)
    assert steady.now() == steady.latest() == 1_000_010.0


def test_a_sleep_that_ticks_do_not_count_makes_stamps_late_never_early() -> None:
    """After the machine slept, a send is stamped with the wall clock: the next process must not believe too soon."""
    clocks = Clocks()
    steady = clocks.steady()
    clocks.wall += 600
    assert steady.latest() == 1_000_600.0
    assert steady.now() == 1_000_000.0
