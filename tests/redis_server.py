"""A Redis server for tests: `redis-server` where it is installed, otherwise one in Python (`fakeredis`)."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["RedisServer", "running_redis"]


class RedisServer:
    """A server.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    def __init__(self, port: int, argv: Sequence[str] = ()) -> None:
        self.port: Final = port
        self._argv: Final = argv
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the real server, and wait until it answers."""
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        _wait_for(self.port)

    def kill(self) -> None:
        """End the real server at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """Run a server without persistence, and end it.

    Args:
        options: Further options of the real server, such as `--requirepass x`.
    """
    program = shutil.which("redis-server")
    if program is None:
        with _in_python() as port:
            yield RedisServer(port)
        return
    with TemporaryDirectory(prefix="xoxo-redis-") as folder:
        port = _free_port()
        argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        server = RedisServer(port, [*argv, "--save", "", "--appendonly", "no", *options])
        try:
            server.start()
            yield server
        finally:
            server.kill()


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
