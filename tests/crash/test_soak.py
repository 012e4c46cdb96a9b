"""Whole runs of the command with every fault, killed at random moments, until the books can be compared."""

import random
from pathlib import Path

import pytest

from tests.crash.soak import Job, sandbox_for

pytestmark = pytest.mark.slow


@pytest.mark.sampled(2)  # each seed takes some ten seconds
@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nothing_bought_twice(tmp_path: Path, seed: int) -> None:
    """After any number of kills, the books and the ledger agree to the cent, and every final state is true."""
    dice = random.Random(seed)
    with sandbox_for(tmp_path, dice, seed).run_in_thread() as sandbox:
        # The development mode watches the event loop and the memory.
        job = Job(sandbox, tmp_path, dice, started_with=("-X", "dev"))
        for _ in range(dice.randint(1, 3)):
            job.killed()
        job.check(job.finish())
