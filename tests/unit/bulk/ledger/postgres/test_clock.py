"""The clock of a shared ledger: nobody who sets a clock makes an absence count sooner."""

from tests.unit.bulk.ledger.machines import Machine
from xoxo_async.bulk.ledger.postgres.clock import Reading, SharedClock

T = 1_800_000_000.0


def read(clock: SharedClock, server_s: float, machine: Machine | None = None, trip_s: float = 0.0) -> Reading:
    """Read the database's clock, with a trip of some length."""
    begun = clock.begin()
    if machine is not None:
        machine.pass_s(trip_s)
    return clock.measured(server_s, begun)


def test_it_follows_the_database_and_not_the_machine() -> None:
    """It begins with the database's reading, and goes on by the seconds since; the wall clock is not read."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    assert read(clock, T) is Reading.TAKEN
    machine.pass_s(10)
    machine.wall += 5000
    assert clock.now() == T + 10


def test_a_drift_is_followed() -> None:
    """A reading that is a little off corrects the clock, in both directions."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    read(clock, T)
    for drift in (0.5, -0.5):
        before = clock.now()
        assert read(clock, before + drift) is Reading.TAKEN
        assert clock.now() == before + drift
    assert clock.since == 0.0


def test_a_jump_forward_waits_for_its_word() -> None:
    """Two readings agree; until the lines in doubt are counted anew, the slower time stays."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    read(clock, T)
    machine.pass_s(5)
    assert read(clock, T + 3605) is Reading.DOUBTED
    assert read(clock, T + 3605.01) is Reading.JUMPED
    assert (clock.now(), clock.forward) == (T + 5, T + 3605.01)
    clock.go_forward()
    assert clock.now() == clock.since == T + 3605.01
    assert read(clock, T + 3605.02) is Reading.TAKEN


def test_one_odd_reading_is_no_jump() -> None:
    """Neither is a second one that is odd in another way."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    read(clock, T)
    for odd in (1000, 2000, 0, 1000):
        assert read(clock, T + odd) is (Reading.DOUBTED if odd else Reading.TAKEN)
        assert clock.now() == T


def test_a_slow_reading_tells_nothing() -> None:
    """The database read its clock before the answer got lost for a while: it is not behind."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    read(clock, T)
    assert read(clock, T, machine, trip_s=20) is Reading.SLOW
    assert clock.now() == T + 20


def test_a_first_slow_reading_is_replaced() -> None:
    """There is no other one to go by; the first good ones correct it."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    assert read(clock, T, machine, trip_s=20) is Reading.SLOW
    assert clock.now() == T
    assert [read(clock, T + 20), read(clock, T + 20)] == [Reading.DOUBTED, Reading.JUMPED]


def test_a_jump_back_is_followed() -> None:
    """The slower time counts."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    read(clock, T)
    assert read(clock, T - 3600) is Reading.BACK
    assert clock.now() == T - 3600


def test_a_test_sets_its_own() -> None:
    """In milliseconds, so that a stored time compares equal."""
    clock = SharedClock(lambda: T + 0.123456)
    assert read(clock, 5.0) is Reading.TAKEN
    assert clock.now() == T + 0.123
