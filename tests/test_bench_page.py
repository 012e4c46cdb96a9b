"""The page of speed: it is made of stored results, and takes whatever a run left there."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
GOOD: dict[str, Any] = {
    "bench": "bench_import",
    "quick": False,
    "at": "2026-11-26T08:00:00+00:00",
    "machine": "a processor, 2 cores",
    "load": 0.5,
    "python": "3.11.7",
    "versions": {"aiohttp": "3.13.0"},
    "columns": ["import", "CPU ms"],
    "rows": [["xoxo_async", {"median": 100.0, "low": 99.0, "high": 101.0}], ["a | b", None]],
    "control": ["libraries (again)", 80.0],
    "goals": [
        {
            "what": "`import xoxo_async`", "value": 1.2, "goal": 1.25, "sense": "<=", "unit": "x", "name": "import",
            "spread": {"median": 1.2, "low": 1.19, "high": 1.21}, "noise": None, "reached": True, "remark": "",
        }
    ],
    "notes": ["a note"],
}  # fmt: skip


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the benchmarks, which are scripts and no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return __import__(name)

    yield load
    for name in set(sys.modules) - before:
        if (ROOT / "benchmarks" / f"{name}.py").exists():
            del sys.modules[name]


def _other(**changed: object) -> dict[str, Any]:
    goal = {**GOOD["goals"][0], **changed}
    return {**GOOD, "machine": "another processor, 8 cores", "goals": [goal]}


def _write(folder: Path, **runs: list[object]) -> Path:
    for name, lines in runs.items():
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        (folder / f"{name.replace('_', '-').strip('-')}.jsonl").write_text(text + "\n")
    return folder


def test_two_runs_stand_side_by_side(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """Runs of two days and machines: one row a goal, one column a run, and a goal that one of them missed says so."""
    page = bench("page")
    _write(tmp_path, _2026_11_26=[GOOD], _2026_11_27=[_other(value=1.4, reached=False, spread=None)])
    text = page.text_of(page.read_runs(tmp_path))
    (row,) = [line for line in text.splitlines() if line.startswith("| `import xoxo_async`")]
    assert row == "| `import xoxo_async` | <= 1.25 | 1.2 (1.19 to 1.21) | **1.4** | in 1 of 2 runs |"
    assert "| 2026-11-26 | a processor, 2 cores | 3.11.7 | aiohttp 3.13.0 |" in text
    assert "| 2026-11-27 | another processor, 8 cores |" in text
    assert (
        "* **`import xoxo_async`, to importing aiohttp and msgspec**: 1.4." in text
    )  # missed, with its profile or the word that there is none
    assert "| A/A control: libraries (again) | 80 |" in text
    assert r"| a \| b |  |" in text


def test_a_goal_without_a_name_is_found(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """A bench that names its goals in its own words: the file of the goals says how they begin."""
    page = bench("page")
    _write(tmp_path, _2026_11_26=[_other(what="CPU of importing it", name=""), _other(what="CPU of other", name="")])
    rows = [line for line in page.text_of(page.read_runs(tmp_path)).splitlines() if line.startswith("| CPU of")]
    assert rows == []  # the later result of a bench counts
    _write(tmp_path, _2026_11_26=[_other(what="CPU of importing it", name="")])
    rows = [line for line in page.text_of(page.read_runs(tmp_path)).splitlines() if line.startswith("| CPU of")]
    assert rows == ["| CPU of importing it | <= 1.25 | 1.2 (1.19 to 1.21) | yes |"]


def test_what_was_not_run_is_said(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """A broken line, a result of another form, a bench that failed, and one that is missing: a line each, no crash."""
    page = bench("page")
    narrow = {**GOOD, "bench": "bench_bulk", "columns": ["one"]}
    failed = {"bench": "bench_dispatch", "at": "", "machine": "m", "failed": "it ended with 1"}
    _write(tmp_path, _2026_11_26=['{"bench": "bench_', "[]", narrow, failed, GOOD, {"note": "beside another program"}])
    text = page.text_of(page.read_runs(tmp_path))
    assert "2026-11-26 (3 lines cannot be read)" in text
    assert "2026-11-26: beside another program" in text
    assert "Not run in 2026-11-26: it ended with 1." in text
    assert "## `bench_bulk`\n\nNot run." in text
    lines = text.splitlines()
    for asked in bench("goals").ASKED.values():
        if asked.bench != "bench_import":
            assert next(line for line in lines if line.startswith(f"| {asked.what} ")).endswith("not run |")


def test_a_page_of_no_runs_is_whole(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """Before the first run, every goal is there, as not run; the plots are empty."""
    page = bench("page")
    text = page.text_of(page.read_runs(tmp_path))
    assert "Nothing was run yet." in text
    assert text.count("| not run |") == len(bench("goals").ASKED)
    assert all(drawn.startswith("<svg ") for drawn in page.pictures_of([]).values())


def test_plots_show_parts_of_goals(
    tmp_path: Path, bench: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure of at least something is turned round, so that left of the line is reached for all."""
    page, plots = bench("page"), bench("plots")
    more = {**GOOD["goals"][0], "name": "bulk-throughput", "what": "throughput", "value": 1.9, "sense": ">="}
    _write(tmp_path, _2026_11_26=[GOOD, {**GOOD, "bench": "bench_bulk", "goals": [more]}])
    seen: list[dict[str, Any]] = []
    draw = plots.to_goals

    def noted(points: list[dict[str, Any]]) -> object:
        seen.extend(points)
        return draw(points)

    monkeypatch.setattr(plots, "to_goals", noted)
    svg = page.pictures_of(page.read_runs(tmp_path))["speed-goals.svg"]
    assert {point["what"]: round(point["part"], 2) for point in seen} == {"throughput": 0.5, "import xoxo_async": 0.96}
    assert "import xoxo_async" in svg


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise SystemExit('no /home/me/place for 3 files')", "no … for 3 files"),
        ("print('nothing')", "JSONDecodeError"),
        ("print('[1]')", "it printed no result"),
        ("import time; time.sleep(60)", "it took more than 0.5 s"),
        ("", "JSONDecodeError"),
    ],
)
def test_a_failing_bench_leaves_a_line(
    script: str, reason: str, tmp_path: Path, bench: Callable[[str], ModuleType]
) -> None:
    """One that crashes, hangs or prints something else is a result that says so, without a folder's name."""
    path = tmp_path / "bench_broken.py"
    path.write_text(script)
    found = bench("runs").run(path, quick=True, timeout_s=0.5 if "sleep" in script else 60)
    assert found["bench"] == "bench_broken"
    assert reason in found["failed"]
    assert found["machine"]


def test_the_page_is_of_the_stored_results(bench: Callable[[str], ModuleType]) -> None:
    """`docs/explanation/speed.md` says what the files in `benchmarks/results` say: run `python benchmarks/page.py`."""
    page = bench("page")
    assert page.PAGE.read_text() == page.text_of(page.read_runs(page.RESULTS))


def test_an_answer_takes_its_goal_from_the_file(bench: Callable[[str], ModuleType]) -> None:
    """A benchmark gives the figure, and `goals.toml` the goal: a number stands in one place."""
    goal = bench("goals").answer("bulk-throughput", 0.96, "64 in flight")
    assert (goal.goal, goal.sense, goal.unit, goal.name, goal.reached) == (0.95, ">=", "x", "bulk-throughput", True)
    assert goal.what.endswith(", 64 in flight")
