"""A Redis server for tests: `redis-server` where it is installed, otherwise one in Python (`fakeredis`)."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["RedisServer", "running_redis"]


class RedisServer:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
        process: Its process; None for the one in Python.
    """

    def __init__(self, port: int, process: "subprocess.Popen[bytes] | None", folder: Path) -> None:
        self.port = port
        self.process = process
        self.folder = folder

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """Run a server without persistence, and end it.

    Args:
        options: Further options of the real server, such as `--requirepass x`.
    """
    with TemporaryDirectory(prefix="xoxo-redis-") as folder:
        program = shutil.which("redis-server")
        if program is None:
            with _in_python() as port:
                yield RedisServer(port, None, Path(folder))
            return
        port = _free_port()
        argv = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
        ]
        process = subprocess.Popen([*argv, *options], stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield RedisServer(port, process, Path(folder))
        finally:
            process.kill()
            process.wait(30)


@contextmanager
def _in_python() -> Iterator[int]:
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _wait_for(port: int) -> None:
    for _ in range(500):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(16):
                return
        time.sleep(0.02)
    raise RuntimeError("redis-server does not start")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
