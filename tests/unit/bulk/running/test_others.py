"""`others`: the dead are recovered again and again, and a pause that all would meet is the job's."""

import anyio
import pytest

from xoxo_async import errors
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.others import OtherWorkers
from xoxo_async.bulk.running.stopping import StopSignal

pytestmark = pytest.mark.anyio


class Ledger:
    """Counts what is asked of it; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.recovered = 0
        self.pauses: list[str] = []

    async def recover(self) -> int:
        self.recovered += 1
        if self.failures:
            self.failures -= 1
            raise errors.LedgerError("the database is down")
        return 0

    async def pause(self, reason: str) -> None:
        if self.failures:
            self.failures -= 1
            raise errors.LedgerError("the database is down")
        self.pauses.append(reason)


def others(ledger: Ledger, stop: StopSignal, *, pauses_job: bool = True, every_s: float = 0.001) -> OtherWorkers:
    return OtherWorkers(ledger, stop, pauses_job=pauses_job, every_s=every_s)  # type: ignore[arg-type]


async def test_a_ledger_that_fails_is_asked_again() -> None:
    """A database may be away for a moment; the run's own writes say if it stays away."""
    ledger = Ledger(failures=2)
    with anyio.fail_after(10):
        async with others(ledger, StopSignal()).watching():
            while ledger.recovered < 4:
                await anyio.sleep(0.001)


@pytest.mark.parametrize("pause", [Pause.FUNDS, Pause.CREDENTIALS])
async def test_the_job_pauses_at_once(pause: Pause) -> None:
    """While the run still waits for its last answers; and once."""
    ledger, stop = Ledger(), StopSignal()
    watch = others(ledger, stop, every_s=60)
    async with watch.watching():
        stop.stop(pause, "why")
        with anyio.fail_after(10):
            while not ledger.pauses:
                await anyio.sleep(0.001)
    await watch.pause_job(pause, "why")
    assert ledger.pauses == ["why"]


@pytest.mark.parametrize("pause", [Pause.RATE, Pause.UNREACHABLE, Pause.INTERRUPTED, Pause.BUDGET, Pause.JOB])
async def test_other_pauses_are_this_workers_own(pause: Pause) -> None:
    """Another one may have a budget, a network or an allowance that works."""
    ledger = Ledger()
    await others(ledger, StopSignal()).pause_job(pause, "why")
    assert ledger.pauses == []


async def test_a_single_process_pauses_no_job() -> None:
    """Its report says why it paused, and running again goes on."""
    ledger = Ledger()
    await others(ledger, StopSignal(), pauses_job=False).pause_job(Pause.FUNDS, "why")
    assert ledger.pauses == []


async def test_a_pause_that_fails_is_tried_again() -> None:
    """At the end of the run, whose error it is then."""
    ledger, stop = Ledger(failures=1), StopSignal()
    watch = others(ledger, stop, every_s=60)
    async with watch.watching():
        stop.stop(Pause.FUNDS, "why")
        with anyio.fail_after(10):
            while ledger.failures:
                await anyio.sleep(0.001)
    await watch.pause_job(Pause.FUNDS, "why")
    assert ledger.pauses == ["why"]
