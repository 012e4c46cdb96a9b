"""A Python that has already imported the package: each fork of it runs what `python …` would, without the start.

To start Python and import the command takes ten times as long as most commands of a test. A fork is a process of its
own all the same: it has its own pid, signals, locks, memory and end. Tests of the start itself use `subprocess`.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Final, Self

__all__ = ["WarmProcess", "run_warm"]

_MOST: Final = 1 << 16
_LEFT_OUT: Final = ("xoxo_async.integrations", "xoxo_async.sandbox.plugin", "xoxo_async.sandbox.fixtures")
"""What needs frameworks, or pytest. A program that wants them imports them itself."""
_MAY_BE_IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


# The side of the test.


class WarmProcess:
    """A running fork; it has what the tests use of `subprocess.Popen`.

    Args:
        arguments: What follows `python`: `-m module …`, `-c code …`, or `program.py …`; before it, `-W error`.
        cwd: Its working folder.
        env: All of its environment.
        stdin: A descriptor for it; None is an empty input, and `subprocess.PIPE` a pipe.
        stdout: The same for what it prints; None is this process's own.
        stderr: The same for errors; `subprocess.STDOUT` is where `stdout` goes.
        session: Whether it leads a session of its own; if its input is a terminal, it is this session's.

    Attributes:
        pid: Its number.
        returncode: Its exit code, or the negative number of the signal that ended it; None while it runs.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        session: bool = False,
    ) -> None:
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        theirs: list[int] = []
        try:
            fds = [self._input(stdin, theirs), *self._outputs(stdout, stderr, theirs)]
            self._news, says = socket.socketpair()
            theirs.append(says.detach())
            wanted = {
                "arguments": [str(argument) for argument in arguments],
                "cwd": str(cwd or Path.cwd()),
                "env": dict(os.environ if env is None else env),
                "umask": _umask(),
                "ignored": [number for number in _MAY_BE_IGNORED if signal.getsignal(number) is signal.SIG_IGN],
                "session": session,
            }
            _send(_server(), wanted, [*fds, theirs[-1]])
        finally:
            for fd in theirs:
                os.close(fd)
        self.pid: int = int(self._told())

    def _input(self, stdin: int | None, theirs: list[int]) -> int:
        if stdin == subprocess.PIPE:
            read, write = os.pipe()
            self.stdin = os.fdopen(write, "w")
            theirs.append(read)
            return read
        if stdin is None or stdin == subprocess.DEVNULL:
            theirs.append(os.open(os.devnull, os.O_RDONLY))
            return theirs[-1]
        return stdin

    def _outputs(self, stdout: int | None, stderr: int | None, theirs: list[int]) -> list[int]:
        out = 1 if stdout is None else stdout
        if stdout == subprocess.PIPE:
            read, out = os.pipe()
            self.stdout = os.fdopen(read)
            theirs.append(out)
        err = 2 if stderr is None else out if stderr == subprocess.STDOUT else stderr
        if stderr == subprocess.PIPE:
            read, err = os.pipe()
            self.stderr = os.fdopen(read)
            theirs.append(err)
        return [out, err]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close its pipes and wait for its end, as `subprocess.Popen` does."""
        for stream in (self.stdout, self.stderr, self.stdin):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self.wait()

    def _told(self) -> str:
        """Return the next word about the process: its pid, then its end."""
        word = b""
        while not word.endswith(b"\n"):
            part = self._news.recv(1)
            if not part:
                raise RuntimeError("the warm Python has ended")
            word += part
        return word.decode()

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return the exit code."""
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("python", timeout or 0)
            self.returncode = int(self._told())
            self._news.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal; to one that has ended nothing is sent."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        """Write its input, read its output to the end, wait for it, and return the output."""
        said = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            with stream:
                said[number] = stream.read()

        streams = [stream if stream and not stream.closed else None for stream in (self.stdout, self.stderr)]
        readers = [
            threading.Thread(target=read, args=(number, stream), daemon=True)
            for number, stream in enumerate(streams)
            if stream is not None
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None and not self.stdin.closed:
            with contextlib.suppress(BrokenPipeError), self.stdin as stream:
                stream.write(input or "")
        end = None if timeout is None else time.monotonic() + timeout
        self.wait(timeout)
        for reader in readers:
            reader.join(None if end is None else max(end - time.monotonic(), 0.1))
        return said[0], said[1]


def run_warm(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str = "",  # noqa: A002 - as `subprocess.run` calls it
    timeout: float = 90,
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, as `subprocess.run` does with `capture_output` and `text`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = WarmProcess(arguments, cwd=cwd, env=env, **pipes)
    try:
        out, err = process.communicate(input, timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(list(arguments), process.wait(), out, err)


def _umask() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():  # the call that reads it also sets it
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


_STARTING: Final = threading.Lock()


def _server() -> socket.socket:
    with _STARTING:
        return _started(os.getpid())


@cache
def _started(_pid: int) -> socket.socket:
    """Start the warm Python of this process; it ends when this process ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
    command = [sys.executable, "-P", __file__, str(theirs.fileno())]
    warm = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=clean)
    theirs.close()

    def end() -> None:
        ours.close()
        warm.wait(30)

    atexit.register(end)
    return ours


def _send(server: socket.socket, wanted: Mapping[str, Any], fds: Sequence[int]) -> None:
    body = json.dumps(wanted).encode()
    assert len(body) < _MOST, "too long a command line"
    server.sendmsg([body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


# The side of the warm Python.


def _import_all() -> None:
    package = importlib.import_module("xoxo_async")
    for found in pkgutil.walk_packages(package.__path__, "xoxo_async."):
        if not found.name.startswith(_LEFT_OUT) and not found.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)


def _serve(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request; return it in the fork, and None at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal of the tests
    while True:
        body, fds, _, _ = socket.recv_fds(control, _MOST, 4)
        if not body:
            return None
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            control.close()
            *streams, says = fds
            if _is_child(says, streams):
                return json.loads(body), streams
        for fd in fds:
            os.close(fd)


def _is_child(says: int, streams: Sequence[int]) -> bool:
    """Fork once more, and return True there; here, tell the pid and then the end, and end."""
    go, wait = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(wait)
        os.read(go, 1)  # not before its pid is told
        os.close(go)
        os.close(says)
        return True
    for fd in (go, *streams, 0, 1, 2):
        os.close(fd)  # whoever reads its output waits until it closes that, not until we do
    with contextlib.suppress(OSError):
        os.write(says, b"%d\n" % child)
        os.close(wait)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(says, b"%d\n" % code)
    os._exit(0)


def _become(wanted: Mapping[str, Any], fds: Sequence[int]) -> None:
    """Make this fork what a new process would be."""
    if wanted["session"]:
        os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    if wanted["session"] and os.isatty(0):
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in _MAY_BE_IGNORED:  # this Python may have been started while a test ignored one
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in wanted["ignored"] else usual)
    os.umask(wanted["umask"])
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - buffered as the new ones are
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr


def _run(arguments: list[str]) -> None:
    """Run what `python` would run with these arguments."""
    if arguments[:2] == ["-W", "error"]:
        warnings.simplefilter("error")
        del arguments[:2]
    if arguments[0] == "-m":
        sys.argv, sys.path[:0] = arguments[1:], [""]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv, sys.path[:0] = ["-c", *arguments[2:]], [""]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(arguments[1], main.__dict__)  # noqa: S102 - the code of a test
    else:
        sys.argv, sys.path[:0] = arguments, [str(Path(arguments[0]).parent)]
        runpy.run_path(arguments[0], run_name="__main__")


def _end(code: int) -> None:
    """End this fork as a Python ends, without taking all modules apart: that copies every page of the warm Python.

    It takes 50 ms of CPU time, and a fork that does nothing else takes 10.
    """
    threading._shutdown()  # type: ignore[attr-defined] # private, and what `multiprocessing` ends its forks with
    atexit._run_exitfuncs()
    gc.collect()  # what was left open is told of; the objects of the warm Python are frozen
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody reads it any more, or the program has closed it: Python says so in its way
        sys.exit(code)
    os._exit(code)


def _main() -> None:
    _import_all()
    gc.collect()
    gc.freeze()  # so that a fork copies no pages for its garbage collection
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    _become(*request)
    try:
        _run(request[0]["arguments"])
    except SystemExit as exit_:
        if exit_.code is not None and not isinstance(exit_.code, int):
            raise  # a text, which Python prints
        code = exit_.code or 0
    else:
        code = 0
    _end(code & 0xFF)


if __name__ == "__main__":
    _main()
