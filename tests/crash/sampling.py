"""Choose the kill points of one run of the crash tests: a sample by the seed of the run, or all of them.

All of them take longer than a person waits. Each run tries others, so a week of runs tries nearly all.
"""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

__all__ = ["EXHAUSTIVE", "Sample"]

T = TypeVar("T")

EXHAUSTIVE: Final = os.environ.get("XOXO_EXHAUSTIVE") == "1"
"""The variable that `make exhaustive` sets."""


@dataclass(frozen=True)
class Sample:
    """Chooses from a test's points.

    Args:
        seed: The seed of the run (`--randomly-seed`, which pytest prints) and the name of the test.
        exhaustive: Whether to choose every point.
    """

    seed: str
    exhaustive: bool = EXHAUSTIVE

    def of(self, points: Sequence[T], most: int) -> list[T]:
        """Return at most this many of the points, in their order: one from each of equal slices.

        Points side by side fail in the same way, so a sample should cover the whole run.
        """
        count = len(points)
        if self.exhaustive or count <= most:
            return list(points)
        dice = random.Random(self.seed)
        bounds = [count * number // most for number in range(most + 1)]
        return [points[dice.randrange(first, end)] for first, end in pairwise(bounds)]
