"""`clock`: setting a clock makes no send look older, and every wait ends."""

import time

import pytest

from tests.unit.bulk.ledger.machines import Machine
from xoxo_async.bulk.ledger.clock import Anchor, Boot, boot_clock, continued


def test_a_clock_set_meanwhile_passes_no_time() -> None:
    """The wall clock jumps a year ahead and back; the ledger's clock tells the seconds that really passed."""
    machine = Machine()
    clock = machine.clock()
    begun = clock.now()
    machine.pass_s(10)
    machine.wall += 31_536_000
    assert clock.now() - begun == 10.0
    machine.wall -= 2 * 31_536_000
    assert clock.now() - begun == 10.0
    assert clock.wall() == machine.wall


def test_the_next_process_continues_the_clock() -> None:
    """The clock was an hour behind and is right again: to the ledger only the seconds between have passed."""
    machine = Machine()
    first = machine.clock()
    sent = first.now()
    machine.pass_s(20)
    machine.wall += 3600
    second = machine.clock(first.anchor.text(), latest=sent)
    assert not second.is_new
    assert second.now() - sent == 20.0


def test_a_suspended_machine_has_let_time_pass() -> None:
    """The machine's clock counts while it sleeps, so what was in doubt before counts the night."""
    machine = Machine()
    first = machine.clock()
    sent = first.now()
    machine.pass_s(8 * 3600)
    assert machine.clock(first.anchor.text(), latest=sent).now() - sent == 8 * 3600.0


@pytest.mark.parametrize("wall_step", [-31_536_000.0, -3600.0, 0.0, 3600.0, 31_536_000.0])
def test_after_a_restart_counting_begins_anew(wall_step: float) -> None:
    """The time off is not known, so doubt counts from the first opening."""
    machine = Machine()
    first = machine.clock()
    machine.pass_s(100)
    sent = first.now()
    machine.restart()
    machine.wall += wall_step
    second = machine.clock(first.anchor.text(), latest=sent)
    assert second.is_new
    assert second.now() >= sent
    assert second.anchor.now == second.now()


def test_the_wait_after_restarts_ends() -> None:
    """Every later opening in that start of the machine goes on from the first one; none begins anew."""
    machine = Machine()
    kept = machine.clock().anchor.text()
    machine.restart()
    clock = machine.clock(kept, latest=machine.wall + 31_536_000)
    seen = clock.now()
    for passed in range(10, 200, 10):
        machine.pass_s(10)
        machine.wall -= 1000
        clock = machine.clock(clock.anchor.text(), latest=seen)
        assert not clock.is_new
        assert clock.now() - seen == passed


def test_a_machine_behind_counts_from_the_ledgers_clock() -> None:
    """A snapshot of a running machine was brought back, and the ledger is younger than it: nothing is older by that."""
    machine = Machine()
    first = machine.clock()
    machine.pass_s(500)
    sent = first.now()
    machine.seconds -= 400
    second = machine.clock(first.anchor.text(), latest=sent)
    assert second.is_new
    assert second.now() == sent


def test_a_rounded_stamp_begins_nothing_anew() -> None:
    """Stamps are kept in milliseconds; one may be a little later than the clock was."""
    machine = Machine()
    first = machine.clock()
    assert not machine.clock(first.anchor.text(), latest=first.now() + 0.0005).is_new


@pytest.mark.parametrize("kept", ["", "x", "boot 1", "boot one two", "boot nan 1", "boot 1 inf", "boot 1 2 3"])
def test_an_anchor_that_cannot_be_read_is_none(kept: str) -> None:
    """The clock begins anew, not before any stamp."""
    assert Anchor.read(kept) is None
    clock = Machine().clock(kept, latest=5_000_000_000.0)
    assert clock.is_new
    assert clock.now() == 5_000_000_000.0


@pytest.mark.parametrize("boot", ["b6b3c1de-0000-4000-8000-000000000000", ""])
def test_an_anchor_is_read_as_it_was_written(boot: str) -> None:
    """Also one of a system that does not name its starts."""
    anchor = Anchor(boot, 12.345678, 1_700_000_000.123)
    assert Anchor.read(anchor.text()) == anchor


def test_without_a_boot_name_each_process_counts_anew() -> None:
    """A restart cannot be detected, and the wall clock may have been set; the clock is never before a stamp."""
    kept = continued(None, Boot("", 1000.0), 1000.0, 0.0)
    assert continued(kept, Boot("", 1060.0), 1060.0, 1000.0) == Anchor("", 1060.0, 1060.0)
    assert continued(kept, Boot("", 940.0), 940.0, 1030.0) == Anchor("", 940.0, 1030.0)


def test_this_machine_has_a_clock_that_goes_on() -> None:
    """It names its start the same each time, and its seconds never go back."""
    clock = boot_clock()
    readings = [clock() for _ in range(100)]
    assert {reading.name for reading in readings} == {boot_clock()().name}
    assert [reading.seconds for reading in readings] == sorted(reading.seconds for reading in readings)


def test_without_a_boot_clock_a_monotonic_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting the wall clock after the start changes nothing."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    clock = boot_clock()
    before = clock()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before.name == ""
    assert 0 <= clock().seconds - before.seconds < 60
