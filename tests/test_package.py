"""The package as a whole: its public names, what importing it costs, and what the wheel holds."""

import importlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(code: str, *flags: str) -> str:
    command = [sys.executable, *flags, "-c", code]
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=compiling, capture_output=True, text=True, check=True, timeout=60)
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


def test_importing_costs_a_fraction_of_its_libraries(tmp_path: Path) -> None:
    """By the interpreter's own account, compiled once: own modules take less than a quarter of what all those take.

    A ratio within one process: a busy machine slows both. The figure itself is `benchmarks/bench_import.py`'s.
    """
    compiled = ("-X", f"pycache_prefix={tmp_path}")
    best = min(_own_share_of_import(*compiled) for _ in range(5))
    assert best < 0.25


def _own_share_of_import(*flags: str) -> float:
    """Return what importing the package takes, as a share of what its libraries took before it."""
    code = "import aiohttp, msgspec, backoff, anyio, anyio.to_thread; import xoxo_async"
    took: dict[str, float] = {}
    for line in run(code, "-X", "importtime", *flags).splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit():
            took[parts[2].strip()] = float(parts[1])
    libraries = sum(took.get(name, 0.0) for name in ("aiohttp", "msgspec", "backoff", "anyio", "anyio.to_thread"))
    assert took["xoxo_async"] > 0
    assert libraries > 0
    return took["xoxo_async"] / libraries


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
