"""The guard of what an order costs: what it lets pass, and what it stops. Never how fast anything is."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
ROAD = "xoxo_async orders.place"


@pytest.fixture(scope="module")
def guard() -> Iterator[ModuleType]:
    import sys

    spec = importlib.util.spec_from_file_location("guard", ROOT / ".ci" / "guard.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["guard"] = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["guard"]


def judged(guard: ModuleType, *measured: tuple[float, float]) -> tuple[bool | None, int]:
    """Judge measurements of (ratio, noise) against a reference of 1.0; return the verdict and how many it took."""
    left = list(measured)
    verdict: Any = guard.judge(lambda: guard.Measured({ROAD: left[0][0]}, left.pop(0)[1]), {ROAD: 1.0})
    return verdict, len(measured) - len(left)


def test_a_step_fails_only_when_it_stays(guard: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Three measurements show it, and the lines name the road and both figures."""
    assert judged(guard, (1.12, 0.01), (1.12, 0.0), (1.11, 0.02)) == (False, 3)
    assert f"{ROAD} costs +12.0%: 1.120 of the baseline, it was 1.000" in capsys.readouterr().out
    assert judged(guard, (1.30, 0.01), (1.05, 0.01)) == (True, 2)


def test_less_than_a_step_passes_at_once(guard: ModuleType) -> None:
    """Up to a tenth more, and whatever is cheaper."""
    assert judged(guard, (1.09, 0.01)) == (True, 1)
    assert judged(guard, (0.5, 0.05)) == (True, 1)


def test_noise_neither_fails_nor_passes(guard: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the baseline differs from itself, a ratio says nothing. One clear measurement decides."""
    assert judged(guard, (1.5, 0.2), (1.0, 0.2), (1.0, 0.06)) == (None, 3)
    assert "too busy" in capsys.readouterr().out
    assert judged(guard, (1.5, 0.2), (1.0, 0.01)) == (True, 2)
    assert judged(guard, (1.2, 0.01), (1.0, 0.2), (1.0, 0.2)) == (False, 3)


def test_each_guarded_road_has_references(guard: ModuleType) -> None:
    """With and without valgrind, for each Python that has any."""
    known = json.loads((ROOT / ".ci" / "guard.json").read_text())
    assert known
    for kinds in known.values():
        assert set(kinds) == {"instructions", "cpu"}
        for ratios in kinds.values():
            assert set(ratios) == set(guard.GUARDED)


@pytest.fixture
def kept(guard: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep references of 1.0 in a folder of the test."""
    path = tmp_path / "guard.json"
    path.write_text(json.dumps({guard.PYTHON: {"cpu": {ROAD: 1.0}, "instructions": {ROAD: 1.0}}}))
    monkeypatch.setattr(guard, "REFERENCE", path)
    monkeypatch.setattr("sys.argv", ["guard.py"])
    monkeypatch.setattr(guard.instructions, "available", lambda: False)
    return path


def run(guard: ModuleType) -> str | None:
    """Run the command, and return with what it fails."""
    try:
        guard.main()
    except SystemExit as ended:
        return str(ended.code)
    return None


@pytest.mark.parametrize(
    ("found", "noise", "ends_with", "says"),
    [
        (1.3, 0.0, "an order costs over a tenth more than .ci/guard.json says", "costs +30.0%"),
        (1.05, 0.0, None, "the control is off"),
        (1.3, 0.2, None, "nothing was judged"),
    ],
    ids=["a step", "no step", "too busy"],
)
def test_the_command_fails_on_a_step(
    guard: ModuleType, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    found: float, noise: float, ends_with: str | None, says: str,
) -> None:  # fmt: skip
    """A machine that is too busy to judge on fails nothing, and says so."""
    monkeypatch.setattr(guard, "clock", lambda: guard.Measured({ROAD: found}, noise))
    assert run(guard) == ends_with
    assert says in capsys.readouterr().out


def test_rounds_that_disagree_judge_nothing(
    guard: ModuleType, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A median that is right by luck is no measurement."""
    monkeypatch.setattr(guard, "clock", lambda: guard.Measured({ROAD: 1.3}, 0.0, 0.2))
    assert run(guard) is None
    assert "nothing was judged" in capsys.readouterr().out


def test_an_unknown_python_is_not_judged(
    guard: ModuleType, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another interpreter has other ratios: what was found with one says nothing of the other."""
    monkeypatch.setattr(guard, "PYTHON", "9.9")
    monkeypatch.setattr(guard, "clock", lambda: pytest.fail("it was measured"))
    assert run(guard) is None
    assert "no figures of cpu for Python 9.9: nothing was judged" in capsys.readouterr().out


def test_a_valgrind_that_fails_leaves_the_clock(
    guard: ModuleType, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is there and cannot count, as in some containers: CPU time is compared. A road that breaks is a failure."""
    counted: dict[str, float] = {}

    def per_operation(argv: list[str], number: int, timeout_s: float) -> float:
        name = argv[argv.index("--solo") + 1]
        if name not in counted:
            raise RuntimeError("callgrind failed")
        return counted[name]

    monkeypatch.setattr(guard.instructions, "available", lambda: True)
    monkeypatch.setattr(guard.instructions, "per_operation", per_operation)
    monkeypatch.setattr(guard, "clock", lambda: guard.Measured({ROAD: 1.3}, 0.0))
    assert run(guard) == "an order costs over a tenth more than .ci/guard.json says"
    assert "instructions cannot be counted here, so it is CPU time: callgrind failed" in capsys.readouterr().out
    counted[guard.MSGSPEC] = 100.0
    with pytest.raises(RuntimeError, match="callgrind failed"):
        guard.main()
    counted |= {guard.SDK: 105.0, guard.bench_hooks.IDLE: 105.0}
    kept.write_text(json.dumps({guard.PYTHON: {"instructions": {ROAD: 1.0, guard.HOOKED: 1.0}}}))
    assert run(guard) is None
    assert "instructions: xoxo_async orders.place 1.050" in capsys.readouterr().out


def test_writing_keeps_other_figures(guard: ModuleType, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another Python, and of what is not measured now; a busy machine writes nothing."""
    monkeypatch.setattr("sys.argv", ["guard.py", "--write"])
    monkeypatch.setattr(guard, "clock", lambda: guard.Measured({ROAD: 1.5}, 0.2))
    before = kept.read_text()
    assert run(guard) == "the machine is too busy: nothing was written"
    assert kept.read_text() == before
    monkeypatch.setattr(guard, "PYTHON", "9.9")
    monkeypatch.setattr(guard, "clock", lambda: guard.Measured({ROAD: 1.2345}, 0.0))
    assert run(guard) is None
    assert json.loads(kept.read_text()) == {**json.loads(before), "9.9": {"cpu": {ROAD: 1.234}}}
