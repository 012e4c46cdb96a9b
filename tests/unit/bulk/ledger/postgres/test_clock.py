"""The clock of a shared ledger: nobody who sets a clock makes an absence count sooner."""

from tests.unit.bulk.ledger.machines import Machine
from xoxo_async.bulk.ledger.postgres.clock import SharedClock


def test_it_follows_the_database_and_not_the_machine() -> None:
    """It begins with the database's reading, and goes on by the seconds since; the wall clock is not read."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    assert not clock.measured(1_800_000_000.0)
    machine.pass_s(10)
    machine.wall += 5000
    assert clock.now() == 1_800_000_010.0


def test_a_drift_is_followed() -> None:
    """A reading that is a little off corrects the clock, in both directions."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    clock.measured(1_800_000_000.0)
    for drift in (0.5, -0.5):
        before = clock.now()
        assert not clock.measured(before + drift)
        assert clock.now() == before + drift


def test_a_jump_forward_is_not_believed() -> None:
    """Someone set the database's clock: the slower time stays, and the jump is told."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    clock.measured(1_800_000_000.0)
    machine.pass_s(5)
    assert clock.measured(1_800_003_605.0)
    assert clock.now() == 1_800_000_005.0


def test_a_jump_back_is_followed() -> None:
    """The slower time counts."""
    machine = Machine()
    clock = SharedClock(boot=machine.read_boot)
    clock.measured(1_800_000_000.0)
    assert clock.measured(1_799_996_400.0)
    assert clock.now() == 1_799_996_400.0


def test_a_test_sets_its_own() -> None:
    """In milliseconds, so that a stored time compares equal."""
    clock = SharedClock(lambda: 1_800_000_000.123456)
    clock.measured(5.0)
    assert clock.now() == 1_800_000_000.123
