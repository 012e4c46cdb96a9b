"""Whole runs with one trouble around the command each: another account, a changed file, a backup, a clock."""

import random
import shutil
from pathlib import Path

import pytest

from tests.crash.fronts import Front
from tests.crash.soak import ROWS, Job, sandbox_for
from xoxo_async.bulk import LineState
from xoxo_async.sandbox import Faults, Sandbox

pytestmark = pytest.mark.slow

OTHER_CLIENT = "other-client"


def other_account(folder: Path) -> Sandbox:
    """Return a server with another account. It knows no order of the first one, and would sell all of them again."""
    other = Sandbox(path=folder / "other-books", unique_po_numbers=False)
    issue = other.tokens.issue

    def for_other(path: str, body: bytes, content_type: str) -> object:
        return issue(path, body.replace(OTHER_CLIENT.encode(), other.client_id.encode()), content_type)

    other.tokens.issue = for_other  # type: ignore[method-assign, assignment]
    return other


def test_another_account_is_refused_the_first_ones_ledger(tmp_path: Path) -> None:
    """After a kill -9 the second account is refused without a call, and the job of the first one ends to the cent."""
    dice = random.Random(101)
    first, other = sandbox_for(tmp_path, dice, 101), other_account(tmp_path)
    front = Front(first)
    with first.run_in_thread(), other.run_in_thread(), front.run_in_thread():
        job = Job(first, tmp_path, dice, base_url=front.base_url)
        job.killed(least=1)
        front.sandbox, job.client_id = other, OTHER_CLIENT
        code, _, err = job.run()
        assert (code, "another account" in err) == (2, True), err
        assert not other.requests
        assert other.books().requests.get("token", 0) == 0
        front.sandbox, job.client_id = first, first.client_id
        job.killed()
        job.check(job.finish())
        assert other.books().orders == 0


def test_the_other_account_buys_from_an_empty_ledger(tmp_path: Path) -> None:
    """Only the ledger refuses that account: with a ledger of its own it can buy."""
    other = other_account(tmp_path)
    with other.run_in_thread():
        job = Job(other, tmp_path, random.Random(0), client_id=OTHER_CLIENT)
        job.rows = job.rows[:3]
        job.write_orders()
        job.check(job.finish(), rows=3)
        assert other.books().orders == 3


def test_rows_taken_out_and_added_are_handled(tmp_path: Path) -> None:
    """A run without a planned row names it and sends nothing. A withdrawn row is never bought."""
    dice = random.Random(102)
    with sandbox_for(tmp_path, dice, 102).run_in_thread() as sandbox:
        job = Job(sandbox, tmp_path, dice)
        job.killed(least=1)
        taken = job.rows.pop()
        job.write_orders()
        for _ in range(2):  # the requests of the killed run have arrived before the second time
            before = sandbox.books().requests["placeOrder"]
            code, _, err = job.run()
            assert (code, f"row-{ROWS - 1}" in err) == (2, True), err
        assert sandbox.books().requests["placeOrder"] == before
        job.killed("--withdraw-missing")
        job.rows.append(job.row(ROWS))
        job.write_orders()
        job.killed("--withdraw-missing")
        job.check(job.finish("--withdraw-missing", withdrawn=1), rows=ROWS + 1)
        (cancelled,) = [line for line in job.lines() if line.state is LineState.CANCELLED]
        assert cancelled.key == taken.split(",")[0]
        (added,) = [line for line in job.lines() if line.key == f"row-{ROWS}"]
        assert added.state is LineState.PLACED


def put_back(backup: Path, folder: Path) -> None:
    """Replace a ledger's files with older ones, as a restored backup does."""
    for file in folder.glob("run.db*"):
        file.unlink()
    for file in backup.glob("run.db*"):
        shutil.copy2(file, folder)


@pytest.mark.parametrize("options", [("--restore",), ()], ids=["told", "noticed"])
def test_a_restored_backup_buys_nothing_twice(tmp_path: Path, options: tuple[str, ...]) -> None:
    """The ledger lacks most of its orders. They are found, also after another kill -9."""
    dice = random.Random(103)
    with sandbox_for(tmp_path, dice, 103).run_in_thread() as sandbox:
        job = Job(sandbox, tmp_path, dice)
        job.killed(least=40)  # a backup needs rows, and an order for the vendor's time
        backup = shutil.copytree(tmp_path, tmp_path / "backup", ignore=shutil.ignore_patterns("books*", "*-shm"))
        job.check(job.finish())
        placed = sandbox.books().orders
        put_back(backup, tmp_path)
        assert sum(line.state is LineState.PLACED for line in job.lines()) < placed
        job.killed(*options)
        job.check(job.finish(*options))


def test_shifted_connections_mix_up_no_orders(tmp_path: Path) -> None:
    """Some answers come twice, the second time while the next request is in flight, and the run is killed."""
    dice = random.Random(104)
    lost = {"commit_then_reset": 0.02, "reset_before_commit": 0.02, "error_5xx_after": 0.01, "late_commit": 0.02}
    sandbox = Sandbox(
        seed=104, path=tmp_path / "books", faults=Faults(mix=lost, seed=104), latency_ms=5, unique_po_numbers=False
    )
    front = Front(sandbox, repeats=0.03, seed=104)
    with sandbox.run_in_thread(), front.run_in_thread():
        job = Job(sandbox, tmp_path, dice, base_url=front.base_url)
        for _ in range(3):
            job.killed()
        job.check(job.finish())
    assert front.repeated > 10


def test_a_stepping_clock_buys_nothing_twice(tmp_path: Path) -> None:
    """The wall clock steps by hours several times a second, in every run and between them, and the run is killed."""
    dice = random.Random(105)
    with sandbox_for(tmp_path, dice, 105).run_in_thread() as sandbox:
        wrapped = ("-W", "error", str(Path(__file__).with_name("stepping.py")))
        # A module may have kept the clock that it found, so none may be imported before the clock steps.
        job = Job(sandbox, tmp_path, dice, started_with=())
        for seed in range(3):
            job.program = (*wrapped, str(seed))
            job.killed()
        job.finish()
        # Orders bear dates without a zone. Where the clock jumps, no date tells whether a first send that was refused
        # as known placed the order itself, so a person is asked. The next run fetches charges and codes.
        assert job.decide_as_told() <= ROWS // 25
        job.check(job.finish())
