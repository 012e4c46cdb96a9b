"""The package as a whole: its public names, what importing it costs, and what the wheel holds."""

import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(code: str, *flags: str) -> str:
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["xoxo_async", "xoxo_async.bulk", "xoxo_async.sandbox", "xoxo_async.errors"])
def test_public_names_are_there_and_sorted(name: str) -> None:
    """`__all__` is what there is, in order."""
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert all(hasattr(module, public) for public in module.__all__)


def test_importing_the_client_imports_no_more_than_it_needs() -> None:
    """The sandbox, the command, drivers and extras stay out until asked for."""
    loaded = run("import sys, xoxo_async; print('\\n'.join(sys.modules))").split()
    heavy = {"xoxo_async.sandbox", "xoxo_async.cli", "xoxo_async.bulk", "sqlite3", "click", "rich", "cryptography"}
    assert heavy & set(loaded) == set()


def test_importing_costs_less_than_60_ms_over_its_libraries() -> None:
    """The interpreter's own account of the import, own modules only, best of several runs on a noisy machine."""
    best = min(_own_import_ms() for _ in range(5))
    assert best < 60


def _own_import_ms() -> float:
    code = "import aiohttp, msgspec, backoff, anyio, anyio.to_thread; import xoxo_async"
    total = 0.0
    for line in run(code, "-X", "importtime").splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[2].strip() == "xoxo_async":
            total = float(parts[1]) / 1000
    assert total > 0
    return total


def test_runtime_dependencies_stay_few() -> None:
    """Four libraries; everything else is an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = sorted(dependency.split(">")[0] for dependency in project["dependencies"])
    assert names == ["aiohttp", "anyio", "msgspec", "python-backoff"]


@pytest.mark.slow
def test_the_wheel_is_whole(tmp_path: Path) -> None:
    """What users install holds the package, its type marker, the licence and the command, and no tests."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "xoxo_async/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)
