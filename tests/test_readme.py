"""Every Python block and every command of README.md and docs/, run as written, against the sandbox."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from xoxo_async.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)

PREAMBLE = """
import asyncio, os
from datetime import date
from xoxo_async import *
from xoxo_async import ClientCredentials, XoxoClient
PRODUCTION = os.environ["XOXO_BASE_URL"]  # whatever a page says, its blocks reach the sandbox alone
"""


def blocks(language: str) -> list[ParameterSet]:
    return [
        pytest.param(match[2], id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, match in enumerate(BLOCK.finditer(page.read_text()), 1)
        if match[1] == language
    ]


@pytest.fixture
def place(tmp_path: Path, xoxo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an orders.csv, and the XOXO_* variables of a running sandbox."""
    (tmp_path / "orders.csv").write_text("key,product_id,denomination\na,1001,500\nb,1002,150\n")
    monkeypatch.setenv("XOXO_BASE_URL", xoxo_sandbox.base_url)
    monkeypatch.setenv("XOXO_CLIENT_ID", xoxo_sandbox.client_id)
    monkeypatch.setenv("XOXO_CLIENT_SECRET", xoxo_sandbox.client_secret)
    return tmp_path


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(place: Path, code: str) -> None:
    """A block runs as it stands; one of tests is run by pytest with the plugin's fixtures."""
    code = code.replace(
        '"client-id", "client-secret"', 'os.environ["XOXO_CLIENT_ID"], os.environ["XOXO_CLIENT_SECRET"]'
    )
    imports = re.sub(
        r"^from xoxo_async import (.*)PRODUCTION, ?", r"from xoxo_async import \1", code, flags=re.MULTILINE
    )
    if "def test_" in code:
        (place / "test_block.py").write_text(f"import pytest\npytestmark = pytest.mark.anyio\n{PREAMBLE}\n{imports}")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_block.py"]
    else:
        body = textwrap.indent(imports, "    ")
        if ("xoxo." in code and "as xoxo" not in code) or "BulkIssuer(xoxo" in code:
            body = "    async with XoxoClient.from_env() as xoxo:\n" + textwrap.indent(body, "    ")
        (place / "block.py").write_text(f"{PREAMBLE}\nasync def main():\n{body}\n\nasyncio.run(main())\n")
        command = [sys.executable, "-W", "error", "block.py"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("session", blocks("console"))
def test_commands_run(place: Path, session: str) -> None:
    """The commands of a block run one after another and succeed; servers and make are tried elsewhere."""
    for line in session.splitlines():
        command = line.removeprefix("$ ").split("#")[0].strip()
        if not line.startswith("$ ") or command.startswith(("make", "xoxo sandbox", "export", "pip")):
            continue
        words = shlex.split(command)
        assert words[0] == "xoxo"
        arguments = [sys.executable, "-m", "xoxo_async", *words[1:]]
        done = subprocess.run(arguments, cwd=place, capture_output=True, text=True, timeout=60, env=os.environ)
        assert done.returncode == 0, command + done.stdout + done.stderr


def test_links_lead_somewhere() -> None:
    """Every relative link of the documents names a file that is there."""
    for page in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_is_short() -> None:
    """Two minutes are 120 lines."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
