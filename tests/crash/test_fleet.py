"""Workers on one job in PostgreSQL: killed, stopped, cut off, their database crashed; each order is bought once."""

import random
import time
from pathlib import Path

import pytest

from tests.crash.fleet import Fleet

pytestmark = pytest.mark.slow


@pytest.mark.sampled(1)  # each seed takes some forty seconds
@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nothing_bought_twice(tmp_path: Path, seed: int) -> None:
    """The vendor accepts a poNumber twice, so only the ledger keeps an order from being bought twice."""
    with Fleet(tmp_path, seed=seed) as fleet:
        fleet.plan()
        fleet.start_all()
        fleet.wait_until(lambda status: status["issued"] > 20, 60)
        for happening in fleet.dice.sample(fleet.happenings(), 3):
            happening()
            time.sleep(fleet.dice.uniform(0.2, 1.0))
        fleet.finish()
        fleet.check()


def test_a_single_worker_that_dies_is_succeeded(tmp_path: Path) -> None:
    """Its lines come back when its lease has ended; what the vendor has is found, the rest is sent again."""
    with Fleet(tmp_path, rows=200, workers=1, seed=random.randrange(1000)) as fleet:
        fleet.plan()
        fleet.start_all()
        fleet.wait_until(lambda status: status["issued"] > 20, 60)
        fleet.kill()
        fleet.finish()
        fleet.check()
