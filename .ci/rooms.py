"""Print how much of each room of the package the tests run, and fail below the floors.

`make coverage` calls this with the report of coverage.py as JSON.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

FLOORS: Final = {"bulk": 90.0, "transport": 90.0}
"""Percent of branches: these two rooms move money, and say what an answer proves."""


def room_of(path: str) -> str:
    """Return the first folder inside the package, or `(top)` for its own modules."""
    parts = Path(path).parts
    inside = parts[parts.index("xoxo_async") + 1 :]
    return inside[0] if len(inside) > 1 else "(top)"


def percent(covered: int, there: int) -> float:
    """Return a share in percent; nothing at all is covered."""
    return 100.0 * covered / there if there else 100.0


def hidden(files: dict[str, dict[str, list[int]]]) -> list[str]:
    """Return the files that were imported before the measurement began: their first line looks as if it never ran."""
    return [
        path
        for path, found in files.items()
        if found["executed_lines"] and found["missing_lines"] and found["missing_lines"][0] < found["executed_lines"][0]
    ]


def main(report: str) -> None:
    """Print the table; exit with 1 below a floor."""
    files = json.loads(Path(report).read_text())["files"]
    early = hidden(files)
    if early:
        sys.exit(f"imported before the measurement began, so the figures mean nothing: {', '.join(early)}")
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path, found in files.items():
        for name, value in found["summary"].items():
            if isinstance(value, int):
                sums[room_of(path)][name] += value
    below = []
    print(f"{'room':<14}{'lines':>8}{'run %':>8}{'branches':>10}{'taken %':>9}{'floor':>7}")
    for room, found in sorted(sums.items()):
        lines = percent(found["covered_lines"], found["num_statements"])
        branches = percent(found["covered_branches"], found["num_branches"])
        floor = FLOORS.get(room)
        counts = f"{found['num_statements']:>8}{lines:>8.1f}{found['num_branches']:>10}{branches:>9.1f}"
        print(f"{room:<14}{counts}{floor or '':>7}")
        if floor is not None and branches < floor:
            below.append(room)
    without = FLOORS.keys() - sums.keys()
    if below or without:
        sys.exit(f"below the floor: {', '.join([*below, *sorted(without)])}")


if __name__ == "__main__":
    main(sys.argv[1])
