"""Print the table of a benchmark with its goals, or the same as JSON."""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import machine
from rounds import Spread


def options(description: str, *more: tuple[str, dict[str, Any]]) -> argparse.Namespace:
    """Parse the options that every benchmark has, and its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs; no figures")
    for name, settings in more:
        parser.add_argument(name, **settings)
    return parser.parse_args()


@dataclass(frozen=True)
class Goal:
    """A goal and the measured figure.

    Attributes:
        what: What is compared.
        value: The figure; a ratio unless `unit` says otherwise.
        goal: The goal.
        sense: Whether the goal is an upper or a lower limit.
        spread: The quartiles of the figure.
        noise: The distance of the control from 1; None if the figure has almost no noise.
        unit: The unit of the figure.
        name: The row of the page that it belongs to, see `goals.py`; empty if it has none.
    """

    what: str
    value: float
    goal: float
    sense: Literal["<=", ">=", "<"]
    spread: Spread | None = None
    noise: float | None = None
    unit: str = "x"
    name: str = ""

    @property
    def reached(self) -> bool:
        return {"<=": self.value <= self.goal, ">=": self.value >= self.goal, "<": self.value < self.goal}[self.sense]

    @property
    def remark(self) -> str:
        """Return a remark if the figure, or its distance from the goal, is within the noise of the control."""
        if self.noise is None or self.unit != "x":
            return ""
        if abs(self.value - 1) <= self.noise:
            return f"the difference is inside the control (±{self.noise:.3f})"
        if abs(self.value / self.goal - 1) <= self.noise:
            return f"closer to the goal than the control's ±{self.noise:.3f}"
        return ""

    def __str__(self) -> str:
        spread = f" [{self.spread.low:.3f} - {self.spread.high:.3f}]" if self.spread else ""
        verdict = "reached" if self.reached else "NOT reached"
        remark = f"; {self.remark}" if self.remark else ""
        return f"{self.what}: {self.value:.3g} {self.unit}{spread}, goal {self.sense} {self.goal:g}: {verdict}{remark}"


def show(
    name: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    goals: Sequence[Goal],
    *,
    control: Sequence[object],
    asked: argparse.Namespace,
    notes: Sequence[str] = (),
) -> None:
    """Print a benchmark's result.

    Args:
        name: The benchmark.
        columns: The head of the table.
        rows: The rows of the table.
        goals: The goals.
        control: The A/A row: the baseline compared with itself.
        asked: The options.
        notes: Notes for the reader.
    """
    if asked.json:
        print(
            json.dumps(
                {
                    "bench": name,
                    "quick": asked.quick,
                    **machine.described(),
                    "columns": list(columns),
                    "rows": [[_plain(cell) for cell in row] for row in rows],
                    "control": [_plain(cell) for cell in control],
                    "goals": [{**asdict(goal), "reached": goal.reached, "remark": goal.remark} for goal in goals],
                    "notes": list(notes),
                }
            )
        )
        return
    texts = [[_text(cell) for cell in row] for row in (columns, *rows, control)]
    widths = [max(len(row[at]) for row in texts) for at in range(len(columns))]
    print(f"\n{name} (Python {platform.python_version()} on {sys.platform})")
    for at, row in enumerate(texts):
        cells = [
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip() + ("   <- A/A control" if at == len(texts) - 1 else ""))
        if at == 0:
            print("  ".join("-" * width for width in widths))
    for goal in goals:
        print(f"* {goal}")
    for note in notes:
        print(f"  {note}")
    if asked.quick:
        print("  --quick: these figures mean nothing")


def _plain(cell: object) -> object:
    return asdict(cell) if isinstance(cell, Spread) else cell


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Spread):
        return f"{cell.median:.3f} [{cell.low:.3f} - {cell.high:.3f}]"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
