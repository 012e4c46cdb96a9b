# ruff: noqa: ASYNC221, ASYNC240 - what these tests do to the file is theirs to wait for
"""`allowance.file`: the file itself, with all that can happen to it."""

import asyncio
import errno
import fcntl
import math
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from xoxo_async.allowance import AwayError, FileAllowance, Grant, file
from xoxo_async.errors import ConfigError

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "allowance"


async def take(store: FileAllowance, count: int = 1, *, interval_s: float = 1.0, who: str = "a") -> Grant:
    return await store.take("acc", "placeOrder", member=who, interval_s=interval_s, count=count, within_s=math.inf)


def asked_by_another_process(path: Path, count: int = 1) -> float:
    """Take a slot in another process, and return the seconds until it."""
    code = (
        "import asyncio, math, sys; from xoxo_async.allowance import FileAllowance;"
        "store = FileAllowance(sys.argv[1]);"
        "print(asyncio.run(store.take('acc', 'placeOrder', member='b', interval_s=1000.0, count=int(sys.argv[2]),"
        " within_s=math.inf)).first_s)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


async def test_the_file_is_private(path: Path) -> None:
    """The file is made 0600 whatever the umask, and holds neither account nor process in a readable secret."""
    before = os.umask(0)
    try:
        await take(FileAllowance(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_rights_that_an_administrator_gave_stay(path: Path) -> None:
    """An empty file with the group's rights is used as it is, so that two users can share."""
    path.touch()
    path.chmod(0o660)
    await take(FileAllowance(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_processes_share_it(path: Path) -> None:
    """Another process gets the slot after this one's."""
    await take(FileAllowance(path), interval_s=1000.0)
    assert asked_by_another_process(path) == pytest.approx(1000, abs=60)


async def test_no_descriptor_stays_open(path: Path) -> None:
    """Neither success nor failure keeps the file open."""
    store = FileAllowance(path)
    await take(store)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await take(store)
    (path.parent / "rubbish").write_text("key,product\n" * 10)
    for _ in range(20):
        with pytest.raises(ConfigError):
            await take(FileAllowance(path.parent / "rubbish"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("content", [b"key,product_id\nA-1,1001\n", b"\x00", b"x" * 40_000, b"\0" * 40_000])
async def test_a_foreign_file_is_refused_and_kept(path: Path, content: bytes) -> None:
    """A path that leads to another file, by mistake, is an error that names it. The file is not touched."""
    path.write_bytes(content)
    if content == b"\x00":
        assert (await take(FileAllowance(path))).count == 1
        return
    with pytest.raises(ConfigError, match="is not an allowance: give another path"):
        await take(FileAllowance(path))
    assert path.read_bytes() == content


def cut_short(content: bytearray) -> None:
    """Cut off room that is not used yet, as a copy or a check of the disk does."""
    del content[20_000:]


def spoil_newest(content: bytearray) -> None:
    """Spoil the area that was written last, as a process that is killed while it writes does."""
    newest = max((0, file._AREA), key=lambda start: int.from_bytes(content[start + 16 : start + 24], "big"))
    content[newest + 40 : newest + 60] = b"\xff" * 20


def spoil_newest_head(content: bytearray) -> None:
    newest = max((0, file._AREA), key=lambda start: int.from_bytes(content[start + 16 : start + 24], "big"))
    content[newest + 16 : newest + 24] = b"\xff" * 8


@pytest.mark.parametrize(("spoil", "next_s"), [(spoil_newest, 10), (spoil_newest_head, 10), (cut_short, 20)])
async def test_a_write_cut_off_loses_only_itself(path: Path, spoil: Callable[[bytearray], None], next_s: float) -> None:
    """What was written before it stands: the next slot is the one of the grant that nobody received."""
    store = FileAllowance(path)
    await take(store, 10)
    await take(store, 10)
    content = bytearray(path.read_bytes())
    spoil(content)
    path.write_bytes(content)
    assert (await take(store)).first_s == pytest.approx(next_s, abs=1)
    assert (await take(store)).first_s == pytest.approx(next_s + 1, abs=1)


@pytest.mark.parametrize("at", [*range(16, 60, 4), 100, 300])
async def test_a_write_that_ends_at_any_byte(path: Path, at: int) -> None:
    """A write reaches the file up to some byte: the state before it or after it is read, never another one."""
    store = FileAllowance(path)
    await take(store, 10)
    await take(store, 10)
    before = path.read_bytes()
    await take(store, 10)
    after = path.read_bytes()
    start = next(n for n in (0, file._AREA) if before[n : n + file._AREA] != after[n : n + file._AREA])
    path.write_bytes(before[:start] + after[start : start + at] + before[start + at :])
    first_s = (await take(store)).first_s
    assert min(abs(first_s - 20), abs(first_s - 30)) < 1


async def test_a_restarted_machine_begins_anew(path: Path) -> None:
    """The clock counts from the start of the machine. A file that is ahead of it is of an earlier start."""
    now = [50_000.0]
    store = FileAllowance(path, clock=lambda: now[0])
    await store.hold("acc", "placeOrder", 3600)
    await take(store, 100)
    now[0] = 60.0
    grant = await take(store)
    assert (grant.first_s, grant.held_s, grant.members) == (0, 0, 1)


async def test_who_is_gone_is_no_member(path: Path) -> None:
    """Processes that are gone are not counted, and at last not kept."""
    now = [1000.0]
    store = FileAllowance(path, clock=lambda: now[0])
    for number in range(300):
        await take(store, who=f"{number}-{'x' * 20}", interval_s=0.01)
        now[0] += 1
    grant = await take(store, interval_s=0.01)
    assert grant.members == 60
    state, _ = store._read(descriptor := os.open(path, os.O_RDONLY))
    os.close(descriptor)
    assert len(state.lanes["acc placeOrder"].members) < 150


async def test_too_many_members_for_the_file(path: Path) -> None:
    """A file that has no room for the processes of a minute says so, and keeps what it has."""
    store = FileAllowance(path)

    async def fill() -> None:
        for number in range(2000):
            await take(store, who=f"{number}-{'x' * 20}", interval_s=1e-6)

    with pytest.raises(ConfigError, match="is full: too many accounts or processes"):
        await fill()
    assert (await take(store, 0, who="0-" + "x" * 20)).members > 100


async def test_a_lock_that_is_held_ends_the_wait(path: Path) -> None:
    """A process may be stopped while it holds the lock. Others wait a fraction of a second, and go on alone."""
    store = FileAllowance(path)
    await take(store)
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        started = time.monotonic()
        with pytest.raises(AwayError, match="has held its lock"):
            await take(store)
        assert time.monotonic() - started < 30
    finally:
        os.close(descriptor)
    assert (await take(store)).count == 1


async def test_a_short_lock_blocks_no_loop(path: Path) -> None:
    """The loop serves others while a file is locked."""
    store = FileAllowance(path)
    await take(store)
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    asyncio.get_running_loop().call_later(0.05, os.close, descriptor)
    assert (await take(store)).count == 1


@pytest.mark.parametrize("when", ["first", "later"])
async def test_a_full_disk_is_no_wrong_setting(path: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room the store is away, and the processes go on alone; with room again it works."""
    store = FileAllowance(path)
    if when == "later":
        await take(store)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(file.os, "pwrite", full)
        with pytest.raises(AwayError, match="No space left on device"):
            await take(store)
    assert (await take(store)).count == 1


async def test_a_small_disk_that_is_full(tmp_path: Path) -> None:
    """A real limit: the file may not grow to its size. The message is one line, and nothing else breaks."""
    code = (
        "import asyncio, math, resource, signal, sys; from xoxo_async.allowance import FileAllowance;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "store = FileAllowance(sys.argv[1]); take = lambda: asyncio.run("
        "store.take('a', 'o', member='b', interval_s=1.0, count=1, within_s=math.inf))\n"
        "for _ in range(3):\n"
        "    try: take()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "f")], capture_output=True, text=True, check=True)
    assert done.stdout.count("AwayError") >= 2, done.stdout
    assert (await take(FileAllowance(tmp_path / "f"))).count == 1


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def link(path: Path) -> Path:
    path.symlink_to(path.parent / "elsewhere")
    return path


def under_a_file(path: Path) -> Path:
    path.touch()
    return path / "allowance"


@pytest.mark.parametrize("make", [folder, fifo, link, under_a_file])
async def test_what_is_no_file_is_refused(path: Path, make: Callable[[Path], Path]) -> None:
    """A folder, a pipe, a link and a path through a file are errors that name the path, at the first use."""
    made = make(path)
    with pytest.raises(ConfigError, match=re.escape(f"{made} ")):
        await take(FileAllowance(made))


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The folder is not made: a wrong path is more likely than a missing folder."""
    with pytest.raises(ConfigError, match="No such file or directory"):
        await take(FileAllowance(tmp_path / "none" / "allowance"))
    with pytest.raises(ConfigError, match="cannot be opened"):
        await take(FileAllowance(str(tmp_path / "a\0b")))
    with pytest.raises(ConfigError, match="needs the path of a file"):
        FileAllowance("")


@pytest.mark.skipif(os.geteuid() != 0, reason="root can become another user")
async def test_another_users_file_is_named(tmp_path: Path) -> None:
    """The nightly run of root made the file; the web server's user cannot use it, and is told so."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    path = tmp_path / "allowance"
    await take(FileAllowance(path))
    code = (
        "import asyncio, os, sys; from xoxo_async.allowance import FileAllowance; os.setgid(65534); os.setuid(65534)\n"
        "try: asyncio.run(FileAllowance(sys.argv[1]).take('a', 'o', member='b', interval_s=1.0, count=1, within_s=1))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"ConfigError the allowance {path} cannot be opened: Permission denied"


async def test_a_file_that_is_replaced_is_followed(path: Path) -> None:
    """Someone removes the file: the next call makes another one, and all processes use that."""
    store, other = FileAllowance(path), FileAllowance(path)
    await take(store, 10)
    path.unlink()
    assert (await take(store)).first_s == 0
    assert (await take(other)).first_s == pytest.approx(1, abs=0.2)


def test_a_fork_shares_and_does_not_disturb(path: Path) -> None:
    """Children of a fork take slots at the same time as their parent, and no slot is given twice."""
    store = FileAllowance(path)

    def slots(count: int) -> list[float]:
        async def ask() -> list[float]:
            found = []
            while len(found) < count:
                # On a busy machine a holder of the lock may wait for the processor for longer than others wait for it.
                with suppress(AwayError):
                    grant = await take(store, interval_s=5.0)
                    found.append(time.monotonic() + grant.first_s)
            return found

        return asyncio.run(ask())

    slots(1)
    read, write = os.pipe()
    children = []
    for _ in range(3):
        pid = os.fork()
        if not pid:
            try:
                os.write(write, ("".join(f"{slot}\n" for slot in slots(500))).encode())
            finally:
                os._exit(
                    0
                )  # also after an error: in a fork of pytest's worker, pytest would wait for its threads for ever
        children.append(pid)
    found = slots(500)
    for child in children:
        os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found += [float(line) for line in pipe]
    found.sort()
    assert [slot - found[0] for slot in found] == pytest.approx([5.0 * n for n in range(2000)], abs=1)


def test_processes_that_are_killed_leave_it_usable(path: Path) -> None:
    """Processes that do nothing but take slots are killed at random moments. The file stays right."""
    code = (
        "import asyncio, math, sys; from xoxo_async.allowance import FileAllowance\n"
        "async def main():\n"
        "    store = FileAllowance(sys.argv[1]); print('ready', flush=True)\n"
        "    while True:\n"
        "        await store.take('acc', 'placeOrder', member='b', interval_s=1e-5, count=1, within_s=math.inf)\n"
        "asyncio.run(main())\n"
    )
    for number in range(6):
        workers = [
            subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        time.sleep(0.027 * number)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
        grant = asyncio.run(take(FileAllowance(path), interval_s=1e-5))
        assert grant.count == 1
        assert grant.first_s < 5
