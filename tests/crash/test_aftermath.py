"""After a fault at any system call another command comes first, and then the job goes on to its end.

A crash test that goes on with the same command does not see what only another one does to the files that a kill left.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
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
"""One command for each way to open a ledger, for `make exhaustive`."""


@dataclass(frozen=True)
class Trial:
    """What happens to one job.

    Attributes:
        point: The system call at which the first command has a fault.
        fault: What happens there.
        others: The commands after it.
        second: Where each of them has a fault, too; 0 is nowhere.
        second_fault: Which.
    """

    point: int
    fault: str
    others: tuple[str, ...]
    second: int
    second_fault: str


def calls_of(folder: Path, job: Job) -> list[str]:
    """Return the calls of a run without a fault."""
    with desk_for(folder) as desk:
        desk.prepare(job)
        assert desk.run(job.words, key=job.key, point=0).returncode in {0, 5}, desk.story()
        return desk.calls


def points_of(calls: list[str], sample: Sample, most: int) -> list[int]:
    """Return the calls that have a fault: of those that are alike in a row only the first.

    A sample is one of places, and a place is a call and the call before it. A run has a hundred equal places where it
    writes rows, and few where it begins a ledger or shortens a log; these are tried as often.
    """
    dice, places = random.Random(sample.seed), defaultdict[tuple[str, str], list[int]](list)
    for number, place in enumerate(pairwise(["", *calls]), 1):
        if place[0] != place[1]:
            places[place].append(number)
    if sample.exhaustive:
        return sorted(number for numbers in places.values() for number in numbers)
    return [dice.choice(places[place]) for place in sample.of(list(places), most)]


def trials(calls: list[str], faults: list[str], sample: Sample, most: int, *, apart: bool = False) -> list[Trial]:
    """Return what a test tries.

    Args:
        calls: The calls of the first command.
        faults: What may happen at one.
        sample: Chooses.
        most: How many calls, in a sample.
        apart: Whether all calls are tried with each way to open a ledger. All that with all jobs would take a night.
    """
    dice = random.Random(sample.seed)
    found: list[Trial] = []
    for point in points_of(calls, sample, most):
        each = [(other,) for other in WAYS] if apart and sample.exhaustive else [tuple(dice.sample(list(OTHERS), 3))]
        for others in each:
            second = dice.choice([0, 0, dice.randrange(1, 60)])
            found.append(Trial(point, dice.choice(faults), others, second, dice.choice(["kill", "ENOSPC", "EIO"])))
    return found


def tried(desk: Desk, job: Job, trial: Trial) -> int:
    """Do it, and return how the first command ended."""
    desk.said.append(f"{trial}")
    desk.prepare(job)
    ended = desk.heard(job.words, key=job.key, fault=trial.fault, point=trial.point)
    for other in trial.others:
        if desk.may_follow(other, job):
            key = KEYS.get(other, job.key)
            desk.heard(OTHERS[other], key=key, fault=trial.second_fault, point=trial.second or None)
    desk.finish(job)
    return ended


@pytest.mark.parametrize("faults", [["kill"], ["ENOSPC", "EIO", "ENOSPC+", "EIO+"]], ids=["killed", "failed"])
def test_a_run_goes_on_after_another_command(tmp_path: Path, sample: Sample, faults: list[str]) -> None:
    """Every order is bought once, and the ledger has all codes."""
    calls = calls_of(tmp_path / "whole", JOBS["run"])
    for number, trial in enumerate(trials(calls, faults, sample, 6 if faults == ["kill"] else 3, apart=True)):
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
