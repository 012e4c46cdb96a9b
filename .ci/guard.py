"""Compare what an order costs with the figures in `guard.json`, and fail if it costs over a tenth more.

    python .ci/guard.py            # compare
    python .ci/guard.py --write    # write the figures of now into guard.json, for a change that is worth its cost
    python .ci/guard.py --cpu      # count no instructions, as where valgrind is not installed

Each figure is a ratio to aiohttp and msgspec written by hand, which runs beside it: a slower machine or another aiohttp
changes both. Another Python changes them differently, so each has its own figures. Instructions are counted by
callgrind, and repeat on a busy machine, too. Where that cannot run it is CPU time: medians of interleaved rounds.

The baseline also runs against itself. Where that shows too large a difference, the machine is too busy to judge on.
What fails, or cannot be judged, is measured again: a busy moment passes, a step stays. What cannot be judged passes,
and says so.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
REFERENCE: Final = ROOT / ".ci" / "guard.json"
STEP: Final = 0.10
"""How much more than in `guard.json` fails."""
TRIES: Final = 3
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

sys.path.insert(0, str(ROOT / "benchmarks"))

import bench_hooks  # noqa: E402 - a script, found by the path above
import instructions  # noqa: E402
from placers import MSGSPEC, SDK, BareMsgspec, Placer, Sdk, place_many  # noqa: E402
from rounds import AGAIN, band, ratio, take_turns  # noqa: E402
from stub import stub_server  # noqa: E402

HOOKED: Final = f"{SDK}, a hook"
GUARDED: Final = (SDK, HOOKED)


@dataclass(frozen=True)
class Measured:
    """What one measurement found.

    Attributes:
        ratios: For each guarded road, its cost to that of the baseline.
        noise: How far the baseline is from itself.
        around: How far from itself it was in three quarters of the rounds, where there are rounds.
    """

    ratios: dict[str, float]
    noise: float
    around: float = 0.0


class UncountableError(Exception):
    """Instructions cannot be counted on this machine."""


def steps(measured: Measured, reference: dict[str, float]) -> list[str]:
    """Return a line for each road that costs a step more than its reference.

    Args:
        measured: What was found.
        reference: The ratios of `guard.json`.
    """
    return [
        f"{name} costs {found / reference[name] - 1:+.1%}: {found:.3f} of the baseline, it was {reference[name]:.3f}"
        for name, found in measured.ratios.items()
        if found > reference[name] * (1 + STEP)
    ]


def is_clear(measured: Measured) -> bool:
    """Return whether the baseline agrees with itself: to half a step, and to a step in most rounds."""
    return measured.noise <= STEP / 2 and measured.around <= STEP


def count(orders: int = 200, timeout_s: float = 200.0) -> Measured:
    """Count instructions, two programs at a time: what else a machine does changes no count.

    Args:
        orders: How many are counted, after 64 that are not.
        timeout_s: How long a program may take, in seconds.

    Raises:
        UncountableError: If the baseline cannot be counted, or no program ends in time.
    """
    with stub_server() as url, ThreadPoolExecutor(2) as pool:

        def solo(script: str, name: str) -> float:
            argv = [str(ROOT / "benchmarks" / script), "--url", url, "--solo", name, "--orders"]
            return instructions.per_operation(argv, orders, timeout_s)

        baselines = [pool.submit(solo, "bench_dispatch.py", MSGSPEC) for _ in range(2)]
        guarded = {SDK: ("bench_dispatch.py", SDK), HOOKED: ("bench_hooks.py", bench_hooks.IDLE)}
        roads = {name: pool.submit(solo, *what) for name, what in guarded.items()}
        try:
            base, again = (baseline.result() for baseline in baselines)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            pool.shutdown(cancel_futures=True)
            raise UncountableError(str(error)) from error
        try:
            ratios = {name: counted.result() / base for name, counted in roads.items()}
        except subprocess.TimeoutExpired as error:
            raise UncountableError(str(error)) from error
    return Measured(ratios, abs(again / base - 1))


def clock(orders: int = 500, rounds: int = 31) -> Measured:
    """Measure CPU time, in interleaved rounds."""
    placers: dict[str, Placer] = {
        MSGSPEC: BareMsgspec(),
        MSGSPEC + AGAIN: BareMsgspec(),
        SDK: Sdk(),
        HOOKED: Sdk(bench_hooks.hooks_of(bench_hooks.IDLE)),
    }

    async def measure(url: str) -> Measured:
        for placer in placers.values():
            await placer.open(url)
        try:
            series = await take_turns(
                {name: (lambda placer=placer: place_many(placer, orders), orders) for name, placer in placers.items()},
                rounds,
            )
        finally:
            for placer in placers.values():
                await placer.close()
        base = series[MSGSPEC]
        ratios = {name: ratio(series[name], base).median for name in GUARDED}
        control = ratio(series[MSGSPEC + AGAIN], base)
        return Measured(ratios, abs(control.median - 1), band(control))

    with stub_server() as url:
        return asyncio.run(measure(url))


def judge(measure: Callable[[], Measured], reference: dict[str, float]) -> bool | None:
    """Measure until the machine was quiet enough to see that nothing costs a step more, three times at most.

    Args:
        measure: Measures.
        reference: The ratios of `guard.json`.

    Returns:
        True where nothing costs a step more; False where each clear measurement shows a step; None without a clear one.
    """
    verdict: bool | None = None
    for _ in range(TRIES):
        measured = measure()
        if not is_clear(measured):
            print(f"the machine is too busy to judge on: the baseline differs from itself by {measured.noise:.1%}")
            continue
        over = steps(measured, reference)
        if not over:
            return True
        verdict = False
        print("\n".join(over), flush=True)
    return verdict


def told(kind: str, measure: Callable[[], Measured]) -> Measured:
    """Measure, and print what was found."""
    measured = measure()
    found = ", ".join(f"{name} {value:.3f}" for name, value in measured.ratios.items())
    around = f", in most rounds by up to {measured.around:.3f}" if measured.around else ""
    print(f"{kind}: {found} of {MSGSPEC}; the control is off by {measured.noise:.3f}{around}", flush=True)
    return measured


def compare(kind: str, measure: Callable[[], Measured]) -> None:
    """Compare with `guard.json`; end with an error where something costs a step more."""
    reference = read().get(PYTHON, {}).get(kind)
    if reference is None:
        print(f".ci/guard.json has no figures of {kind} for Python {PYTHON}: nothing was judged")
        return
    verdict = judge(lambda: told(kind, measure), reference)
    if verdict is None:
        print("nothing was judged: run it again on a quieter machine")
    elif not verdict:
        sys.exit("an order costs over a tenth more than .ci/guard.json says")


def write(kind: str, measure: Callable[[], Measured]) -> None:
    """Write what is measured now into `guard.json`."""
    measured = told(kind, measure)
    if not is_clear(measured):
        sys.exit("the machine is too busy: nothing was written")
    known = read()
    known.setdefault(PYTHON, {})[kind] = {name: round(value, 3) for name, value in measured.ratios.items()}
    REFERENCE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def read() -> dict[str, dict[str, dict[str, float]]]:
    """Return `guard.json`: ratios, by version of Python, and by what is counted."""
    known: dict[str, dict[str, dict[str, float]]] = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    return known


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write guard.json anew")
    parser.add_argument("--cpu", action="store_true", help="measure CPU time also where valgrind is installed")
    asked = parser.parse_args()
    act = write if asked.write else compare
    if not asked.cpu and instructions.available():
        try:
            act("instructions", count)
        except UncountableError as error:
            print(f"instructions cannot be counted here, so it is CPU time: {error}", flush=True)
        else:
            return
    act("cpu", clock)


if __name__ == "__main__":
    main()
