"""A token file and an allowance's file, whose writer is killed, or meets a full or broken disk, at any system call."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.crash import renewal, syscalls
from tests.crash.renewal import FAILED, LONG, SHORT
from tests.crash.sampling import Sample
from tests.warm_python import run_warm
from xoxo_async.auth.stores import FileTokenStore

pytestmark = pytest.mark.skipif(not syscalls.can_trace(), reason="the system calls of this machine are not known")

FAULTS = ["kill", "ENOSPC", "EIO", "ENOSPC+", "EIO+"]
"""A `+` is a disk that stays full, or broken."""


def traced(folder: Path, fault: str, point: int, *arguments: str | Path) -> tuple[int, list[str]]:
    """Run the program, and return how it ended and which calls it made."""
    words = [syscalls.__file__, folder, fault, str(point), renewal.__file__, *arguments]
    done = run_warm([str(word) for word in words], timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, Path(f"{folder}.calls").read_text().splitlines()


def points(calls: list[str], sample: Sample, most: int) -> list[tuple[int, str]]:
    return sample.of([(point, fault) for point in range(1, len(calls) + 1) for fault in FAULTS], most)


@pytest.mark.parametrize("how", ["beside", "mounted"])
def test_a_pair_is_whole_after_any_fault(tmp_path: Path, sample: Sample, how: str) -> None:
    """It is the old one or the new one, the error says which, and the next renewal works."""

    def renewed(folder: Path, fault: str, point: int) -> tuple[int, list[str]]:
        folder.mkdir()
        asyncio.run(renewal.stored(folder / "pair", LONG))
        return traced(folder, fault, point, "pair", folder / "pair", how, SHORT)

    def kept(folder: Path) -> str:
        pair = asyncio.run(FileTokenStore(folder / "pair").load())
        assert pair is not None
        assert pair.refresh is not None
        assert pair.refresh.reveal() == pair.access.reveal().upper()
        return pair.access.reveal()

    ended, calls = renewed(tmp_path / "whole", "kill", 0)
    assert (ended, kept(tmp_path / "whole")) == (0, SHORT)
    ends: Counter[int] = Counter()
    for point, fault in points(calls, sample, 6):
        folder = tmp_path / f"{point}-{fault}"
        ended, _ = renewed(folder, fault, point)
        ends[ended] += 1
        assert ended in {0, FAILED, syscalls.KILLED}
        assert kept(folder) in ({SHORT} if ended == 0 else {LONG, SHORT}), f"{fault} at {point}"
        assert traced(folder, "kill", 0, "pair", folder / "pair", how, SHORT)[0] == 0
        assert kept(folder) == SHORT
    assert ends.total() > ends[0]


def test_a_shorter_pair_leaves_no_rest(tmp_path: Path) -> None:
    """Where the file is written in place, it is whole at each call, although the pair before was longer."""
    asyncio.run(renewal.stored(tmp_path / "pair", LONG))
    _, calls = traced(tmp_path, "kill", 0, "pair", tmp_path / "pair", "mounted", SHORT)
    for point in range(calls.index("write pair") + 1, len(calls) + 1):
        asyncio.run(renewal.stored(tmp_path / "pair", LONG))
        traced(tmp_path, "kill", point, "pair", tmp_path / "pair", "mounted", SHORT)
        assert asyncio.run(FileTokenStore(tmp_path / "pair").load()) is not None


def test_an_allowance_is_usable_after_any_fault(tmp_path: Path, sample: Sample) -> None:
    """No slot is given twice, and a penalty that was noted stays."""
    _, calls = traced(tmp_path, "kill", 0, "slots", tmp_path / "whole")
    for point, fault in points(calls, sample, 4):
        file = tmp_path / f"{point}-{fault}"
        ended, _ = traced(tmp_path, fault, point, "slots", file)
        assert ended in {0, FAILED, syscalls.KILLED}
        first, second, third = asyncio.run(renewal.slots(file))
        assert second - first > 5
        assert third - second > 5
