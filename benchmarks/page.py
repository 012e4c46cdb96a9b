"""Make the page of speed from all runs in `results/`: each goal beside its figures, the plots, and every table."""

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import plots
from goals import ASKED, Asked
from runs import QUICK, RESULTS

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "explanation" / "speed.md"
PICTURES: Final = ROOT / "docs" / "pictures"
NOT_RUN: Final = "not run"
REACHED: Final = "reached"
MISSED: Final = "missed"
_SHOWN_RUNS: Final = 3
"""Runs that the page compares, the newest ones."""

Result = dict[str, Any]


@dataclass
class Run:
    """What one file of results holds.

    Attributes:
        name: The name of its file without its ending: a day.
        results: The results, by benchmark; of one that ran twice, the later.
        broken: Lines that cannot be read.
        notes: What a person wrote about the run, as lines with nothing but a `note`.
    """

    name: str
    results: dict[str, Result] = field(default_factory=dict)
    broken: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def machines(self) -> list[str]:
        """What it ran on; several where its lines come from several machines."""
        return list(dict.fromkeys(str(result.get("machine", "not known")) for result in self.results.values()))

    @property
    def loads(self) -> list[float]:
        return [load for result in self.results.values() if isinstance(load := result.get("load"), int | float)]


def read_runs(folder: Path) -> list[Run]:
    """Return the runs in a folder, the oldest first.

    Args:
        folder: The folder.
    """
    return [_read(path) for path in sorted(folder.glob("*.jsonl"), key=_of_day)]


def _of_day(path: Path) -> tuple[str, int]:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:-(\d+))?", path.stem)
    return (found[1], int(found[2] or 1)) if found else (path.stem, 1)


def _read(path: Path) -> Run:
    run = Run(path.stem)
    for line in path.read_text().splitlines():
        try:
            result = json.loads(line)
            if isinstance(result, dict) and result.keys() == {"note"}:
                run.notes.append(str(result["note"]))
                continue
            _check(result)
        except (ValueError, KeyError, TypeError):
            run.broken += bool(line.strip())
            continue
        run.results[result["bench"]] = result
    return run


def _check(result: Result) -> None:
    """Refuse what is no result: later, nothing about its form is in doubt."""
    name = result["bench"]
    if not isinstance(name, str):
        raise TypeError("no name")
    if "failed" in result:
        return
    width = len(result["columns"])
    if any(len(row) != width for row in result["rows"]):
        raise ValueError("a row that does not fit its head")
    for goal in result["goals"]:
        float(goal["value"]), float(goal["goal"])
        if goal["sense"] not in {"<=", ">=", "<"} or not isinstance(goal["what"], str):
            raise ValueError("no goal")


def text_of(runs: Sequence[Run]) -> str:
    """Return the page.

    Args:
        runs: The runs, the oldest first.
    """
    shown = runs[-_SHOWN_RUNS:]
    parts = [_HEAD, _about(shown), _goals_table(shown), _PLOTS, _missed(shown)]
    parts += [_bench(name, shown) for name in _benches(shown)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


_HEAD: Final = """# Speed

What an order, a large file and a fleet cost, measured beside what else you could use, each goal beside its figure.

`make bench-report` writes this page from the files in `benchmarks/results`, and each of these is a run on one day or
one machine. `benchmarks/README.md` says how the figures are made: contestants take turns within a round, ratios are
taken within a round, and the A/A row is the baseline compared with itself. A difference that is not larger than the one
in that row is noise. Times in seconds are CPU seconds where a row says so; wall times depend on what else the machine
did."""

_PLOTS: Final = """## In pictures

Each figure as a part of its goal. Left of the dashes the goal is reached:

![Each figure as a part of its goal](../pictures/speed-goals.svg)

CPU time of one order by client, in microseconds. `raw protocol` is the floor of this machine: bytes over a socket,
without a library:

![CPU time of one order](../pictures/speed-orders.svg)"""


def _about(runs: Sequence[Run]) -> str:
    lines = ["## Runs", "", "| run | machine | Python | libraries | load at the start |", "|---|---|---|---|---|"]
    if not runs:
        return "## Runs\n\nNothing was run yet."
    for run in runs:
        loads = f"{min(run.loads):g} to {max(run.loads):g}" if run.loads else "not known"
        pythons = ", ".join(sorted({str(result.get("python", "")) for result in run.results.values()}))
        versions: dict[str, str] = {}
        for result in run.results.values():
            versions |= result.get("versions") or {}
        libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
        name = f"{run.name} ({run.broken} lines cannot be read)" if run.broken else run.name
        lines.append(f"| {name} | {_cell('; '.join(run.machines))} | {pythons} | {libraries} | {loads} |")
    for run in runs:
        lines += [f"\n{run.name}: {_cell(note)}" for note in run.notes]
    lines += ["", "A load above the number of cores: other programs ran, times are longer, and ratios less certain."]
    quick = [run.name for run in runs if any(result.get("quick") for result in run.results.values())]
    if quick:
        lines += ["", f"{', '.join(quick)}: made with `--quick`, so its figures mean nothing."]
    return "\n".join(lines)


@dataclass(frozen=True)
class Figure:
    """A row of the goals: what was asked, and what each run that measured it found."""

    name: str
    what: str
    asked: Asked
    found: Mapping[str, Result]

    @property
    def newest(self) -> Result:
        """What the newest run found that measured it."""
        return list(self.found.values())[-1]


def _figures(runs: Sequence[Run]) -> Iterator[Figure]:
    """Yield each goal that was asked for, once for each of its cases; once without a figure if nobody measured it."""
    for name, asked in ASKED.items():
        cases: dict[str, dict[str, Result]] = {}
        for run in runs:
            for goal in run.results.get(asked.bench, {}).get("goals", ()):
                if goal.get("name") == name:
                    cases.setdefault(goal["what"], {})[run.name] = goal
        for what, found in (cases or {asked.what: {}}).items():
            yield Figure(name, what, asked, found)


def _goals_table(runs: Sequence[Run]) -> str:
    heads = [run.name for run in runs]
    verdicts = [_standing(figure) for figure in _figures(runs)]
    told = ", ".join(f"{verdicts.count(standing)} {standing}" for standing in (REACHED, MISSED, NOT_RUN))
    lines = [
        "## Goals and figures",
        "",
        f"By the newest run that measured them: {told}.",
        "",
        f"| what | goal |{''.join(f' {head} |' for head in heads)} reached |",
        f"|---|---|{'---|' * len(heads)}---|",
    ]
    for figure in _figures(runs):
        asked = figure.asked
        cells = [_figure(figure.found[run.name]) if run.name in figure.found else NOT_RUN for run in runs]
        goal = f"{asked.sense} {_number(asked.limit)}{_unit(asked.unit)}"
        cells += [_verdict(list(figure.found.values()))]
        lines.append(f"| {_cell(figure.what)} | {goal} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _standing(figure: Figure) -> str:
    if not figure.found:
        return NOT_RUN
    return REACHED if figure.newest["reached"] else MISSED


def _figure(goal: Result) -> str:
    spread = goal.get("spread")
    around = f" ({_number(spread['low'])} to {_number(spread['high'])})" if spread else ""
    text = f"{_number(goal['value'])}{_unit(goal.get('unit', 'x'))}{around}"
    return text if goal["reached"] else f"**{text}**"


def _verdict(found: Sequence[Result]) -> str:
    if not found:
        return NOT_RUN
    reached = sum(goal["reached"] for goal in found)
    text = "yes" if reached == len(found) else "**no**" if not reached else f"in {reached} of {len(found)} runs"
    remark = found[-1].get("remark")
    return f"{text}; {remark}" if remark else text


def _missed(runs: Sequence[Run]) -> str:
    """Return the goals that the newest run missed, with what the profile says."""
    missed: dict[str, list[str]] = {}
    for figure in _figures(runs):
        if _standing(figure) == MISSED:
            missed.setdefault(figure.name, []).append(f"{_number(figure.newest['value'])}{_unit(figure.asked.unit)}")
    lines = [
        f"* **{ASKED[name].what}**: {', '.join(found)}. {ASKED[name].profile or 'No profile was made yet.'}"
        for name, found in missed.items()
    ]
    return "\n".join(["## Goals that were missed, and why", "", *lines]) if lines else ""


def _benches(runs: Sequence[Run]) -> list[str]:
    known = {asked.bench for asked in ASKED.values()}
    return sorted(known.union(*(run.results for run in runs)))


def _bench(name: str, runs: Sequence[Run]) -> str:
    """Return the newest table of a benchmark; a line where there is none."""
    lines = [f"## `{name}`", ""]
    failed = [(run.name, run.results[name]["failed"]) for run in runs if "failed" in run.results.get(name, {})]
    lines += [f"{NOT_RUN.capitalize()} in {run}: {_cell(str(reason))}." for run, reason in failed]
    good = [run for run in runs if name in run.results and "failed" not in run.results[name]]
    if not good:
        return "\n".join(lines if failed else [*lines, f"{NOT_RUN.capitalize()}."])
    result = good[-1].results[name]
    columns = [*result["columns"]]
    took = f" It took {_number(result['took_s'])} s." if "took_s" in result else ""
    lines += ["", f"Run {good[-1].name}, {result.get('at', 'at an unknown time')}.{took}", ""]
    lines += [f"| {' | '.join(map(_cell, columns))} |", f"|{'---|' * len(columns)}"]
    lines += [_row(row) for row in result["rows"]]
    control = result.get("control") or []
    if len(control) == len(columns):
        lines.append(_row([f"A/A control: {control[0]}", *control[1:]]))
    lines.append("")
    lines += [_bullet(goal) for goal in result["goals"]]
    lines += [f"* {_cell(note)}" for note in result.get("notes", ())]
    return "\n".join(lines)


def _bullet(goal: Result) -> str:
    verdict = "reached" if goal["reached"] else "**not reached**"
    unit = _unit(goal.get("unit", "x"))
    return f"* {_cell(goal['what'])}: {_figure(goal)}, goal {goal['sense']} {_number(goal['goal'])}{unit}: {verdict}"


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(_value(cell) for cell in cells)} |"


def _value(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Mapping) and {"median", "low", "high"} <= cell.keys():
        return f"{_number(cell['median'])} ({_number(cell['low'])} to {_number(cell['high'])})"
    return _number(cell) if isinstance(cell, int | float) else _cell(str(cell))


def _number(value: Any) -> str:
    """Return a number with three digits that count, and whole ones whole."""
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"


def _unit(unit: str) -> str:
    return "" if unit == "x" else f" {unit}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def pictures_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return the plots as SVG, by the name of their file.

    Args:
        runs: The runs, the oldest first.
    """
    shown = runs[-_SHOWN_RUNS:]
    points = [
        {"what": _plain(figure.what), "part": part, "run": run}
        for figure in _figures(shown)
        for run, goal in figure.found.items()
        if (part := _part(goal, figure.asked)) > 0
    ]
    return {
        "speed-goals.svg": plots.to_goals(points),
        "speed-orders.svg": plots.bars(list(_costs(shown)), "CPU time of one order, us"),
    }


def _part(goal: Result, asked: Asked) -> float:
    """Return a figure as a part of its goal: 1 is the goal, and less is better, also where more is asked for."""
    value = float(goal["value"])
    if not asked.limit or not value:
        return 0.0
    return asked.limit / value if asked.sense == ">=" else value / asked.limit


def _costs(runs: Sequence[Run]) -> Iterator[dict[str, object]]:
    """Yield what an order costs with each client, on asyncio and answers at once."""
    for run in runs:
        result = run.results.get("bench_dispatch", {})
        columns = result.get("columns", [])
        if not {"client", "loop", "answers in", "CPU us/order"} <= set(columns):
            continue
        for row in result["rows"]:
            cells = dict(zip(columns, row, strict=True))
            if cells["loop"] == "asyncio" and cells["answers in"] == "at once":
                yield {"name": cells["client"], "value": cells["CPU us/order"], "run": run.name}


def _plain(text: str) -> str:
    return text.replace("`", "")


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="of quick runs, in build/speed: a page and pictures there")
    asked = parser.parse_args()
    results, page, pictures = (QUICK, QUICK / PAGE.name, QUICK) if asked.quick else (RESULTS, PAGE, PICTURES)
    runs = read_runs(results)
    page.write_text(text_of(runs))
    for name, drawn in pictures_of(runs).items():
        (pictures / name).write_text(drawn)
    print(f"{page.relative_to(ROOT)}: {len(runs)} runs")


if __name__ == "__main__":
    main()
