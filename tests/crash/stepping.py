"""Run the command under a wall clock that steps some hours forward or back, several times a second."""

import random
import runpy
import sys
import time

_STEP_S = 0.3
_MOST_S = 5 * 3600.0
"""The ledger accepts dates of orders within 14 hours, so two steps must not be further apart."""


def set_clock(seed: str) -> None:
    """Replace the wall clock. The monotonic clocks stay."""
    real, monotonic = time.time, time.monotonic

    def stepping() -> float:
        step = int(monotonic() / _STEP_S)
        return real() + random.Random(f"{seed} {step}").uniform(-_MOST_S, _MOST_S)

    time.time = stepping


if __name__ == "__main__":
    set_clock(sys.argv.pop(1))
    runpy.run_module("xoxo_async", run_name="__main__", alter_sys=True)
