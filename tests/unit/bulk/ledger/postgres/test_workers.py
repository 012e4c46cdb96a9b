"""Two workers of one job in any order of events, beside a vendor that accepts duplicates: nothing is bought twice.

Leases lapse at any moment, and their workers go on as if nothing was; answers come late, and look-ups lag.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.crash.sampling import EXHAUSTIVE
from tests.unit.bulk.ledger.postgres.world import RULES, Worker, World

T = TypeVar("T")

_LAGS = st.sampled_from([0.0, 1.0, RULES.settle_s - 1])
_ANSWERS = st.sampled_from(["placed", "placed", "lost", "lost", "lost before", "refused", "not sent"])
_WORKER = st.integers(0, 1)


class WorkersMachine(RuleBasedStateMachine):
    """Two workers plan, claim, send, record, look up, recover, sleep and die; at the end one of them finishes."""

    def __init__(self, database: str) -> None:
        super().__init__()
        self.database = database

    @initialize(lines=st.integers(1, 4))
    def begin(self, lines: int) -> None:
        self.runner = asyncio.Runner()
        self.world = World(self.database)
        for _ in range(2):
            self.run(self.world.join())
        self.run(self.world.plan(self.worker(0), lines))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def worker(self, number: int) -> Worker:
        return self.world.workers[number]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.run(self.world.finish())
        finally:
            self.run(self.world.close())
            self.runner.close()

    # No rule has a precondition. Which worker gets a line is a race, so what is there after it may differ when
    # Hypothesis repeats the same steps; if the rules to choose from differed too, it would end with
    # FlakyStrategyDefinition.
    @rule(who=_WORKER, lines=st.integers(1, 2))
    def plan(self, who: int, lines: int) -> None:
        if self.world.planned < 8 and not self.world.unwanted and not self.world.withdrawn:
            self.run(self.world.plan(self.worker(who), lines))

    @rule(who=_WORKER, row=st.integers(0, 7))
    def plan_without(self, who: int, row: int) -> None:
        self.run(self.world.plan_without(self.worker(who), row % self.world.planned))

    @rule(who=_WORKER, limit=st.integers(1, 3))
    def claim(self, who: int, limit: int) -> None:
        self.run(self.world.claim(self.worker(who), limit))

    @rule(limits=st.tuples(st.integers(1, 3), st.integers(1, 3)))
    def claim_at_once(self, limits: tuple[int, int]) -> None:
        async def both() -> None:
            await asyncio.gather(*(self.world.claim(self.worker(who), limit) for who, limit in enumerate(limits)))

        self.run(both())

    @rule(who=_WORKER, which=st.integers(0, 3), answer=_ANSWERS, lag_s=_LAGS)
    def send(self, who: int, which: int, answer: Any, lag_s: float) -> None:
        self.world.send(self.worker(who), which, answer, lag_s)

    @rule(who=_WORKER, count=st.integers(1, 3))
    def record(self, who: int, count: int) -> None:
        self.run(self.world.record(self.worker(who), count))

    @rule(who=_WORKER, which=st.integers(0, 3))
    def look_up(self, who: int, which: int) -> None:
        self.run(self.world.look_up(self.worker(who), which))

    @rule(count=st.integers(1, 3), which=st.integers(0, 3))
    def record_beside_a_look_up(self, count: int, which: int) -> None:
        async def both() -> None:
            await asyncio.gather(self.world.record(self.worker(0), count), self.world.look_up(self.worker(1), which))

        self.run(both())

    @rule(who=_WORKER)
    def lapse(self, who: int) -> None:
        self.run(self.world.lapse(self.worker(who)))

    @rule(who=_WORKER)
    def recover(self, who: int) -> None:
        self.run(self.worker(who).ledger.recover())

    @rule(who=_WORKER)
    def reopen(self, who: int) -> None:
        """The process ends and another one begins; what the first one has sent is not recorded."""

        async def again() -> None:
            worker = self.world.workers.pop(who)
            await worker.ledger.aclose()
            new = await self.world.join()
            self.world.workers.remove(new)
            self.world.workers.insert(who, new)

        self.run(again())

    @rule(seconds=st.sampled_from([1, 10, 16, 44, 59, 100, 1000]))
    def wait(self, seconds: int) -> None:
        self.world.now += seconds

    @invariant()
    def same(self) -> None:
        if hasattr(self, "world"):
            self.run(self.world.check())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(20 if EXHAUSTIVE else 1))
def test_nothing_is_bought_twice(number: int, database: str) -> None:
    """Whatever two workers do, in any order, and at the end no line is stranded."""
    examples, steps = (120, 40) if EXHAUSTIVE else (15, 30)
    rules = settings(max_examples=examples, stateful_step_count=steps, deadline=None)

    @seed(number) if EXHAUSTIVE else (lambda test: test)
    class Machine(WorkersMachine):
        def __init__(self) -> None:
            super().__init__(database)

    run_state_machine_as_test(Machine, settings=rules)
