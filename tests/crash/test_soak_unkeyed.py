"""A thousand recipients of points, links and mails: lost answers and kill -9, then a person, until the books agree."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.crash import people
from tests.warm_python import WarmProcess, run_warm
from xoxo_async.bulk import Decision, Delivery, LedgerLine, LineState, SqliteLedger, settle_cancels
from xoxo_async.sandbox import Faults, Rule, Sandbox

pytestmark = pytest.mark.slow

LOST = {"commit_then_reset": 0.02, "reset_before_commit": 0.01, "timeout_after_commit": 0.01, "html_502_after": 0.01}
"""Five answers of a hundred are lost; after one of the five nothing had happened."""
BY_COMMAND = 3
"""Decisions that the command makes, since each is a process of its own."""
OPERATIONS = {
    "points": "sendBalance",
    "links": "generateLink",
    "mails": "generateLinkEmail",
    "cancel": "cancelBalance",
}


@dataclass
class Trial:
    """One job, its ledger, and the sandbox that it is compared with."""

    kind: str
    sandbox: Sandbox
    ledger: Path
    killed: set[str] = field(default_factory=set)

    def start(self) -> WarmProcess:
        program = [people.__file__, self.kind, self.sandbox.base_url, self.ledger]
        return WarmProcess(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill_after(self, calls: int) -> None:
        """Kill a run once the sandbox has had so many calls. What was in flight then is in doubt."""
        with self.start() as process:
            deadline = time.monotonic() + 90
            while self.sandbox.books().requests.get(OPERATIONS[self.kind], 0) < calls:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=90)
        self.killed |= {
            line.key for line in self.lines() if line.state is LineState.SENDING or line.delivery is Delivery.CANCELLING
        }

    def finish(self) -> dict[str, Any]:
        """Run to the end, and return the report."""
        with self.start() as process:
            out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert "claim.example" not in out + err
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
        return report

    def run(self) -> dict[str, Any]:
        """Send to the end, and return the report."""
        report = self.finish()
        parts = ("issued", "pending", "rejected", "unknown", "not_sent")
        assert sum(int(report[part]) for part in parts) == report["rows"] == people.ROWS
        assert report["not_sent"] == 0
        return report

    def lines(self) -> list[LedgerLine]:
        """Return the lines of the ledger with their codes."""

        async def read() -> list[LedgerLine]:
            async with SqliteLedger(self.ledger, must_exist=True) as ledger:
                return [line async for line in ledger.lines(with_codes=True)]

        return anyio.run(read)

    def decide(self, decisions: dict[str, Decision]) -> None:
        """Do what a person does with the rows in doubt: the first ones by the command, the others by the library."""
        by_command = list(decisions)[:BY_COMMAND]
        for key in by_command:
            self._resolve(key, decisions[key])

        async def resolve() -> None:
            async with people.job_of(self.kind, self.sandbox.base_url, str(self.ledger)) as job:
                for key, decision in decisions.items():
                    if key not in by_command:
                        await job.resolve(key, decision)

        anyio.run(resolve)

    def _resolve(self, key: str, decision: Decision) -> None:
        """Decide about one row by `xoxo bulk resolve`."""
        how = ["--resend"] if decision.resend else ["--done"]
        if decision.placed is not None:
            how = ["--placed", str(decision.placed)]
        program = ["-m", "xoxo_async", "bulk", "resolve", key, *how, "--reason", decision.reason]
        environment = {
            **os.environ,
            "XOXO_BASE_URL": self.sandbox.base_url,
            "XOXO_CLIENT_ID": self.sandbox.client_id,
            "XOXO_CLIENT_SECRET": self.sandbox.client_secret,
        }
        done = run_warm([*program, "--ledger", str(self.ledger)], env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr

    def settle(self, keys: set[str], *, cancelled: bool) -> None:
        """Record what a person found out about cancellations."""

        async def settle() -> None:
            async with SqliteLedger(self.ledger, must_exist=True) as ledger:
                await settle_cancels(ledger, keys, cancelled=cancelled, reason="seen in the dashboard")

        if keys:
            anyio.run(settle)

    def in_doubt(self) -> list[LedgerLine]:
        """Return the rows that wait for a person. No other row may be open."""
        lines = self.lines()
        assert {line.state for line in lines} <= {LineState.PLACED, LineState.MANUAL}
        return [line for line in lines if line.state is LineState.MANUAL]

    def lost_rows(self) -> set[str]:
        """Return the keys of rows whose call got a fault, by what the sandbox received."""
        named = [
            received.data
            for received in self.sandbox.requests
            if received.operation == OPERATIONS[self.kind] and received.fault
        ]
        if self.kind == "cancel":
            credits_of = {credit.unique_id: credit.email for credit in self.sandbox.books().credits}
            addresses = [credits_of[one["unique_id"]] for data in named for one in data["recipients"]]  # type: ignore[attr-defined]
        elif self.kind == "points":
            addresses = [one["to_email"] for data in named for one in data["recipients"]]  # type: ignore[attr-defined]
        else:
            addresses = [one for data in named for one in str(data["email_ids"]).split(",")]
        return {f"row-{one.removeprefix('person-').partition('@')[0]}" for one in addresses}


def number(line: LedgerLine) -> int:
    return int(line.key.removeprefix("row-"))


def links_of(line: LedgerLine) -> list[str]:
    return [code["code"] for code in json.loads(line.codes or b"[]")]


@pytest.fixture(params=[pytest.param(seed, id=f"seed{seed}") for seed in (11,)])
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of the faults and of the moment of the kill."""
    return int(request.param)


def trial_of(kind: str, seed: int, folder: Path) -> Trial:
    faults = Faults(mix=LOST, seed=seed, operation=OPERATIONS[kind])
    return Trial(kind, Sandbox(seed=seed, faults=faults, latency_ms=5), folder / "job.db")


def killed_half_way(trial: Trial, seed: int) -> dict[str, Any]:
    """Kill a run about half-way, run to the end, and return the report."""
    calls = people.ROWS if trial.kind == "mails" else people.ROWS // people.BATCH
    trial.kill_after(int(calls * random.Random(seed).uniform(0.4, 0.6)))
    assert trial.killed  # or the kill has proven nothing
    assert len(trial.killed) <= 2 * people.CONCURRENCY * people.BATCH
    return trial.run()


@pytest.mark.timeout(600)
def test_nobody_gets_points_twice(tmp_path: Path, seed: int) -> None:
    """Every row in doubt lost its answer or its process; a person closes the job, and the sums agree to the point."""
    trial = trial_of("points", seed, tmp_path)
    with trial.sandbox.run_in_thread() as sandbox:
        report = killed_half_way(trial, seed)
        for _ in range(10):
            got = {credit.email: credit for credit in sandbox.books().credits}
            assert len(got) == len(sandbox.books().credits), "somebody got points twice"
            doubt = trial.in_doubt()
            assert len(doubt) == report["unknown"]
            assert {line.key for line in doubt} <= trial.lost_rows() | trial.killed
            told = {line.key for line in trial.lines() if line.state is LineState.PLACED}
            for line in trial.lines():
                credit = got.get(people.address(number(line)))
                if line.key in told:
                    assert credit is not None
                    assert line.order_id == credit.unique_id
                elif credit is not None and line.key not in trial.killed:
                    assert not credit.answered, line.key
            if not doubt:
                break
            # The dashboard shows the person who has got points; the others get theirs now.
            decisions = {}
            for line in doubt:
                credit = got.get(people.address(number(line)))
                decisions[line.key] = (
                    Decision(resend=True, reason="not in the dashboard")
                    if credit is None
                    else Decision(placed=credit.unique_id, reason="seen in the dashboard")
                )
            trial.decide(decisions)
            report = trial.run()
        assert report["unknown"] == 0
        books = sandbox.books()
        assert books.points == {people.address(n): people.amount(n) for n in range(people.ROWS)}
        assert books.points_given == sum(people.amount(n) for n in range(people.ROWS))
        assert {credit.unique_id for credit in books.credits} == {line.order_id for line in trial.lines()}


@pytest.mark.timeout(600)
def test_no_link_is_under_two_rows(tmp_path: Path, seed: int) -> None:
    """Links of lost answers are in no row, and the rows in doubt are those that they were made for."""
    trial = trial_of("links", seed, tmp_path)
    with trial.sandbox.run_in_thread() as sandbox:
        report, calls_before = killed_half_way(trial, seed), 0
        cut_off = len(trial.killed)
        for _ in range(10):
            lines, batches = trial.lines(), sandbox.books().links
            held = [link for line in lines for link in links_of(line)]
            assert len(held) == len(set(held)), "a link is under two rows"
            assert set(held) <= set(sandbox.state.links.all())
            for line in lines:
                wanted = people.quantity(number(line)) if line.state is LineState.PLACED else 0
                assert len(links_of(line)) == wanted
            # A call has all its links in rows or none; without a fault, only a process that died can have lost them.
            lost = [batch for batch in batches if not set(batch.links) & set(held)]
            assert all(set(batch.links) <= set(held) for batch in batches if batch not in lost)
            assert sum(batch.answered > 0 for batch in lost) <= cut_off
            doubt = trial.in_doubt()
            assert len(doubt) == report["unknown"]
            calls = [received for received in sandbox.requests if received.operation == "generateLink"]
            faulty = sum(int(str(call.data["links_quantity"])) for call in calls[calls_before:] if call.fault)
            # The links of the calls whose answers were lost are exactly those of the rows in doubt.
            killed = sum(people.quantity(number(line)) for line in doubt if line.key in trial.killed)
            in_doubt = sum(people.quantity(number(line)) for line in doubt)
            assert faulty - killed <= in_doubt - killed <= faulty
            if not doubt:
                break
            # The person has the links of lost answers disabled, and has the rows sent again.
            calls_before, trial.killed = len(calls), set()
            trial.decide({line.key: Decision(resend=True, reason="their batch is disabled") for line in doubt})
            report = trial.run()
        assert report["unknown"] == 0
        held = [link for line in trial.lines() for link in links_of(line)]
        assert len(held) == len(set(held)) == sum(people.quantity(n) for n in range(people.ROWS))


@pytest.mark.timeout(600)
def test_nobody_is_mailed_twice(tmp_path: Path, seed: int) -> None:
    """Every address in doubt lost its answer or its process; a person closes the job with one mail an address."""
    trial = trial_of("mails", seed, tmp_path)
    with trial.sandbox.run_in_thread() as sandbox:
        report = killed_half_way(trial, seed)
        for _ in range(10):
            mails = Counter(sandbox.books().link_mails)
            assert set(mails.values()) == {1}, "somebody was mailed twice"
            doubt = trial.in_doubt()
            assert len(doubt) == report["unknown"]
            assert {line.key for line in doubt} <= trial.lost_rows() | trial.killed
            assert all(
                people.address(number(line)) in mails for line in trial.lines() if line.state is LineState.PLACED
            )
            if not doubt:
                break
            trial.decide(
                {
                    line.key: Decision(done=True, reason="seen in the dashboard")
                    if people.address(number(line)) in mails
                    else Decision(resend=True, reason="not in the dashboard")
                    for line in doubt
                }
            )
            report = trial.run()
        assert report["unknown"] == 0
        assert sandbox.books().link_mails == {people.address(n): 1 for n in range(people.ROWS)}


@pytest.mark.timeout(600)
def test_no_credit_is_cancelled_twice(tmp_path: Path, seed: int) -> None:
    """Every cancellation in doubt lost its answer or its process; a person closes the job, and the sums agree."""
    trial = trial_of("points", seed, tmp_path)
    trial.sandbox.faults.rules.append(Rule(kind="commit_then_reset", operation="cancelBalance", every=25))
    trial.sandbox.faults.rules.append(Rule(kind="reset_before_commit", operation="cancelBalance", every=40))
    with trial.sandbox.run_in_thread() as sandbox:
        trial.run()
        rows = sum(line.order_id is not None for line in trial.lines())
        trial.kind = "cancel"
        trial.kill_after(rows // people.BATCH // 2)
        assert 0 < len(trial.killed) <= rows // 2
        for _ in range(10):
            report = trial.finish()
            lines = {line.order_id: line for line in trial.lines() if line.order_id is not None}
            books = sandbox.books()
            assert report["cancelled"] == sum(line.delivery is Delivery.CANCELLED for line in lines.values())
            assert report["refused"] == report["rows"] - rows  # rows in doubt about the send have no id
            for credit in books.credits:
                line = lines.get(credit.unique_id)
                if line is not None and line.delivery is Delivery.CANCELLED:
                    assert credit.cancelled
                elif line is not None and line.delivery is Delivery.DELIVERED:
                    assert not credit.cancelled
            doubt = [line for line in lines.values() if line.delivery is Delivery.CANCELLING]
            assert len(doubt) == report["unknown"]
            assert {line.key for line in doubt} <= trial.lost_rows() | trial.killed
            assert all(credit.cancels <= 1 for credit in books.credits if lines.get(credit.unique_id) in doubt)
            if not doubt:
                break
            gone = {credit.unique_id for credit in books.credits if credit.cancelled}
            trial.settle({line.key for line in doubt if line.order_id in gone}, cancelled=True)
            trial.settle({line.key for line in doubt if line.order_id not in gone}, cancelled=False)
        assert report["unknown"] == 0
        books = sandbox.books()
        assert all(credit.cancelled and credit.cancels <= 2 for credit in books.credits if credit.unique_id in lines)
        assert books.points_given == sum(one.points for one in books.credits if one.unique_id not in lines)
