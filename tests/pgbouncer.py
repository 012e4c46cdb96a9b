"""A pgbouncer for tests, in front of the server of the tests. It is the real program: there is no other one."""

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.postgres import PostgresServer, as_user

__all__ = ["PGBOUNCER", "running_pgbouncer"]

PGBOUNCER: Final = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
"""Where the program is; None where it is not installed."""


@contextmanager
def running_pgbouncer(server: PostgresServer, mode: str, *settings: str) -> Iterator[int]:
    """Run a pgbouncer, and end it.

    Args:
        server: What it leads to.
        mode: `session`, `transaction` or `statement`.
        settings: Further lines of its file.

    Yields:
        Its port on 127.0.0.1.
    """
    assert PGBOUNCER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="xoxo-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text('"xoxo" ""\n')
        (folder / "ini").write_text(
            "\n".join(
                [
                    "[databases]",
                    f"* = host=127.0.0.1 port={server.port}",
                    "[pgbouncer]",
                    "listen_addr = 127.0.0.1",
                    f"listen_port = {port}",
                    "unix_socket_dir =",
                    "auth_type = trust",
                    f"auth_file = {folder / 'users'}",
                    f"pool_mode = {mode}",
                    *_keeps_no_statements(),
                    *settings,
                    "",
                ]
            )
        )
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen([PGBOUNCER, str(folder / "ini")], stdout=out, stderr=out, **as_user())
        try:
            _wait_for(port, process, log)
            yield port
        finally:
            process.kill()
            process.wait(30)


def _keeps_no_statements() -> list[str]:
    """Return the setting by which a pgbouncer is as one before 1.21: from 1.24 on it keeps prepared statements."""
    assert PGBOUNCER is not None
    said = subprocess.run([PGBOUNCER, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    assert version, said
    return ["max_prepared_statements = 0"] if (int(version[1]), int(version[2])) >= (1, 21) else []


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"pgbouncer does not start: {log.read_text(errors='replace')[-2000:]}")
