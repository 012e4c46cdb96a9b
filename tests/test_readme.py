"""Every block of code in README.md, docs/ and the docstrings, run as it stands, against the sandbox.

A page is run from its top to its end in a folder of its own, with a sandbox of its own:

- `python` runs with top-level `await`; a block that uses `xoxo` without making it gets an open client. With tests in
  it, pytest runs it. With a `title`, it is written to that file, and a later block has to use it.
- `console`: each `$ ` command runs, and exits with 0 unless `$ echo $?` follows. Output that is shown has to come;
  blanks count once, `…` stands for any text, and alone on a line for any lines. `^C` interrupts there, `Killed` kills.
- `json`, `toml` and `csv` have to be well-formed; with a `title` they are written to that file. `text` is for people.
- `sql` runs in a database with the schema `xoxo`, and is undone. In all blocks of a page the URL of a database, such as
  `postgresql://db/plum`, leads to the same one.
"""

import ast
import asyncio
import csv
import importlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import asyncpg
import pytest

from tests.postgres import PostgresServer
from xoxo_async import __version__
from xoxo_async.errors import ERROR_IDS
from xoxo_async.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "xoxo_async").rglob("*.py"))
KINDS = {"python", "console", "text", "json", "toml", "csv", "sql"}
MODULES = {".".join(source.relative_to(ROOT).with_suffix("").parts) for source in SOURCES}
REFERENCED = ("", ".errors", ".bulk", ".hooks", ".auth", ".allowance", ".sandbox", ".doctor")
REFERENCED += (".integrations.vcrpy", ".integrations.webhook", ".integrations.desk", ".integrations.http_status")
REFERENCED += (".integrations.background_desk",)
REFERENCED += tuple(f".integrations.{name}" for name in ("background", "opentelemetry", "prometheus", "structlog"))

FENCE = re.compile(r"^(?P<fence>`{3,})(?P<kind>\S*)(?P<info>.*)\n(?P<body>(?:.*\n)*?)(?P=fence) *$", re.MULTILINE)
SNIPPET = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
TESTS = re.compile(r"^(async )?def test_", re.MULTILINE)
DATABASE = re.compile(r"postgresql://[\w@.:-]*/\w+")
SERVED_AT = "8080"  # the port that pages name; a free one is taken instead
TIMEOUT_S = 60

# Whatever a block says, it reaches the sandbox alone. Blocks share a process, but not what it remembers of accounts.
DRIVER = (
    (ROOT / "tests" / "accounts.py").read_text()
    + """
import ast, asyncio, inspect, os, pathlib, sys, types
import xoxo_async
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET

known = {"client-id": CLIENT_ID, "client-secret": CLIENT_SECRET}
xoxo_async.PRODUCTION = xoxo_async.STAGING = os.environ["XOXO_BASE_URL"]
xoxo_async.XoxoClient.__init__.__kwdefaults__["base_url"] = os.environ["XOXO_BASE_URL"]

def run(path, preamble):
    tree = ast.parse(pathlib.Path(path).read_text(), path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = known.get(node.value, node.value)
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(preamble, module.__dict__)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "xoxo"]
    given = bool(names) and not any(isinstance(name.ctx, ast.Store) for name in names)
    code = compile(tree, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if given or code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(on_a_loop(code, module, given))
    else:
        exec(code, module.__dict__)

async def on_a_loop(code, module, given):
    async with xoxo_async.XoxoClient.from_env() as xoxo:
        if given:
            module.xoxo = xoxo
        done = eval(code, module.__dict__)
        if inspect.iscoroutine(done):
            await done

for path in sys.argv[2:]:
    run(path, sys.argv[1])
    forget_accounts()
"""
)

# What docs/how-to/testing.md tells a reader to have.
CONFTEST = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

# What the example of a docstring may use without saying where it comes from.
IN_DOCSTRINGS = """
from datetime import date
from decimal import Decimal
from xoxo_async import *
from xoxo_async.bulk import *
from xoxo_async.sandbox import *
sandbox = Sandbox()
key, base_url = "0123456789abcdef", "http://127.0.0.1"
"""


class Block(NamedTuple):
    where: str
    kind: str
    title: str
    body: str


def blocks_of(text: str, name: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        title = re.search(r'title="(.+?)"', match["info"])
        body = SNIPPET.sub(lambda snippet: (ROOT / snippet[1]).read_text().rstrip("\n"), match["body"])
        where = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        found.append(Block(where, match["kind"], title[1] if title else "", body))
    return found


def runs_alone(block: Block) -> bool:
    """Return whether a block of Python is a program of its own: no test, and no file for later blocks."""
    return block.kind == "python" and not block.title and not TESTS.search(block.body)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


class Folder:
    """Where the blocks of one page run, one after another."""

    def __init__(self, path: Path, sandbox: Sandbox, database: Callable[[], str]) -> None:
        self.path = path
        self.database = cache(database)
        self.port = SERVED_AT
        self.code = 0
        self.unused: set[str] = set()
        self.servers: list[subprocess.Popen[str]] = []
        clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
        self.environment = {
            **clean,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}",
            "HOME": str(path),
            "TERM": "dumb",
            "XDG_STATE_HOME": str(path / ".state"),
            "XOXO_BASE_URL": sandbox.base_url,
            "XOXO_CLIENT_ID": sandbox.client_id,
            "XOXO_CLIENT_SECRET": sandbox.client_secret,
            "PYTEST_ADDOPTS": "-p no:asyncio",  # pages use anyio's plugin; this one would warn
        }
        (path / "conftest.py").write_text(CONFTEST)
        (path / "orders.csv").write_text("key,product_id,denomination\na,1001,500\nb,1002,150\n")

    def run_together(self, blocks: Sequence[Block]) -> None:
        """Run blocks of Python that follow one another in one process: to start one for each takes most of the time."""
        paths = [self.path / f"block_at_{block.where.rpartition(':')[2]}.py" for block in blocks]
        for block, path in zip(blocks, paths, strict=True):
            self.unused -= {name for name in self.unused if re.search(rf"\b{Path(name).stem}\b", block.body)}
            path.write_text(self.reaching(block.body))
        self.drive("", paths)

    def run(self, block: Block) -> None:
        block = block._replace(body=self.reaching(block.body)) if block.kind == "python" else block
        self.unused -= {name for name in self.unused if re.search(rf"\b{Path(name).stem}\b", block.body)}
        match block.kind:
            case "python" if not block.title:
                self.run_python(block)
            case "console":
                self.run_console(block)
            case "json":
                json.loads(block.body)
            case "toml":
                tomllib.loads(block.body)
            case "csv":
                assert len({len(row) for row in csv.reader(block.body.splitlines(), strict=True)}) == 1
            case "sql":
                asyncio.run(self.query(block.body))
        if block.title:
            (self.path / block.title).write_text(block.body)
            self.unused.add(block.title)

    # Databases.

    def reaching(self, text: str) -> str:
        """Return a text in which the URL of any database is that of the page's own."""
        return DATABASE.sub(lambda _url: self.database(), text)

    async def query(self, statements: str) -> None:
        connection = await asyncpg.connect(self.database())
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statements)
        finally:
            await transaction.rollback()
            await connection.close()

    # Python.

    def run_python(self, block: Block) -> None:
        (self.path / "test_block.py").write_text(block.body)
        self.run_to_its_end([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_block.py"])

    def drive(self, preamble: str, paths: Sequence[Path]) -> None:
        self.run_to_its_end([sys.executable, "-W", "error", "-c", DRIVER, preamble, *map(str, paths)])

    def run_to_its_end(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert done.returncode == 0, done.stdout + done.stderr

    # Commands.

    def run_console(self, block: Block) -> None:
        steps = steps_of(block.body)
        for (command, shown), (following, _) in zip(steps, [*steps[1:], ("", [])], strict=True):
            self.run_command(command, shown)
            if following != "echo $?" and "Killed" not in shown:
                assert self.code == 0, f"{command}: exit code {self.code}"

    def run_command(self, command: str, shown: list[str]) -> None:
        words = shlex.split(command, comments=True)
        match words:
            case ["echo", "$?"]:
                assert shown == [str(self.code)], f"exit code {self.code}"
                self.code = 0
            case ["export", *assignments]:
                self.export(dict(assignment.split("=", 1) for assignment in assignments))
            case ["xoxo", "sandbox", *arguments] if not {"-h", "--help"} & set(arguments):
                self.serve(arguments, shown)
            case ["xoxo" | "python" | "pytest" | "cat" | "head" | "ls", *_]:
                self.watch(command, shown)
            case ["pip", "install", requirement]:
                extras = re.fullmatch(r"(?:xoxo-async|\.)(?:\[([a-z,]+)\])?", requirement)
                assert extras, requirement
                assert set((extras[1] or "cli").split(",")) <= set(project()["optional-dependencies"])
            case ["make", *targets]:
                assert all(
                    re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
                    for target in targets
                    if "=" not in target
                )
            case _:
                pytest.fail(f"nobody runs this: {command}")

    def export(self, variables: dict[str, str]) -> None:
        address = variables.get("XOXO_BASE_URL", "").replace(SERVED_AT, self.port)
        if address:
            assert address.startswith("http://127.0.0.1:"), address
            variables["XOXO_BASE_URL"] = address
        self.environment |= variables

    def serve(self, arguments: Sequence[str], shown: list[str]) -> None:
        """Start a sandbox that ends with the page, on a free port."""
        words = ["0" if word == SERVED_AT else word for word in arguments]
        command = [sys.executable, "-m", "xoxo_async", "sandbox", *words]
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.servers.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(3)]
        address = re.search(r"127\.0\.0\.1:(\d+)", lines[0])
        assert address, lines
        self.port = address[1]
        compare(f"xoxo sandbox {shlex.join(arguments)}", shown, [line.replace(self.port, SERVED_AT) for line in lines])

    def watch(self, command: str, shown: list[str]) -> None:
        """Run a command as a shell would, with what happens to it on the way."""
        process = subprocess.Popen(  # noqa: S602 - pages show what is typed into a shell
            f"exec {self.reaching(command)}",
            shell=True,
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        lines: list[str] = []

        def read() -> None:
            assert process.stdout is not None
            lines.extend(line.rstrip("\n") for line in process.stdout)

        reader = Thread(target=read, daemon=True)
        reader.start()
        try:
            for mark, number in (("^C", signal.SIGINT), ("Killed", signal.SIGKILL)):
                if mark in shown:
                    at = shown.index(mark)
                    wait_for(shown[at - 1], lines)
                    time.sleep(1)  # some orders later
                    process.send_signal(number)
                    shown = shown[:at] + shown[at + 1 :]
            self.code = process.wait(TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
            reader.join(TIMEOUT_S)
            if process.stdout is not None:
                process.stdout.close()
        compare(command, [self.reaching(line) for line in shown], lines)

    def end(self) -> None:
        for process in self.servers:
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)


def steps_of(body: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a session, each with the output shown for it."""
    steps: list[tuple[str, list[str]]] = []
    for line in body.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            steps.append((re.sub(r"\s+", " ", line[2:].split("  #")[0]).strip(), []))
        elif line.strip():
            steps[-1][1].append(line)
    return steps


def pattern_of(line: str) -> str:
    return re.escape(" ".join(line.split())).replace("…", ".*")


def wait_for(shown: str, lines: list[str]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not any(re.fullmatch(pattern_of(shown), " ".join(line.split())) for line in lines):
        assert time.monotonic() < end, f"never came: {shown}\n" + "\n".join(lines)
        time.sleep(0.02)


def compare(command: str, shown: list[str], lines: list[str]) -> None:
    """Hold what a page shows of a command against what the command wrote; a page that shows nothing claims nothing."""
    if shown:
        pattern = "".join("(?:.*\n)*" if line.strip() == "…" else f"{pattern_of(line)}\n" for line in shown)
        wrote = "".join(f"{' '.join(line.split())}\n" for line in lines if line.strip())
        assert re.fullmatch(pattern, wrote), "\n".join([f"$ {command}", "shown:", *shown, "written:", *lines])


def project() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def folder(tmp_path: Path, xoxo_sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Folder]:
    def database() -> str:
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.database()

    folder = Folder(tmp_path, xoxo_sandbox, database)
    yield folder
    folder.end()


@contextmanager
def named(block: Block) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the block at {block.where}")
        raise


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_runs_from_top_to_end(folder: Folder, page: Path) -> None:
    """Blocks run as they stand, commands write what the page shows, and no block is of an unknown kind."""
    for together, blocks in groupby(blocks_of(page.read_text(), name_of(page)), runs_alone):
        if together:
            folder.run_together(list(blocks))
            continue
        for block in blocks:
            with named(block):
                assert block.kind in KINDS, f"say what it is: {', '.join(sorted(KINDS))}"
                folder.run(block)
    assert not folder.unused, "written, and used by nothing below"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_code_hides_without_a_fence(page: Path) -> None:
    """Indented code, and fences inside lists, would be run by nobody."""
    prose = FENCE.sub("", page.read_text())
    assert "```" not in prose
    assert not re.findall(r"(?:^|\n)\n {4,}\S.*", prose)


def docstrings_of(source: Path) -> list[tuple[int, str]]:
    """Return the docstrings of a module: its own, those of classes and functions, and those beside constants."""
    return [
        (node.lineno, node.value.value)
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


def docstring_blocks(source: Path) -> list[Block]:
    found = []
    for line, text in docstrings_of(source):
        unindented = re.sub(r"^ +(?=```)", "", f"{text}\n", flags=re.MULTILINE)
        found += blocks_of(unindented, f"{name_of(source)}:{line}")
    return [block._replace(body=textwrap.dedent(block.body)) for block in found]


WITH_EXAMPLES = [source for source in SOURCES if docstring_blocks(source)]


@pytest.mark.parametrize("source", WITH_EXAMPLES, ids=name_of)
def test_the_examples_in_docstrings_run(folder: Folder, source: Path) -> None:
    """What the reference shows runs as well."""
    paths = []
    for number, block in enumerate(docstring_blocks(source)):
        assert block.kind in KINDS, block.where
        if block.kind == "python":
            paths.append(folder.path / f"{source.stem}_{number}_{block.where.replace('/', '_')}.py")
            paths[-1].write_text(folder.reaching(block.body))
        else:
            folder.run(block)
    folder.drive(IN_DOCSTRINGS, paths)


def test_examples_in_docstrings_have_a_fence() -> None:
    """Without one, the reference would set them as prose, and nobody would run them."""
    for source in SOURCES:
        for line, text in docstrings_of(source):
            assert not re.search(r"^ *Examples?:\n(?! *```)", text, re.MULTILINE), f"{source}:{line}"


def entries() -> set[str]:
    """Return the names that the pages of the reference have an entry for."""
    found: set[str] = set()
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for path, options in re.findall(r"^::: ([\w.]+)\n((?: {4}.*\n)*)", f"{page.read_text()}\n", re.MULTILINE):
            members = re.search(r"members: \[(.*)\]", options)
            parent, _, name = path.rpartition(".")
            if members:
                found |= set(members[1].split(", "))
            elif path in MODULES:
                found |= set(importlib.import_module(path).__all__)
            else:
                assert hasattr(importlib.import_module(parent), name), path
                found.add(name)
    return found


@pytest.mark.parametrize("suffix", REFERENCED)
def test_every_public_name_is_in_the_reference(suffix: str) -> None:
    """Each name of `__all__` has an entry, by itself or with the module it is defined in."""
    assert set(importlib.import_module(f"xoxo_async{suffix}").__all__) - {"errors"} <= entries()


def test_every_page_is_in_the_navigation() -> None:
    """The builder says nothing of a page that the navigation leaves out, nor of one that is not there."""
    named = re.findall(r"^ +- (?:.+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:])


def test_the_list_for_models_names_each_page() -> None:
    """`docs/llms.txt`, which `.ci/llms.py` writes, has each page once, with a sentence."""
    listed = (ROOT / "docs" / "llms.txt").read_text()
    pages = re.findall(r"^- \[.+?\]\(https://\S+/main/docs/(\S+\.md)\): \S.+$", listed, re.MULTILINE)
    missing = "run `python .ci/llms.py`"
    assert sorted(pages) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]), missing


def test_the_pages_name_their_version() -> None:
    """The line below each page is the version of the package."""
    assert f"\ncopyright: xoxo_async {__version__}\n" in (ROOT / "mkdocs.yml").read_text()


def test_links_lead_somewhere() -> None:
    """Every relative link of the documents names a file that is there."""
    for page in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_is_short() -> None:
    """Two minutes are 120 lines."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_table_of_error_ids_is_the_codes() -> None:
    """The page that lists the error ids says of each what the client does with it."""
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    rows = [row for row in page.splitlines() if row.startswith("| PLE")]
    assert rows == [
        f"| {error_id} | {row.error.__name__} | {row.meaning} | {row.order.value.replace('_', ' ')} |"
        for error_id, row in ERROR_IDS.items()
    ]
