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
    """With and without valgrind."""
    known = json.loads((ROOT / ".ci" / "guard.json").read_text())
    assert set(known) == {"instructions", "cpu"}
    for ratios in known.values():
        assert set(ratios) == set(guard.GUARDED)


@pytest.mark.parametrize(
    ("found", "noise", "ends_with", "says"),
    [
        (1.3, 0.0, "an order costs over a tenth more", "costs +30.0%"),
        (1.05, 0.0, None, "the control is off"),
        (1.3, 0.2, None, "nothing was judged"),
    ],
    ids=["a step", "no step", "too busy"],
)
def test_the_command_fails_on_a_step(
    guard: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    found: float, noise: float, ends_with: str | None, says: str,
) -> None:  # fmt: skip
    """A machine that is too busy to judge on fails nothing, and says so."""
    kept = tmp_path / "guard.json"
    kept.write_text(json.dumps({"cpu": {ROAD: 1.0}}))
    monkeypatch.setattr(guard, "REFERENCE", kept)
    monkeypatch.setattr(guard, "clock", lambda: guard.Measured({ROAD: found}, noise))
    monkeypatch.setattr("sys.argv", ["guard.py", "--cpu"])
    if ends_with is None:
        guard.main()
    else:
        with pytest.raises(SystemExit, match=ends_with):
            guard.main()
    assert says in capsys.readouterr().out
