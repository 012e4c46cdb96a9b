"""Run a program, and kill it, or fail its call, at the n-th system call with which it changes a file or sends bytes.

Run as `python syscalls.py FOLDER FAULT POINT PROGRAM…`. It traces the program by ptrace, with a seccomp filter, so all
other calls cost nothing. It counts the calls of all threads in one order, which strace does not.

FAULT is `kill`, or the name of an error such as `ENOSPC`; with a `+` after it, every call from that point on fails.
POINT 0 is no call. What the calls were is written into the file `calls` beside FOLDER, one a line.
"""

import ctypes
import errno
import os
import platform
import runpy
import signal
import struct
import sys
from pathlib import Path
from typing import Final

__all__ = ["KILLED", "can_trace"]

KILLED: Final = 137
"""Exit code of a program that was killed at its point."""

_BY_FD: Final = {
    1: "write", 18: "pwrite64", 20: "writev", 44: "sendto", 46: "sendmsg", 74: "fsync", 75: "fdatasync",
    77: "ftruncate", 91: "fchmod", 285: "fallocate", 296: "pwritev",
}  # fmt: skip
_BY_PATH: Final = {
    76: ("truncate", 0), 82: ("rename", 0), 83: ("mkdir", 0), 84: ("rmdir", 0), 86: ("link", 0), 87: ("unlink", 0),
    257: ("openat", 1), 258: ("mkdirat", 1), 263: ("unlinkat", 1), 264: ("renameat", 1), 265: ("linkat", 1),
    316: ("renameat2", 1),
}  # fmt: skip
_OPENAT: Final = 257
_REGISTERS: Final = 27
_ARGUMENTS: Final = (14, 13, 12)  # rdi, rsi, rdx
_CALL, _RESULT = 15, 10  # orig_rax, rax
_CONT, _GETREGS, _SETREGS, _SEIZE = 7, 12, 13, 0x4206
_OPTIONS: Final = 0x2 | 0x4 | 0x8 | 0x80 | 0x100000  # fork, vfork, clone, seccomp, kill with the tracer
_SECCOMP_EVENT: Final = 7
_ALL_CHILDREN: Final = 0x40000000
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000


def can_trace() -> bool:
    """Return whether this machine's calls are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    return libc


def _filter(libc: ctypes.CDLL) -> None:
    """Stop this process, and the threads that it starts, before each of the calls."""
    numbers = [*_BY_FD, *_BY_PATH]
    steps = [struct.pack("HBBI", 0x20, 0, 0, 0)]  # the number of the call
    steps += [struct.pack("HBBI", 0x15, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [struct.pack("HBBI", 0x06, 0, 0, _ALLOW), struct.pack("HBBI", 0x06, 0, 0, _TRACE)]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "no seccomp filter")


class Tracer:
    """Follows a program from call to call.

    Args:
        pid: The program, which waits for it.
        folder: Only calls on files in it are counted, and those on sockets.
        fault: What happens at the point.
        point: Which call it is, from 1; 0 is none.
    """

    def __init__(self, pid: int, folder: str, fault: str, point: int) -> None:
        self._libc: Final = _libc()
        self._pid: Final = pid
        self._folder: Final = folder
        self._fault: Final = fault.removesuffix("+")
        self._again: Final = fault.endswith("+")
        self._point: Final = point
        self.calls: list[str] = []
        self._ptrace(_SEIZE, pid, 0, _OPTIONS)

    def _ptrace(self, request: int, tid: int, address: object, data: object) -> None:
        if self._libc.ptrace(request, tid, address, data) < 0:
            number = ctypes.get_errno()
            if number != errno.ESRCH:  # it was killed meanwhile
                raise OSError(number, os.strerror(number))

    def follow(self) -> int:
        """Follow the program to its end, and return how it ended."""
        while True:
            tid, status = os.waitpid(-1, _ALL_CHILDREN)
            if os.WIFSTOPPED(status):
                event, number = status >> 16, os.WSTOPSIG(status)
                if event == _SECCOMP_EVENT:
                    self._at_call(tid)
                self._ptrace(_CONT, tid, 0, 0 if event else number)
            elif tid == self._pid:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code

    def _at_call(self, tid: int) -> None:
        registers = (ctypes.c_ulonglong * _REGISTERS)()
        self._ptrace(_GETREGS, tid, 0, registers)
        try:
            name = self._name(tid, registers)
        except OSError:
            return  # an unknown descriptor or address: the call fails by itself
        if name is None:
            return
        self.calls.append(name)
        number = len(self.calls)
        if not self._point or number < self._point or (number > self._point and not self._again):
            return
        if self._fault == "kill":
            os.kill(self._pid, signal.SIGKILL)
        elif not name.startswith("send"):
            registers[_CALL] = 2**64 - 1  # no call
            registers[_RESULT] = 2**64 - getattr(errno, self._fault)
            self._ptrace(_SETREGS, tid, 0, registers)

    def _name(self, tid: int, registers: "ctypes.Array[ctypes.c_ulonglong]") -> str | None:
        call = registers[_CALL]
        arguments = [registers[place] for place in _ARGUMENTS]
        if call in _BY_FD:
            file = str(Path(f"/proc/{tid}/fd/{arguments[0]}").readlink())
            if file.startswith("socket:") and arguments[2] > 1:  # one byte is asyncio's, to wake its loop
                return f"send {_BY_FD[call]}"
            return f"{_BY_FD[call]} {Path(file).name}" if file.startswith(self._folder) else None
        name, place = _BY_PATH[call]
        if call == _OPENAT and not arguments[2] & os.O_CREAT:
            return None
        with Path(f"/proc/{tid}/mem").open("rb", buffering=0) as memory:
            memory.seek(arguments[place])
            file = os.fsdecode(memory.read(4096).partition(b"\0")[0])
        return f"{name} {Path(file).name}" if file.startswith(self._folder) else None


def _begin(arguments: list[str], go: int) -> None:
    """Wait for the tracer, and become the program."""
    os.read(go, 1)
    os.close(go)
    _filter(_libc())
    if arguments[0] == "-c":
        sys.argv = arguments[:1]
        exec(arguments[1], {"__name__": "__main__"})  # noqa: S102 - the code of a test
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[:0] = arguments, [str(Path(arguments[0]).parent)]
        runpy.run_path(arguments[0], run_name="__main__")


def _main() -> None:
    folder, fault, point, *arguments = sys.argv[1:]
    go, ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        _begin(arguments, go)
        return
    os.close(go)
    tracer = Tracer(child, folder, fault, int(point))
    os.close(ready)
    ended = tracer.follow()
    Path(f"{folder}.calls").write_text("".join(f"{call}\n" for call in tracer.calls))
    os._exit(ended)


if __name__ == "__main__":
    _main()
