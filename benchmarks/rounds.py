"""Contestants run in turn for many rounds, and are compared within each round, so that noise disturbs all of them."""

import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

AGAIN: Final = " (again)"
"""The end of the control's name: A/A, the baseline a second time in every round."""


@dataclass
class Series:
    """The cost of one contestant in each round, for one operation."""

    name: str
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def of(self, clock: str) -> list[float]:
        return self.cpu_s if clock == "cpu" else self.wall_s


@dataclass(frozen=True)
class Spread:
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def over(cls, values: list[float]) -> "Spread":
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


def ratio(over: Series, under: Series, clock: str = "cpu") -> Spread:
    """The ratio of two contestants, taken within each round."""
    return Spread.over([a / b for a, b in zip(over.of(clock), under.of(clock), strict=True)])


def band(control: Spread) -> float:
    """The distance of the control from 1. A difference that is not larger is no difference."""
    return max(abs(control.median - 1), abs(control.low - 1), abs(control.high - 1))


@contextmanager
def _timed(series: Series, operations: int) -> Iterator[None]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    series.cpu_s.append((time.process_time() - cpu) / operations)
    series.wall_s.append((time.perf_counter() - wall) / operations)


def _orders(names: list[str], rounds: int) -> Iterator[list[str]]:
    dice = random.Random(1)
    for _ in range(rounds):
        dice.shuffle(names)
        yield names


async def take_turns(
    contestants: Mapping[str, tuple[Callable[[], Awaitable[object]], int]], rounds: int
) -> dict[str, Series]:
    """Run every contestant once a round, in a new order each time. One round before them is not counted.

    Args:
        contestants: By name, what to await, and how many operations that is.
        rounds: How many rounds are counted.
    """
    series = {name: Series(name) for name in contestants}
    for run, _ in contestants.values():
        await run()
    gc.collect()
    gc.freeze()  # so that the garbage of one contestant's libraries does not slow the collections of another
    for names in _orders(list(contestants), rounds):
        for name in names:
            run, operations = contestants[name]
            with _timed(series[name], operations):
                await run()
    gc.unfreeze()
    return series


def take_turns_sync(contestants: Mapping[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, Series]:
    """Run plain functions in the same way."""
    series = {name: Series(name) for name in contestants}
    for run, _ in contestants.values():
        run()
    gc.collect()
    gc.freeze()
    for names in _orders(list(contestants), rounds):
        for name in names:
            run, operations = contestants[name]
            with _timed(series[name], operations):
                for _ in range(operations):
                    run()
    gc.unfreeze()
    return series
