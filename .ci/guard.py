"""Compare what an order costs with the figures in `guard.json`, and fail if it costs over a tenth more.

    python .ci/guard.py            # compare
    python .ci/guard.py --write    # write the figures of now into guard.json, for a change that is worth its cost
    python .ci/guard.py --cpu      # count no instructions, as where valgrind is not installed

Each figure is a ratio to aiohttp and msgspec written by hand, which runs beside it: a slower machine, another Python or
another aiohttp changes both. Instructions are counted by callgrind, and repeat to some two percent. Without valgrind it
is CPU time: medians of interleaved rounds.

The baseline also runs against itself. Where that shows a difference of more than half a step, the machine is too busy
to judge on. What fails, or cannot be judged, is measured again: a busy moment passes, a step stays.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
REFERENCE: Final = ROOT / ".ci" / "guard.json"
STEP: Final = 0.10
"""How much more than in `guard.json` fails."""
TRIES: Final = 3

sys.path.insert(0, str(ROOT / "benchmarks"))

import bench_hooks  # noqa: E402 - a script, found by the path above
import instructions  # noqa: E402
from placers import MSGSPEC, SDK, BareMsgspec, Placer, Sdk, place_many  # noqa: E402
from rounds import AGAIN, ratio, take_turns  # noqa: E402
from stub import stub_server  # noqa: E402

HOOKED: Final = f"{SDK}, a hook"
GUARDED: Final = (SDK, HOOKED)


@dataclass(frozen=True)
class Measured:
    """What one measurement found.

    Attributes:
        ratios: For each guarded road, its cost to that of the baseline.
        noise: How far the baseline is from itself.
    """

    ratios: dict[str, float]
    noise: float


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
    """Return whether the baseline agrees with itself to half a step."""
    return measured.noise <= STEP / 2


def count() -> Measured:
    """Count instructions."""
    benchmarks = ROOT / "benchmarks"
    with stub_server() as url:

        def solo(script: str, name: str) -> float:
            argv = [str(benchmarks / script), "--url", url, "--solo", name, "--orders"]
            return instructions.per_operation(argv, 1000)

        base, again = solo("bench_dispatch.py", MSGSPEC), solo("bench_dispatch.py", MSGSPEC)
        place, hooked = solo("bench_dispatch.py", SDK), solo("bench_hooks.py", bench_hooks.IDLE)
    return Measured({SDK: place / base, HOOKED: hooked / base}, abs(again / base - 1))


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
        return Measured(ratios, abs(ratio(series[MSGSPEC + AGAIN], base).median - 1))

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


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write guard.json anew")
    parser.add_argument("--cpu", action="store_true", help="measure CPU time also where valgrind is installed")
    asked = parser.parse_args()
    kind, measure = ("cpu", clock) if asked.cpu or not instructions.available() else ("instructions", count)
    known: dict[str, dict[str, float]] = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}

    def told() -> Measured:
        measured = measure()
        found = ", ".join(f"{name} {value:.3f}" for name, value in measured.ratios.items())
        print(f"{kind}: {found} of {MSGSPEC}; the control is off by {measured.noise:.3f}", flush=True)
        return measured

    if asked.write:
        measured = told()
        if not is_clear(measured):
            sys.exit("the machine is too busy: nothing was written")
        known[kind] = {name: round(value, 3) for name, value in measured.ratios.items()}
        REFERENCE.write_text(json.dumps(known, indent=2) + "\n")
        return
    verdict = judge(told, known[kind])
    if verdict is None:
        print("nothing was judged: run it again on a quieter machine")
    elif not verdict:
        sys.exit("an order costs over a tenth more than .ci/guard.json says")


if __name__ == "__main__":
    main()
