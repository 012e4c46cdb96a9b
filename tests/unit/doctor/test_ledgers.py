"""`ledgers`: a ledger's folder is tried out, and its disk is named."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.doctor import ledgers
from xoxo_async.postgres.checking import Checked

pytestmark = pytest.mark.anyio

MOUNTS = """
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/share\\040d rw - nfs4 host:/x rw
31 22 0:41 / /dev/shm rw - tmpfs tmpfs rw
32 22 0:42 / /keys rw - fuse.sshfs x rw
33 22 0:43 / /both rw - tmpfs tmpfs rw
34 22 0:44 / /both rw - xfs /dev/sdb rw
bad line
"""


def test_a_folder_is_tried_out(tmp_path: Path) -> None:
    """It can be written, locks hold, and nothing stays behind."""
    found = ledgers.check_folder(tmp_path / "m.db")
    assert [finding.check for finding in found] == ["ledger folder", "disk", "space"]
    assert found[0].status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_no_folder_fails(tmp_path: Path) -> None:
    """The advice makes it."""
    (found,) = ledgers.check_folder(tmp_path / "no" / "m.db")
    assert (found.status, found.advice) == ("fail", f"make it: mkdir -p {tmp_path / 'no'}")


def test_a_folder_of_everybodys_warns(tmp_path: Path) -> None:
    """Other users could replace the ledger."""
    tmp_path.chmod(0o777)
    assert ledgers.check_folder(tmp_path / "m.db")[0].status == "warn"


@pytest.mark.parametrize("error", [None, OSError(37, "No locks available"), PermissionError(13, "Permission denied")])
def test_locks_that_do_not_hold_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError | None) -> None:
    """A file system may give the lock twice, or none."""

    def lock(_descriptor: int, _how: int) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(fcntl, "flock", lock)
    (found,) = ledgers.check_folder(tmp_path / "m.db")
    assert found.status == "fail"
    assert str(error.strerror if error is not None else "locks do not hold") in found.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "kind", "status"),
    [
        ("/home/me", "ext4", "ok"),
        ("/srv/share d/x", "nfs4", "warn"),
        ("/srv/share", "ext4", "ok"),
        ("/dev/shm/x", "tmpfs", "warn"),
        ("/keys", "fuse.sshfs", "warn"),
        ("/both", "xfs", "ok"),
    ],
)
def test_a_disk_has_a_kind(folder: str, kind: str, status: str) -> None:
    """A network's file system may have no locks, and one in memory ends with the machine."""
    found = ledgers.check_disk(Path(folder), MOUNTS)
    assert (found.facts["file_system"], found.status) == (kind, status)


def test_a_system_without_mounts_says_so() -> None:
    """The check cannot run there."""
    assert ledgers.check_disk(Path("/"), "").text.startswith("not checked")


@pytest.mark.parametrize(("free", "status"), [(5 * 1024**3, "ok"), (100 * 1024**2, "warn"), (1024**2, "fail")])
def test_space_is_needed(free: int, status: str) -> None:
    """A full disk pauses a run."""
    usage: Callable[[Path], tuple[int, int, int]] = lambda _folder: (0, 0, free)  # noqa: E731
    assert ledgers.check_space(Path(), usage).status == status


async def test_a_ledger_is_opened_to_read(tmp_path: Path) -> None:
    """One that is not there yet is no finding; a file that is none fails."""
    where = LedgerAddress.read(tmp_path / "m.db")
    assert await ledgers.check_ledger_file(where) is None
    async with SqliteLedger(tmp_path / "m.db") as ledger:
        await ledger.set_fact("x", "y")
    found = await ledgers.check_ledger_file(where)
    assert found is not None
    assert (found.status, found.facts["rows"]) == ("ok", 0)
    (tmp_path / "m.db").chmod(0o644)
    found = await ledgers.check_ledger_file(where)
    assert found is not None
    assert found.advice == f"chmod 600 {tmp_path / 'm.db'}"
    (tmp_path / "n.db").write_text("no ledger")
    found = await ledgers.check_ledger_file(LedgerAddress.read(tmp_path / "n.db"))
    assert found is not None
    assert found.status == "fail"


def test_a_database_is_judged_as_by_its_check() -> None:
    """What a worker refuses fails, and counts that are wrong are about money."""
    good = Checked("18", 1, 1, None, 0.0, None, (), (), (), ("a warning",))
    assert [(one.status, one.text) for one in ledgers.findings_of_database("db", good)] == [
        ("ok", "db, PostgreSQL 18, schema 1, 0 jobs"),
        ("warn", "a warning"),
    ]
    bad = good._replace(refused=("old",), wrong=("counts",), warnings=())
    assert [(one.status, one.about) for one in ledgers.findings_of_database("db", bad)] == [
        ("fail", "setting"),
        ("fail", "money"),
    ]
