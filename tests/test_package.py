"""The package as a whole: its public names, its imports and their cost, its tests, and what the wheel holds."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
import typing
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "xoxo_async"
TESTS = ROOT / "tests"
TEST_MODULES = sorted(TESTS.rglob("test_*.py"))

LONGEST_CHAIN = 12
"""Modules in the longest chain of imports; the goal is 12. A long chain is a tower: nobody can change its floors."""

MOST_WORDS = 8
LONG_NAMES = 60
"""How many names of tests have more words than that. The number only goes down."""

TESTED_ELSEWHERE = {
    "__main__": "tests/integration/test_cli.py runs it",
    "belief": "tests/unit/test_dispatcher.py, tests/unit/test_client.py",
    "bulk/ledger/protocol": "tests/unit/bulk/ledger/conformance",
    "bulk/client": "protocols: mypy",
    "bulk/events": "tests/unit/bulk/test_run_events.py",
    "bulk/ledger/facts": "constants",
    "bulk/ledger/terms": "declarations: mypy; tests/unit/bulk/ledger/conformance",
    "bulk/ledger/postgres/labels": "tests/unit/bulk/ledger/conformance/test_overview.py",
    "bulk/ledger/postgres/overview": "tests/unit/bulk/ledger/conformance/test_overview.py",
    "bulk/ledger/postgres/pausing": "tests/unit/bulk/ledger/conformance/test_pause.py",
    "bulk/ledger/postgres/records": "tests/unit/bulk/ledger/postgres/test_ledger.py, test_workers.py",
    "bulk/ledger/postgres/statements": "tests/unit/bulk/ledger/postgres/test_writing.py, test_ledger.py",
    "bulk/ledger/sqlite/labels": "tests/unit/bulk/ledger/conformance/test_overview.py",
    "bulk/pauses": "an enumeration",
    "bulk/proving/result": "declarations: tests/unit/bulk/proving/test_prover.py, test_signing.py",
    "bulk/proving/vendor": "protocols: mypy",
    "bulk/order_road": "tests/unit/bulk/test_session.py, tests/unit/bulk/running/test_sender.py",
    "bulk/running/road": "protocols: mypy; tests/unit/bulk/test_session.py",
    "bulk/running/sent": "a declaration: tests/unit/bulk/running/test_sender.py",
    "bulk/running/rounds": "tests/unit/bulk/running/test_lookups.py, test_reconcile.py",
    "bulk/unkeyed/issuer": "tests/integration/test_points_job.py, tests/unit/bulk/unkeyed/test_links.py",
    "bulk/unkeyed/lines": "declarations: tests/unit/bulk/unkeyed/test_rows.py",
    "bulk/unkeyed/points": "tests/integration/test_points_job.py",
    "bulk/unkeyed/preparing": "tests/integration/test_points_job.py",
    "bulk/unkeyed/sending": "a protocol: mypy; tests/unit/bulk/unkeyed/test_points_sending.py, test_link_sending.py",
    "bulk/unkeyed/totals": "tests/integration/test_points_job.py",
    "effects": "declarations: tests/unit/test_consequences.py, tests/unit/test_operation.py",
    "file_locks": "tests/integration/test_without_posix.py, tests/unit/allowance/test_file.py",
    "kept": "tests/unit/auth/test_memory.py, tests/unit/test_pacing.py",
    "postgres/driver": "a protocol: mypy",
    "services/account/operations": "declarations: tests/contract",
    "services/account/replies": "declarations: tests/contract",
    "services/account/requests": "declarations: tests/contract",
    "services/catalog/operations": "declarations: tests/contract",
    "services/catalog/replies": "declarations: tests/contract",
    "services/orders/details": "tests/unit/services/orders/test_requests.py, tests/contract",
    "services/orders/replies": "declarations: tests/contract",
    "version": "a constant; tests/unit/test_network.py",
}
"""Modules without a unit test module of their own, and what tests them."""

TESTS_OF_MORE = {
    "bulk/ledger/conformance": "the protocol",
    "bulk/ledger/test_model": "the table, searched",
    "bulk/ledger/postgres/test_workers": "two workers of a job, in any order of events",
    "transport/test_aiohttp_canaries": "what aiohttp must go on doing",
}
"""Beginnings of unit test modules that mirror no module, and what they are about."""


def run(code: str, *flags: str) -> str:
    command = [sys.executable, *flags, "-c", code]
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=compiling, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["xoxo_async", "xoxo_async.allowance", "xoxo_async.bulk", "xoxo_async.sandbox", "xoxo_async.errors"]
)
def test_public_names_are_there_and_sorted(name: str) -> None:
    """`__all__` is what there is, in order."""
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert all(hasattr(module, public) for public in module.__all__)


def signatures_of(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield what has annotations of a module's public names: classes, their methods and properties, and functions."""
    for name in module.__all__:
        found = getattr(module, name)
        if not getattr(found, "__module__", "").startswith("xoxo_async"):
            continue
        if inspect.isroutine(found):
            yield name, found
        if not inspect.isclass(found):
            continue
        yield name, found
        for member, value in vars(found).items():
            method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if inspect.isfunction(method) and (not member.startswith("_") or member == "__init__"):
                yield f"{name}.{member}", inspect.unwrap(method)


def test_annotations_of_public_names_resolve() -> None:
    """Frameworks call `get_type_hints` on what a user injects. Of the command nobody injects anything."""
    unresolved = []
    for source in sorted(PACKAGE.rglob("*.py")):
        parts = source.relative_to(ROOT).with_suffix("").parts
        if "cli" in parts or parts[-1] == "__main__":
            continue
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        if not hasattr(module, "__all__"):
            continue
        for name, found in signatures_of(module):
            try:
                typing.get_type_hints(found, include_extras=True)
            except NameError as error:
                unresolved.append(f"{module.__name__}.{name}: {error}")
    assert unresolved == []


def test_importing_the_client_imports_no_extras() -> None:
    """The sandbox, the command, drivers and extras stay out until asked for."""
    loaded = run("import sys, xoxo_async.client; print('\\n'.join(sys.modules))").split()
    heavy = {"xoxo_async.sandbox", "xoxo_async.cli", "xoxo_async.bulk", "sqlite3", "click", "rich", "cryptography"}
    heavy |= {f"xoxo_async.allowance.{name}" for name in ("file", "pacer", "postgres", "redis", "share")}
    heavy |= {"asyncpg", "redis"}
    heavy |= {"xoxo_async.integrations", "opentelemetry", "prometheus_client", "structlog"}
    assert heavy & set(loaded) == set()


def test_importing_the_client_imports_what_calls_need() -> None:
    """Stores, providers and sources of settings are loaded by who uses them, and the waits by a call that failed."""
    loaded = set(run("import sys, xoxo_async.client; print('\\n'.join(sys.modules))").split())
    assert {"xoxo_async.session", "xoxo_async.services.orders.service"} <= loaded
    unused = {f"xoxo_async.auth.{name}" for name in ("postgres", "providers", "rotating", "stored", "stores")}
    unused |= {f"xoxo_async.{name}" for name in ("credentials", "environment", "profiles", "secret_sources")}
    assert (unused | {"backoff", "html"}) & loaded == set()


@pytest.mark.parametrize(
    "name", ["xoxo_async", "xoxo_async.allowance", "xoxo_async.auth", "xoxo_async.bulk", "xoxo_async.wire"]
)
def test_names_are_imported_when_asked_for(name: str) -> None:
    """The package itself loads no library, its type checker's imports are its names, and another name is an error."""
    loaded = run(f"import sys, {name}; print('\\n'.join(sys.modules))").split()
    assert {"aiohttp", "msgspec", "anyio", "sqlite3"} & set(loaded) == set()
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = module.Nothing


def test_importing_bulk_imports_no_driver_of_a_server() -> None:
    """Without asyncpg everything but the ledger in PostgreSQL works, and the error names what to install."""
    code = "import sys; from xoxo_async.bulk import BulkIssuer, Once, open_ledger; print('asyncpg' in sys.modules)"
    assert run(code) == "False\n"
    without = "import sys; sys.modules['asyncpg'] = None\n"
    code = "try: from xoxo_async.bulk import SqliteLedger, PostgresLedger\nexcept ImportError as error: print(error)"
    assert run(without + code) == "PostgresLedger needs asyncpg: pip install 'xoxo-async[postgres]'\n"


def test_a_database_store_imports_without_its_driver() -> None:
    """The name is there; to make a store says which extra is missing."""
    code = """
import importlib.util, sys
sys.modules["asyncpg"] = None
importlib.util.find_spec = lambda name: None
from xoxo_async import PostgresTokenStore, errors
try:
    PostgresTokenStore("postgresql://host/db")
except errors.ConfigError as error:
    print(error)
"""
    assert "xoxo-async[postgres]" in run(code)


def test_importing_costs_a_fraction_of_its_libraries(tmp_path: Path) -> None:
    """By the interpreter's own account, compiled once: own modules take less than a quarter of what all those take.

    A ratio within one process: a busy machine slows both. The figure itself is `benchmarks/bench_import.py`'s.
    """
    compiled = ("-X", f"pycache_prefix={tmp_path}")
    best = min(_own_share_of_import(*compiled) for _ in range(5))
    assert best < 0.25


def _own_share_of_import(*flags: str) -> float:
    """Return what importing the package takes, as a share of what its libraries took before it."""
    code = "import aiohttp, msgspec, backoff, anyio, anyio.to_thread; import xoxo_async.client"
    took: dict[str, float] = {}
    for line in run(code, "-X", "importtime", *flags).splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit():
            took[parts[2].strip()] = float(parts[1])
    libraries = sum(took.get(name, 0.0) for name in ("aiohttp", "msgspec", "backoff", "anyio", "anyio.to_thread"))
    own = took["xoxo_async"] + took["xoxo_async.client"]
    assert min(took["xoxo_async.client"], libraries) > 0
    return own / libraries


def test_the_longest_chain_of_imports_is_short() -> None:
    """No import leads back to where it began, and the longest chain has no more modules than it may."""
    graph = grimp.build_graph("xoxo_async")
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(imported).static_order():  # raises CycleError, which names the cycle
        chains[module] = [module, *max((chains[other] for other in imported[module]), key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST_CHAIN, " -> ".join(longest)


def test_every_module_has_its_unit_test_module() -> None:
    """`tests/unit/<room>/test_<module>.py`, or an exception with its reason; an exception that is none goes."""
    there = {test.relative_to(TESTS / "unit").as_posix() for test in TEST_MODULES if TESTS / "unit" in test.parents}
    modules = {module.relative_to(PACKAGE).with_suffix("") for module in PACKAGE.rglob("*.py")}
    modules = {module for module in modules if module.name != "__init__"}
    without = {
        module.as_posix()
        for module in modules
        if (module.parent / f"test_{module.name.lstrip('_')}.py").as_posix() not in there
    }
    assert without - set(TESTED_ELSEWHERE) == set(), (
        "without a unit test module, and without a reason in TESTED_ELSEWHERE"
    )
    assert set(TESTED_ELSEWHERE) - without == set(), "these need no reason in TESTED_ELSEWHERE"


def test_every_unit_test_module_mirrors_a_module() -> None:
    """`test_<module>.py` or `test_<module>_<what>.py`: a test whose module moved moves with it."""
    stray = []
    for test in TEST_MODULES:
        if TESTS / "unit" not in test.parents:
            continue
        place = test.relative_to(TESTS / "unit")
        words = place.stem.removeprefix("test_").split("_")
        names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        files = {f"{hidden}{name}.py" for name in names for hidden in ("", "_")}
        if not any((PACKAGE / place.parent / file).exists() for file in files):
            stray.append(place.as_posix())
    assert [test for test in stray if not test.startswith(tuple(TESTS_OF_MORE))] == []


def imports_of(source: Path) -> Iterator[str]:
    """Yield the names of the modules that a file imports, and of what it imports from them."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_test_imports_a_test_module() -> None:
    """What tests share stands in a plain module: a test that moves or goes must break no other."""
    for source in sorted(TESTS.rglob("*.py")):
        of_tests = {name for name in imports_of(source) if name.startswith("tests.")}
        shared = [name for name in of_tests if any(part.startswith("test_") for part in name.split("."))]
        assert not shared, f"{source.relative_to(ROOT)} imports {', '.join(shared)}"


def test_names_of_tests_are_short() -> None:
    """At most eight words: the docstring says the rest."""
    names = [
        f"{source.relative_to(ROOT)}: {node.name}"
        for source in TEST_MODULES
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if len(node.name.removeprefix("test_").split("_")) > MOST_WORDS
    ]
    assert len(names) <= LONG_NAMES, "\n".join(names)


def test_runtime_dependencies_stay_few() -> None:
    """Four libraries, and one for locks on Windows; everything else is an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = sorted(dependency.split(">")[0] for dependency in project["dependencies"])
    assert names == ["aiohttp", "anyio", "msgspec", "portalocker", "python-backoff"]
    assert [one for one in project["dependencies"] if "win32" in one] == ["portalocker>=4.2; sys_platform == 'win32'"]


@pytest.mark.slow
def test_the_wheel_is_whole(tmp_path: Path) -> None:
    """What users install holds the package, its type marker, the licence and the command, and no tests."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert "xoxo_async/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)
    (metadata,) = [archive.read(name).decode() for name in names if name.endswith("dist-info/METADATA")]
    assert "Project-URL: Changelog, https://" in metadata
    # An index shows this text without the repository around it.
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", metadata) == []
