"""The command under a wall clock that somebody sets: some hours forward or back, several times a second."""

import random
import runpy
import sys
import time

_STEP_S = 0.3
_MOST_S = 5 * 3600.0
"""Dates of orders are believed within 14 hours: two steps apart must not be further away."""


def set_clock(seed: str) -> None:
    """Replace the wall clock; the clocks that nobody can set stay."""
    real, monotonic = time.time, time.monotonic

    def stepping() -> float:
        step = int(monotonic() / _STEP_S)
        return real() + random.Random(f"{seed} {step}").uniform(-_MOST_S, _MOST_S)

    time.time = stepping


if __name__ == "__main__":
    set_clock(sys.argv.pop(1))
    runpy.run_module("xoxo_async", run_name="__main__", alter_sys=True)
