"""Check the place of a ledger: a folder's disk, locks and space; or a database."""

import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.opening import open_ledger
from xoxo_async.doctor.findings import Finding, Status, failed, not_run
from xoxo_async.errors import XoxoError
from xoxo_async.file_locks import fcntl

if TYPE_CHECKING:
    from xoxo_async.postgres.checking import Checked

__all__ = ["Mount", "check_database_of", "check_disk", "check_folder", "check_ledger_file", "check_space", "mount_of"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2",
     "beegfs", "gpfs", "vboxsf", "virtiofs", "prl_fs"}
)  # fmt: skip
_SHORT_LIVED: Final = {"tmpfs": "it ends when the machine does", "ramfs": "it ends when the machine does",
                       "overlay": "it ends with the container"}  # fmt: skip
_LEAST_BYTES: Final = 64 * 1024**2
_GOOD_BYTES: Final = 1024**3


class Mount(NamedTuple):
    """A mounted file system.

    Attributes:
        point: Where it is mounted.
        kind: Its kind, for example `ext4`.
    """

    point: str
    kind: str


def check_folder(where: Path) -> list[Finding]:
    """Return the findings about a ledger's folder: can it be written, do locks hold, is it local, is there room.

    Args:
        where: The ledger's path; the file need not exist.
    """
    folder = where.parent
    if not folder.is_dir():
        advice = f"make it: mkdir -p {shlex.quote(str(folder))}"
        return [Finding(check="ledger folder", status="fail", text=f"there is no folder {folder}", advice=advice)]
    try:
        _try_locks(folder)
    except OSError as error:
        return [_no_folder(folder, error)]
    return [_writable(folder), check_disk(folder), check_space(folder)]


def _writable(folder: Path) -> Finding:
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        return Finding(
            check="ledger folder",
            status="warn",
            text=f"{folder} can be written, locks hold; but every user of this machine may replace files in it",
            advice=f"chmod o-w {shlex.quote(str(folder))}",
        )
    return Finding(check="ledger folder", status="ok", text=f"{folder.resolve()} can be written, and locks hold")


def _no_folder(folder: Path, error: OSError) -> Finding:
    held = "locks do not hold" if isinstance(error, _UnlockedError) else f"{error.strerror or error}"
    return Finding(
        check="ledger folder",
        status="fail",
        text=f"a ledger cannot be kept in {folder}: {held}",
        advice="use a folder on a local disk that you may write, or a ledger in PostgreSQL",
    )


class _UnlockedError(OSError):
    """A second lock on one file was given."""


def _try_locks(folder: Path) -> None:
    """Make a file, lock it twice (the second must be refused), write it to disk, and remove it."""
    descriptor, name = tempfile.mkstemp(prefix=".xoxo-doctor-", dir=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        try:
            _must_be_refused(other)
        finally:
            os.close(other)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kind that SQLite takes
        os.write(descriptor, b"x")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        os.unlink(name)  # noqa: PTH108 - beside os.close


def _must_be_refused(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    raise _UnlockedError


def check_disk(folder: Path, mounts: str | None = None) -> Finding:
    """Say on which kind of file system a folder is.

    Args:
        folder: The folder.
        mounts: The text of Linux's `mountinfo`; the system's by default.
    """
    mount = mount_of(folder, mounts)
    if mount is None:
        return not_run("disk", f"this system ({sys.platform}) does not say which file system it is")
    facts = {"file_system": mount.kind, "mounted_at": mount.point}
    if mount.kind in _NETWORK or mount.kind.startswith("fuse"):
        return Finding(
            check="disk",
            status="warn",
            text=f"{mount.kind} at {mount.point}: a network or shared file system, whose locks may not hold elsewhere",
            advice="keep the ledger on a local disk, or in PostgreSQL for several machines",
            facts=facts,
        )
    if mount.kind in _SHORT_LIVED:
        why = _SHORT_LIVED[mount.kind]
        advice = "keep the ledger on a disk that stays: without it, nobody knows what was bought"
        text = f"{mount.kind} at {mount.point}: {why}"
        return Finding(check="disk", status="warn", text=text, advice=advice, facts=facts)
    return Finding(check="disk", status="ok", text=f"{mount.kind} at {mount.point}", facts=facts)


def mount_of(folder: Path, mounts: str | None = None) -> Mount | None:
    """Return the file system that a folder is on; None where the system does not say it.

    Args:
        folder: The folder.
        mounts: The text of Linux's `mountinfo`; the system's by default.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(errors="surrogateescape")
        except OSError:
            return None
    place, best = folder.resolve(), None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or not kinds:
            continue
        point = fields[4].replace("\\040", " ")
        # Of two at one point, the later one covers the other.
        if place.is_relative_to(point) and (best is None or len(point) >= len(best.point)):
            best = Mount(point, kinds[0])
    return best


def check_space(folder: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Finding:
    """Say how much room a folder has.

    Args:
        folder: The folder.
        usage: Returns total, used and free bytes.
    """
    free = usage(folder)[2]
    status: Status = "ok" if free >= _GOOD_BYTES else "warn" if free >= _LEAST_BYTES else "fail"
    text = f"{free / 1024**3:,.1f} GiB free" if free >= _GOOD_BYTES else f"{free / 1024**2:,.0f} MiB free"
    advice = "" if status == "ok" else "make room: a run pauses when the disk is full (about 1 KiB a row is needed)"
    return Finding(check="space", status=status, text=text, advice=advice, facts={"free_bytes": free})


async def check_ledger_file(where: LedgerAddress) -> Finding | None:
    """Open an existing ledger to read, and say what it is.

    Args:
        where: The ledger in a file.

    Returns:
        The finding; None where the file does not exist yet.
    """
    if where.path is None or not where.path.exists():
        return None
    try:
        async with open_ledger(where, must_exist=True, read_only=True, store_codes=False) as ledger:
            counts, holders = await ledger.counts(), await ledger.holders()
            job = ledger.job or "(none yet)"
    except XoxoError as error:
        return failed("ledger", error, advice=f"{_status(where)} shows more")
    text = f"job {job}, {counts.rows:,} {'row' if counts.rows == 1 else 'rows'}"
    text += f"; process {holders[0].pid} works on it" if holders else ""
    facts = {"job": job, "rows": counts.rows, "alarms": counts.alarms_total}
    if counts.alarms_total:
        text += f"; {counts.alarms_total} alarms"
        advice = f"look at them: {_status(where)}"
        return Finding(check="ledger", status="fail", about="money", text=text, advice=advice, facts=facts)
    if where.path.stat().st_mode & 0o077:
        advice = f"chmod 600 {shlex.quote(str(where.path))}"
        text += "; other users may read it"
        return Finding(check="ledger", status="warn", text=text, advice=advice, facts=facts)
    return Finding(check="ledger", status="ok", text=text, facts=facts)


async def check_database_of(where: LedgerAddress) -> list[Finding]:
    """Check the database of a ledger as `xoxo ledger check` does.

    Args:
        where: The ledger in a database.

    Raises:
        XoxoError: The database cannot be reached, or asyncpg is not installed.
    """
    from xoxo_async.postgres.operations import check_database  # noqa: PLC0415 - an extra

    return findings_of_database(where.name, await check_database(where.url))


def findings_of_database(name: str, found: "Checked") -> list[Finding]:
    """Return the findings about a database.

    Args:
        name: Its name, without a password.
        found: What is known about it.
    """
    findings = [Finding(check="ledger", status="fail", text=text) for text in found.refused]
    findings += [Finding(check="ledger", status="fail", about="money", text=text) for text in found.wrong]
    findings += [Finding(check="ledger", status="warn", text=text) for text in found.warnings]
    if not (found.refused or found.wrong):
        jobs = f"{len(found.jobs)} {'job' if len(found.jobs) == 1 else 'jobs'}"
        text = f"{name}, PostgreSQL {found.server}, schema {found.version}, {jobs}"
        findings.insert(0, Finding(check="ledger", status="ok", text=text))
    return findings


def _status(where: LedgerAddress) -> str:
    return shlex.join(["xoxo", "bulk", "status", "--ledger", where.argument])
