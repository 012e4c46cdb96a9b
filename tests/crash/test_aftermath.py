"""After a fault at any system call another command comes first, and then the job goes on to its end.

A crash test that goes on with the same command does not see what only another one does to the files that a kill left.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash import syscalls
from tests.crash.aftermath import Desk, desk_for
from tests.crash.aftermath_jobs import JOBS, KEYS, OTHERS, Job
from tests.crash.sampling import EXHAUSTIVE, Sample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200 if EXHAUSTIVE else 300),
    pytest.mark.skipif(not syscalls.can_trace(), reason="the system calls of this machine are not known"),
]

WAYS = ["another account", "changed file", "declined", "opened", "resolve", "status", "viewed"]
"""One command for each way to open a ledger. All points with all commands would take a night."""


@dataclass(frozen=True)
class Trial:
    """What happens to one job.

    Attributes:
        point: The system call at which the first command has a fault.
        fault: What happens there.
        other: The command after it.
        second: Where that one has a fault, too; 0 is nowhere.
        second_fault: Which.
    """

    point: int
    fault: str
    other: str
    second: int
    second_fault: str


def calls_of(folder: Path, job: Job) -> list[str]:
    """Return the calls of a run without a fault."""
    with desk_for(folder) as desk:
        desk.prepare(job)
        assert desk.run(job.words, key=job.key, point=0).returncode in {0, 5}, desk.story()
        return desk.calls


def trials(calls: list[str], faults: list[str], sample: Sample, most: int) -> list[Trial]:
    """Return what a test tries. Of calls that follow each other and are alike, only the first is tried."""
    dice = random.Random(sample.seed)
    points = [number for number, call in enumerate(calls, 1) if number == 1 or call != calls[number - 2]]
    others = WAYS if sample.exhaustive else list(OTHERS)
    found: list[Trial] = []
    for point in sample.of(points, most):
        for other in others if sample.exhaustive else [dice.choice(others)]:
            second = dice.choice([0, dice.randrange(1, 60)])
            found.append(Trial(point, dice.choice(faults), other, second, dice.choice(["kill", "ENOSPC", "EIO"])))
    return found


def tried(desk: Desk, job: Job, trial: Trial) -> int:
    """Do it, and return how the first command ended."""
    desk.said.append(f"{trial}")
    desk.prepare(job)
    ended = desk.heard(job.words, key=job.key, fault=trial.fault, point=trial.point)
    if desk.may_follow(trial.other, job):
        key = KEYS.get(trial.other, job.key)
        desk.heard(OTHERS[trial.other], key=key, fault=trial.second_fault, point=trial.second or None)
    desk.finish(job)
    return ended


@pytest.mark.parametrize("faults", [["kill"], ["ENOSPC", "EIO", "ENOSPC+", "EIO+"]], ids=["killed", "failed"])
def test_a_run_goes_on_after_another_command(tmp_path: Path, sample: Sample, faults: list[str]) -> None:
    """Every order is bought once, and the ledger has all codes."""
    calls = calls_of(tmp_path / "whole", JOBS["run"])
    for number, trial in enumerate(trials(calls, faults, sample, 4)):
        with desk_for(tmp_path / f"{number}") as desk:
            tried(desk, JOBS["run"], trial)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", sorted(set(JOBS) - {"run"}))
def test_a_job_goes_on_after_another_command(tmp_path: Path, sample: Sample, name: str) -> None:
    """Whatever the command that is killed, and whatever the one that comes next."""
    job = JOBS[name]
    for number, trial in enumerate(trials(calls_of(tmp_path / "whole", job), ["kill"], sample, 1)):
        with desk_for(tmp_path / f"{number}") as desk:
            assert tried(desk, job, trial) in {syscalls.KILLED, 0, 3, 5}
