"""The page of speed: it is made of stored results, and takes whatever a run left there."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
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


def test_a_figure_of_another_goal_is_no_answer(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """A benchmark's own goal has no row; of a benchmark that is in a run twice, the later result counts."""
    page = bench("page")
    _write(tmp_path, _2026_11_26=[_other(value=9.0), _other(what="its own", name="")])
    text = page.text_of(page.read_runs(tmp_path))
    assert "| `import xoxo_async`, to importing aiohttp and msgspec | <= 1.25 | not run | not run |" in text
    assert "| its own" not in text


def test_the_page_counts_what_was_not_run(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """How many goals are reached, missed and not run stands above them, by the newest run that measured each."""
    page = bench("page")
    _write(tmp_path, _2026_11_26=[GOOD], _2026_11_27=[{**GOOD, "bench": "bench_bulk", "goals": []}])
    left = len(bench("goals").ASKED) - 1
    told = "By the newest run that measured them: {} reached, {} missed, {} not run."
    assert told.format(1, 0, left) in page.text_of(page.read_runs(tmp_path))
    _write(tmp_path, _2026_11_27=[_other(reached=False)])
    assert told.format(0, 1, left) in page.text_of(page.read_runs(tmp_path))


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


def test_a_hanging_bench_leaves_no_process(tmp_path: Path, bench: Callable[[str], ModuleType]) -> None:
    """What it has started ends with it, though it holds the output open: the next one has the machine to itself."""
    path, pid = tmp_path / "bench_hanging.py", tmp_path / "pid"
    path.write_text(
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(child.pid))\n"
        "child.wait()\n"
    )
    runs = bench("runs")
    found = runs.run(path, quick=True, timeout_s=5)
    assert found["failed"] == "it took more than 5 s"
    assert found["took_s"] >= 5
    assert not _runs(int(pid.read_text()))


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def runs(bench: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Keep runs in folders of the test, and run two benchmarks: one that fails, and one that is good."""
    module = bench("runs")
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "QUICK", tmp_path / "quick")
    (tmp_path / "bench_a.py").write_text("raise SystemExit('no Java')")
    here = f"list(pathlib.Path({str(tmp_path)!r}).glob('*/*.jsonl'))"
    (tmp_path / "bench_b.py").write_text(f"import pathlib; assert not {here}; print({json.dumps(GOOD)!r})")
    return module


def _run_all(runs: ModuleType, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["runs.py", *options])
    runs.main()


def _kept(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.iterdir()
    assert path.suffix == ".jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_failing_bench_loses_no_other(runs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each is a line of the run's file, which is there when all are done: one of them runs this test of the page."""
    _run_all(runs, monkeypatch)
    first, second = _kept(tmp_path / "results")
    assert (first["bench"], first["failed"]) == ("bench_a", "no Java")
    assert second.pop("took_s") >= 0
    assert second == GOOD


def test_a_quick_run_stays_apart(runs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its figures mean nothing: it is not among the results that the docs show."""
    _run_all(runs, monkeypatch, "--quick", "bench_b")
    assert len(_kept(tmp_path / "quick")) == 1
    assert not (tmp_path / "results").exists()


def test_a_run_ends_in_time(
    runs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would begin after its hours says so, and can be run later into the same file."""
    _run_all(runs, monkeypatch, "--hours", "0")
    into = capsys.readouterr().out.strip()
    assert [line["failed"] for line in _kept(tmp_path / "results")] == ["the 0 hours of the run were over"] * 2
    (tmp_path / "bench_b.py").write_text(f"print({json.dumps(GOOD)!r})")
    _run_all(runs, monkeypatch, "--into", into, "bench_b")
    assert [line["bench"] for line in _kept(tmp_path / "results")] == ["bench_a", "bench_b", "bench_import"]


def test_the_page_is_of_the_stored_results(bench: Callable[[str], ModuleType]) -> None:
    """`docs/explanation/speed.md` says what the files in `benchmarks/results` say: run `python benchmarks/page.py`."""
    page = bench("page")
    assert page.PAGE.read_text() == page.text_of(page.read_runs(page.RESULTS))


def test_an_answer_takes_its_goal_from_the_file(bench: Callable[[str], ModuleType]) -> None:
    """A benchmark gives the figure, and `goals.toml` the goal: a number stands in one place."""
    goal = bench("goals").answer("bulk-throughput", 0.96, "64 in flight")
    assert (goal.goal, goal.sense, goal.unit, goal.name, goal.reached) == (0.95, ">=", "x", "bulk-throughput", True)
    assert goal.what.endswith(", 64 in flight")
