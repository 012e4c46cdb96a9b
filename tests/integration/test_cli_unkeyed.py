"""Jobs of points and links that are stopped or killed: the printed command goes on, and nobody is served twice."""

import json
import re
import shlex
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.commands import last_json, reaching, started, wait_until, xoxo
from xoxo_async.sandbox import Sandbox

pytestmark = [pytest.mark.usefixtures("hang_ups"), pytest.mark.slow]

ROWS = 40
CAMPAIGN = ("--campaign-id", "7001", "--expires-on", "2099-12-31")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Kind(NamedTuple):
    """One command that sends a job.

    Attributes:
        words: The command.
        flags: What its rows need.
        served: Returns how often each row was served, by the sandbox's books.
        operation: Its call.
    """

    words: tuple[str, str]
    flags: tuple[str, ...]
    served: Callable[[Sandbox], Counter[str]]
    operation: str


def credited(sandbox: Sandbox) -> Counter[str]:
    return Counter(credit.email for credit in sandbox.books().credits)


def linked(sandbox: Sandbox) -> Counter[str]:
    """Return one entry a call: links have no recipient."""
    return Counter(f"call {batch.call}" for batch in sandbox.books().links)


def mailed(sandbox: Sandbox) -> Counter[str]:
    return Counter(sandbox.books().link_mails)


KINDS = {
    "points": Kind(("points", "send"), ("--sender", "a@example.com"), credited, "sendBalance"),
    "links": Kind(("links", "generate"), CAMPAIGN, linked, "generateLink"),
    "mails": Kind(("links", "send"), CAMPAIGN, mailed, "generateLinkEmail"),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox whose answers take so long that a signal finds the run half-way."""
    with Sandbox(latency_ms=100).run_in_thread() as sandbox:
        yield sandbox


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Return each command, with a file for it."""
    one = KINDS[request.param]
    head = {"points": "key,email,name,amount", "links": "key,quantity", "mails": "key,email"}[request.param]
    cells = {"points": "p{0}@example.com,P,{1}", "links": "1", "mails": "p{0}@example.com"}[request.param]
    rows = "".join(f"E-{n},{cells.format(n, 100 + n)}\n" for n in range(ROWS))
    (tmp_path / "people.csv").write_text(f"{head}\n{rows}")
    return one


def send(kind: Kind) -> tuple[str, ...]:
    return (*kind.words, "--file", "people.csv", "--ledger", "my job.db", *kind.flags, "--concurrency", "3", "--json")


def printed(words: str, stderr: str) -> list[str]:
    """Return the arguments of the one command that standard error names after some words."""
    (command,) = re.findall(rf"{re.escape(words)}: (.+)$", stderr, re.MULTILINE)
    return arguments_of(command)


def arguments_of(command: str) -> list[str]:
    words = shlex.split(command)
    return words[next(place for place, word in enumerate(words) if word in {"points", "links", "bulk"}) :]


def count_of(sandbox: Sandbox, kind: Kind) -> int:
    return sum(kind.served(sandbox).values())


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_nothing_in_doubt(tmp_path: Path, sandbox: Sandbox, kind: Kind, number: signal.Signals) -> None:
    """Exit 130 after the calls under way; the command that it prints serves the rest, each row once."""
    env = reaching(sandbox)
    with started(*send(kind), cwd=tmp_path, **env) as process:
        wait_until(lambda: count_of(sandbox, kind) >= ROWS // 4)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    report = json.loads(stdout.splitlines()[-1])
    assert (report["pause"], report["exit_code"], report["unknown"]) == ("interrupted", 130, 0)
    assert 0 < report["issued"] < ROWS
    assert arguments_of(report["continue_with"]) == printed("continue with", stderr)
    done = xoxo(*printed("continue with", stderr), cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert last_json(done)["issued"] == ROWS
    served = kind.served(sandbox)
    assert (len(served), set(served.values())) == (ROWS, {1})


def test_a_killed_job_goes_on_from_its_start(tmp_path: Path, sandbox: Sandbox, kind: Kind) -> None:
    """After kill -9 the calls under way are a person's; the command in the first line sends the others, once."""
    env = reaching(sandbox)
    with started(*send(kind), cwd=tmp_path, **env) as process:
        assert process.stderr is not None
        said = ""
        while "If interrupted, run: " not in said:
            said = process.stderr.readline()
        wait_until(lambda: count_of(sandbox, kind) >= ROWS // 4)
        process.kill()
        process.wait()
    status = last_json(xoxo("bulk", "status", "--ledger", "my job.db", "--json", cwd=tmp_path))
    assert arguments_of(status["continue_with"]) == [*kind.words, "--ledger", "my job.db"]  # it keeps the bounds
    ended = xoxo(*printed("If interrupted, run", said), "--settle", "0", cwd=tmp_path, **env)
    report = last_json(ended)
    assert (ended.returncode, report["not_sent"]) == (4, 0), ended.stderr
    assert 1 <= report["unknown"] <= 6  # under way, or just claimed
    assert report["issued"] + report["unknown"] == ROWS
    problems = last_json(xoxo("bulk", "status", "--ledger", "my job.db", "--json", cwd=tmp_path))["problems"]
    assert len(problems) == report["unknown"]
    for problem in problems:  # the dashboard shows the recipients; of links it shows how many batches there are
        address = f"p{problem['key'].removeprefix('E-')}@example.com"
        there = bool(kind.served(sandbox)[address]) or kind.operation == "generateLink"
        decided = xoxo(*arguments_of(problem["resolve"]["done" if there else "resend"]), cwd=tmp_path)
        assert decided.returncode == 0, decided.stderr
    done = xoxo(*printed("If interrupted, run", said), cwd=tmp_path, **env)
    assert (done.returncode, last_json(done)["issued"]) == (0, ROWS), done.stderr
    served = kind.served(sandbox)
    assert set(served.values()) == {1}
    assert len(served) == ROWS or kind.operation == "generateLink"


def test_a_second_signal_ends_a_job_at_once(tmp_path: Path, sandbox: Sandbox, kind: Kind) -> None:
    """Exit 130 without an answer: these rows are in doubt, and no later run sends them."""
    sandbox.script("timeout_after_commit", operation=kind.operation, first=3, seconds=60)
    env = reaching(sandbox)
    with started(*send(kind), cwd=tmp_path, **env) as process:
        assert process.stderr is not None
        wait_until(lambda: count_of(sandbox, kind) == 3)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: "Stopping" in process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    report = json.loads(stdout.splitlines()[-1])
    assert (report["unknown"], report["issued"]) == (3, 0)
    done = xoxo(*printed("continue with", stderr), cwd=tmp_path, **env)
    assert (done.returncode, last_json(done)["issued"], last_json(done)["unknown"]) == (4, ROWS - 3, 3)
    assert set(kind.served(sandbox).values()) == {1}


# Taking points back.


@pytest.fixture
def env(tmp_path: Path, sandbox: Sandbox) -> dict[str, str]:
    """Everybody has points; return the environment that leads to the sandbox."""
    rows = "".join(f"E-{n},p{n}@example.com,P,{100 + n}\n" for n in range(ROWS))
    (tmp_path / "people.csv").write_text(f"key,email,name,amount\n{rows}")
    done = xoxo(*KINDS["points"].words, "--file", "people.csv", "--ledger", "my job.db", "--sender", "a@example.com",
                "--concurrency", "20", cwd=tmp_path, **reaching(sandbox))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return reaching(sandbox)


def cancels(sandbox: Sandbox) -> list[int]:
    """Return how often each credit was named by a cancellation."""
    return [credit.cancels for credit in sandbox.books().credits]


def cancel(rows: Sequence[str]) -> tuple[str, ...]:
    return ("points", "cancel", "--ledger", "my job.db", "--reason", "wrong list", "--batch", "2", "--json", *rows)


NAMED = [f"E-{n}" for n in range(0, ROWS, 2)]


@pytest.mark.parametrize("rows", [("--all",), NAMED], ids=["all", "named"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_cancellation_goes_on_after_a_signal(
    tmp_path: Path, sandbox: Sandbox, env: dict[str, str], number: signal.Signals, rows: Sequence[str]
) -> None:
    """Exit 130 after the call under way; the printed command takes back the rest and no other's points."""
    with started(*cancel(rows), cwd=tmp_path, **env) as process:
        wait_until(lambda: sum(cancels(sandbox)) >= 6)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    report: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    assert (report["unknown"], report["exit_code"]) == (0, 130)
    assert report["not_asked"] > 0
    again = printed("continue with", stderr)
    assert arguments_of(report["continue_with"]) == again
    assert {"--batch", "2", "--json", "wrong list"} <= set(again)
    done = xoxo(*again, cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert last_json(done)["unknown"] == 0
    named = ROWS if rows == ("--all",) else len(NAMED)
    assert Counter(cancels(sandbox)) == Counter({1: named} | ({0: ROWS - named} if named < ROWS else {}))


def test_a_killed_cancellation_goes_on(tmp_path: Path, sandbox: Sandbox, env: dict[str, str]) -> None:
    """After kill -9 the call under way is in doubt; the first line's command asks for the others, each once."""
    with started(*cancel(["--all"]), cwd=tmp_path, **env) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        wait_until(lambda: sum(cancels(sandbox)) >= 6)
        process.kill()
        process.wait()
    done = xoxo(*printed("If interrupted, run", said), cwd=tmp_path, **env)
    report = last_json(done)
    assert (done.returncode, report["not_asked"]) == (4, 0), done.stderr
    assert 1 <= report["unknown"] <= 2
    assert max(cancels(sandbox)) == 1
    gone = {credit.unique_id for credit in sandbox.books().credits if credit.cancelled}
    for one in report["results"]:
        if one["state"] == "unknown":
            found = "cancelled" if one["unique_id"] in gone else "kept"
            record = ("points", "cancel", "--ledger", "my job.db", one["key"], "--found", found, "--reason", "seen")
            settled = xoxo(*record, cwd=tmp_path)
            assert settled.returncode == 0, settled.stderr
    done = xoxo(*printed("If interrupted, run", said), cwd=tmp_path, **env)
    assert (done.returncode, last_json(done)["cancelled"]) == (0, ROWS), done.stderr
    assert cancels(sandbox) == [1] * ROWS
