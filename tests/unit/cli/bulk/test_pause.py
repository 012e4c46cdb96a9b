"""`pause`: a job stops until a person goes on; a file that a run has open can only be stopped by its holder."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import open_ledger

PAUSE = ("bulk", "pause", "--ledger", "march.db", "--reason", "wrong values")


@pytest.fixture(autouse=True)
def _planned(command: Command) -> None:
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,250\n")
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db", "--sandbox").code == 0


def paused() -> str | None:
    async def read() -> str | None:
        async with open_ledger("march.db", must_exist=True, read_only=True) as ledger:
            return await ledger.paused()

    return asyncio.run(read())


def test_a_paused_job_goes_on_with_a_resume(command: Command) -> None:
    """The command names what continues; `reconcile` leaves the pause, `resume` ends it."""
    ended = command(*PAUSE)
    assert (ended.code, ended.out) == (0, "march.db is paused: wrong values\n")
    assert "bulk resume --ledger march.db --sandbox" in ended.err
    assert paused() == "wrong values"
    assert command("bulk", "reconcile", "--ledger", "march.db", "--sandbox").code == 5
    assert paused() == "wrong values"
    resumed = command("bulk", "resume", "--ledger", "march.db", "--sandbox", "--json")
    assert (resumed.code, resumed.facts["issued"], paused()) == (0, 2, None)


@pytest.mark.parametrize("reason", ["one\ntwo", "a\x1b[2J", "a\u2028b", "a\x9b"])
@pytest.mark.parametrize("words", ["pause", "withdraw A", "rebind --sandbox", "resolve A --resend --sandbox"])
def test_a_reason_is_one_line(command: Command, words: str, reason: str) -> None:
    """It stands in logs and on terminals: nothing is written, and the error does not repeat it."""
    ended = command("bulk", *words.split(), "--ledger", "march.db", "--reason", reason)
    assert (ended.code, reason in ended.err + ended.out) == (2, False)
    assert "--reason" in ended.err
    assert "one line" in ended.err
    assert paused() is None


def test_its_json_has_the_counts(command: Command) -> None:
    """A script sees what is left."""
    facts = command(*PAUSE, "--json").facts
    assert (facts["paused"], facts["not_sent"], facts["ledger"]) == ("wrong values", 2, "march.db")
    assert "bulk resume" in facts["continue_with"]


def test_status_says_why_a_job_is_paused(command: Command) -> None:
    """Whoever looks reads the reason, also in JSON."""
    assert command("bulk", "status", "--ledger", "march.db", "--json").facts["paused"] is None
    command(*PAUSE)
    assert "the job is paused: wrong values" in command("bulk", "status", "--ledger", "march.db").out
    assert command("bulk", "status", "--ledger", "march.db", "--json").facts["paused"] == "wrong values"


def test_a_file_in_use_names_its_holder(command: Command) -> None:
    """Only the run itself can stop: the error says how."""
    ready, over = threading.Event(), threading.Event()

    async def hold() -> None:
        async with open_ledger("march.db"):
            ready.set()
            await asyncio.to_thread(over.wait)

    holder = threading.Thread(target=lambda: asyncio.run(hold()))
    holder.start()
    try:
        assert ready.wait(30)
        ended = command(*PAUSE)
    finally:
        over.set()
        holder.join(30)
    assert ended.code == 2
    assert f"kill -INT {os.getpid()}" in ended.err


def test_a_reason_is_needed(command: Command) -> None:
    """Whoever goes on must know why it was paused."""
    assert command("bulk", "pause", "--ledger", "march.db", "--reason", " ").code == 2
    assert paused() is None


def test_a_job_that_is_done_is_paused(command: Command) -> None:
    """A worker may bring more: the pause holds, says that nothing is left now, and the status says how to go on."""
    assert command("bulk", "resume", "--ledger", "march.db", "--sandbox").code == 0
    ended = command(*PAUSE)
    first, second = ended.out.splitlines()
    assert (ended.code, first) == (0, "march.db is paused: wrong values")
    assert second.startswith("nothing of it is left to send or to look up now; messages that a worker receives wait")
    assert "bulk resume --ledger march.db --sandbox" in ended.err
    assert paused() == "wrong values"
    assert command(*PAUSE, "--json").facts["paused"] == "wrong values"
    status = command("bulk", "status", "--ledger", "march.db", "--json").facts
    assert (status["paused"], "bulk resume" in status["continue_with"]) == ("wrong values", True)
    assert command("bulk", "resume", "--ledger", "march.db", "--sandbox").code == 0
    assert paused() is None


def test_what_is_left_is_not_denied(command: Command) -> None:
    """While rows are planned, the pause says nothing of an end."""
    assert "nothing of it is left" not in command(*PAUSE).out
